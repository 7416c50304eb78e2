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
    returns as "kept", stays untouched in the picture. The stages run one after another: each keeps all cores busy.
    """
    seconds: dict[str, float] = {}
    with _timed(seconds, "ocr"):
        height, width = image.rgb.shape[:2]
        regions = group_lines(read(image.rgb), (width, height))
    with _timed(seconds, "translate"):
        done = [TranslatedRegion(r, t) for r, t in zip(regions, _translations(regions, translate), strict=True)]
    with _timed(seconds, "erase"):
        canvas, styles = _erase_regions(image, done)
    changed = [item for item in done if not item.stays]
    with _timed(seconds, "typeset"):
        canvas, placements = typeset(
            canvas,
            [item.region for item in changed],
            [item.translation.text for item in changed],
            styles,
            obstacles=[item.region for item in done if item.stays],
        )
    for item, style, placement in zip(changed, styles, placements, strict=True):
        item.style, item.placement = style, placement
    seconds["total"] = sum(seconds.values())
    alpha = canvas[..., 3] if image.alpha is not None else None
    return Rendering(np.ascontiguousarray(canvas[..., :3]), alpha, done, seconds)


def _translations(
    regions: Sequence[Region], translate: Callable[[list[str]], list[Translation]]
) -> Iterator[Translation]:
    found = iter(translate([r.text for r in regions if r.translatable]))
    for region in regions:
        yield next(found) if region.translatable else Translation(region.text, "kept", 1.0)


def _erase_regions(image: LoadedImage, items: Sequence[TranslatedRegion]) -> tuple[np.ndarray, list[TextStyle]]:
    """The picture [H, W, 3], or [H, W, 4] with alpha, without the strokes that do not stay, and their styles."""
    canvas = image.rgb if image.alpha is None else np.dstack([image.rgb, image.alpha])
    erased = [item.region for item in items if not item.stays]
    kept = [line for item in items if item.stays for line in item.region.lines]
    lines = [line for region in erased for line in region.lines]
    mask = glyph_mask(image.rgb, lines, kept)
    longest = [max(region.lines, key=lambda line: len(line.text)) for region in erased]
    styles = parallel_map(lambda line: measure_style(image.rgb, line, mask), longest)
    return erase(canvas, mask, lines), styles


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    begun = time.perf_counter()
    yield
    seconds[stage] = time.perf_counter() - begun
