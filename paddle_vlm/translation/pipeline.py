"""In-image translation: read, group, translate, erase, typeset, each stage timed and none aware of the others."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from paddle_vlm.runtime import parallel_map
from paddle_vlm.translation.erase import erase, glyph_mask
from paddle_vlm.translation.layout import Region, group_lines
from paddle_vlm.translation.ocr import TextLine
from paddle_vlm.translation.style import TextStyle, measure_style
from paddle_vlm.translation.translator import Translation
from paddle_vlm.translation.typeset import Placement, typeset
from paddle_vlm.vision.image import LoadedImage


@dataclass
class TranslatedRegion:
    """One paragraph, cell or line: what was read, what it became, where the English stands (None: nowhere)."""

    region: Region
    translation: Translation
    style: TextStyle | None = None
    placement: Placement | None = None

    @property
    def stays(self) -> bool:
        """Whether the picture keeps the original text here."""
        return self.translation.source == "kept" or not self.translation.text.strip()


@dataclass
class Rendering:
    """The finished pixels [H, W, 3] (and alpha [H, W] where the source had one), the regions and seconds per stage."""

    rgb: np.ndarray
    alpha: np.ndarray | None
    regions: list[TranslatedRegion]
    seconds: dict[str, float] = field(default_factory=dict)


def render_translation(
    image: LoadedImage,
    *,
    read: Callable[[np.ndarray], list[TextLine]],
    translate: Callable[[list[str]], list[Translation]],
) -> Rendering:
    """Replace the Chinese text of one picture by English.

    `read` and `translate` are the two stages that hold models; what is not Chinese, and what the translator
    returns as "kept", stays untouched in the picture.
    """
    seconds: dict[str, float] = {}
    with _timed(seconds, "ocr"):
        height, width = image.rgb.shape[:2]
        regions = group_lines(read(image.rgb), (width, height))
    with _timed(seconds, "translate"):
        done = [TranslatedRegion(r, t) for r, t in zip(regions, _translations(regions, translate), strict=True)]
    changed = [r for r in done if not r.stays]
    kept = [r.region for r in done if r.stays]
    with _timed(seconds, "erase"):
        canvas = _erase_regions(image, changed, kept)
    with _timed(seconds, "typeset"):
        styles = [r.style for r in changed if r.style is not None]
        canvas, placements = typeset(
            canvas, [r.region for r in changed], [r.translation.text for r in changed], styles, obstacles=kept
        )
        for item, placement in zip(changed, placements, strict=True):
            item.placement = placement
    seconds["total"] = sum(seconds.values())
    alpha = canvas[..., 3] if image.alpha is not None else None
    return Rendering(np.ascontiguousarray(canvas[..., :3]), alpha, done, seconds)


def _translations(
    regions: Sequence[Region], translate: Callable[[list[str]], list[Translation]]
) -> Iterator[Translation]:
    found = iter(translate([r.text for r in regions if r.translatable]))
    for region in regions:
        yield next(found) if region.translatable else Translation(region.text, "kept", 1.0)


def _erase_regions(image: LoadedImage, changed: Sequence[TranslatedRegion], kept: Sequence[Region]) -> np.ndarray:
    """Measure each region's style, then take its strokes away; returns [H, W, 3], or [H, W, 4] with alpha."""
    canvas = image.rgb if image.alpha is None else np.dstack([image.rgb, image.alpha])
    lines = [line for item in changed for line in item.region.lines]
    mask = glyph_mask(image.rgb, lines, [line for region in kept for line in region.lines])
    longest = [max(item.region.lines, key=lambda line: len(line.text)) for item in changed]
    styles = parallel_map(lambda line: measure_style(image.rgb, line, mask), longest)
    for item, style in zip(changed, styles, strict=True):
        item.style = style
    return erase(canvas, mask, lines)


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    begun = time.perf_counter()
    yield
    seconds[stage] = time.perf_counter() - begun
