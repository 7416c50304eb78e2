"""In-image translation: read, group, translate, erase, typeset, each stage timed and none aware of the others."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from paddle_vlm.runtime import parallel_map
from paddle_vlm.translation.erase import erase
from paddle_vlm.translation.layout import group_lines
from paddle_vlm.translation.ocr import TextLine
from paddle_vlm.translation.region import Region
from paddle_vlm.translation.strokes import Strokes, find_strokes, glyph_mask
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
    """The finished pixels [H, W, 3] (and alpha [H, W] where the source had one), the regions and seconds per stage.

    Translating and erasing go on at the same time, so "total" is less than the sum.
    """

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
    returns as "kept", stays untouched in the picture. While the translator works, the strokes are found.
    """
    seconds: dict[str, float] = {}
    begun = time.perf_counter()
    with _timed(seconds, "ocr"):
        height, width = image.rgb.shape[:2]
        regions = group_lines(read(image.rgb), (width, height))
    with ThreadPoolExecutor(1) as aside:
        translations = aside.submit(_translations, regions, translate, seconds)
        with _timed(seconds, "erase"):
            looks = _looks(image.rgb, regions)
        done = [TranslatedRegion(r, t) for r, t in zip(regions, translations.result(), strict=True)]
    gone = [(item, look) for item, look in zip(done, looks, strict=True) if look and not item.stays]
    changed, styles = [item for item, _ in gone], [look.style for _, look in gone]
    kept = [line for item in done if item.stays for line in item.region.lines]
    with _timed(seconds, "erase"):
        mask = glyph_mask(image.rgb.shape, [each for _, look in gone for each in look.strokes], kept)
        canvas = image.rgb if image.alpha is None else np.dstack([image.rgb, image.alpha])
        canvas = erase(canvas, mask, [line for item in changed for line in item.region.lines])
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
    seconds["total"] = time.perf_counter() - begun
    alpha = canvas[..., 3] if image.alpha is not None else None
    return Rendering(np.ascontiguousarray(canvas[..., :3]), alpha, done, seconds)


def _translations(
    regions: Sequence[Region], translate: Callable[[list[str]], list[Translation]], seconds: dict[str, float]
) -> list[Translation]:
    with _timed(seconds, "translate"):
        found = iter(translate([r.text for r in regions if r.translatable]))
        return [next(found) if r.translatable else Translation(r.text, "kept", 1.0) for r in regions]


@dataclass
class _Look:
    """How a region's text looks: the strokes of its lines, and the style of its longest one."""

    strokes: list[Strokes]
    style: TextStyle


def _looks(rgb: np.ndarray, regions: Sequence[Region]) -> list[_Look | None]:
    """Of the regions that may be translated; None for the others."""
    own = [region for region in regions if region.translatable]
    lines = [line for region in own for line in region.lines]
    found = find_strokes(rgb, lines, [line for region in regions if not region.translatable for line in region.lines])
    mask = glyph_mask(rgb.shape, found)
    longest = [max(region.lines, key=lambda line: len(line.text)) for region in own]
    styles = parallel_map(lambda line: measure_style(rgb, line, mask), longest)
    strokes = iter(found)
    looks = iter([_Look([next(strokes) for _ in r.lines], style) for r, style in zip(own, styles, strict=True)])
    return [next(looks) if region.translatable else None for region in regions]


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    begun = time.perf_counter()
    yield
    seconds[stage] = seconds.get(stage, 0.0) + time.perf_counter() - begun
