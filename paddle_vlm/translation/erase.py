"""Put the background back where text stood."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np

from paddle_vlm.runtime import parallel_map
from paddle_vlm.translation.background import (
    Neighbourhood,
    fit_background,
    fit_surface,
    grown,
    length,
    membrane,
    spread_into,
)

if TYPE_CHECKING:
    from paddle_vlm.translation.ocr import TextLine

_MARGIN = 0.8  # how far around a line is looked at, in glyph heights
_WORK_HEIGHT = 24.0  # the smooth background is modelled at this glyph height at most, in pixels


def erase(image: np.ndarray, mask: np.ndarray, lines: Sequence[TextLine]) -> np.ndarray:
    """Replace the masked pixels by the background that they cover.

    Even and graded backgrounds are computed from a surface fitted to the pixels around each line, plus the grain that
    the surroundings have; textured ones are inpainted (Navier-Stokes, Bertalmio et al. 2001).

    Args:
        image: uint8 [H, W, C] with 3 or 4 channels; the fourth (alpha) is filled like a colour.
        mask: bool [H, W], see `glyph_mask`.
        lines: the lines that the mask belongs to.

    Returns:
        A new array like `image`; unmasked pixels are unchanged.
    """

    def filled(line: TextLine) -> tuple[tuple[int, int, int, int], np.ndarray, np.ndarray | None]:
        near = Neighbourhood.of(line, image.shape, _MARGIN, _WORK_HEIGHT)
        x0, y0, x1, y1 = near.box
        part, unknown = image[y0:y1, x0:x1], mask[y0:y1, x0:x1]
        hole = unknown & (near.enlarged(near.outside) <= 0.75 * near.height)
        return near.box, hole, _filled(part, hole, ~unknown, near) if hole.any() else None

    result = image.copy()
    left = mask.copy()
    for (x0, y0, x1, y1), hole, pixels in parallel_map(filled, lines):
        if pixels is not None:
            todo = hole & left[y0:y1, x0:x1]
            result[y0:y1, x0:x1][todo] = pixels[todo]
            left[y0:y1, x0:x1][todo] = False
    if left.any():
        result = _inpainted(result, left)
    return result


def _filled(part: np.ndarray, hole: np.ndarray, known: np.ndarray, near: Neighbourhood) -> np.ndarray:
    """`part` uint8 [h, w, C] with its hole filled from the known pixels close to it.

    The smooth part is computed at the reduced size and enlarged, the grain is taken from the pixels themselves.
    """
    small, sure = near.reduced(part), near.reduced(known.astype(np.float32)) > 0.99
    gap = near.reduced(hole.astype(np.float32)) > 0
    smooth, spread = _smooth(small.astype(np.float32), gap, sure, near.height)
    if smooth is None:
        smooth = _inpainted(small, ~sure).astype(np.float32)
    filled = near.enlarged(smooth)
    if spread > 1.2:
        filled = filled + _grain(part, hole, known, near.height / near.scale)
    return np.clip(np.round(filled), 0, 255).astype(np.uint8)


def _smooth(pixels: np.ndarray, hole: np.ndarray, known: np.ndarray, height: float) -> tuple[np.ndarray | None, float]:
    """A smooth background float32 [h, w, C] and the spread of the known pixels around it; None where it is textured."""
    radius = max(3.0, 0.3 * height)
    close = known & grown(hole, radius + 1)
    # What touches the hole is its ground; a label's surroundings farther out are not.
    rim = fit_surface(pixels, known & grown(hole, max(3.0, 0.1 * height)))
    if rim is not None and rim.spread <= 9:
        close &= length(pixels - rim.values) < max(12.0, 5 * rim.spread)
    local = fit_background(pixels, close, radius)
    if local is None:
        return None, 0.0
    foreign = known & (length(pixels - local.values) > max(10.0, 5 * local.spread))
    if local.spread <= 3:  # on clean ground a thin one is a frame or a rule, which passes beside the text
        size = (2 * round(0.1 * height) + 1,) * 2
        foreign = cv2.morphologyEx(foreign.astype(np.uint8), cv2.MORPH_OPEN, np.ones(size, np.uint8)).astype(bool)
    edge = known & grown(hole, 1.0)
    if local.spread > 9 or foreign[edge].mean() > 0.12:  # a texture, or things that run on under the text
        return None, local.spread
    ordinary = close & (length(pixels - local.values) < max(2.0, 3 * local.spread))
    # Averages of a few pixels, not single ones, carry the shading into the hole: no streaks from noise.
    shading = spread_into(pixels - local.quadratic, ordinary, 3.0)
    return local.quadratic + membrane(shading, ordinary), local.spread


def _grain(part: np.ndarray, hole: np.ndarray, known: np.ndarray, height: float) -> np.ndarray:
    """Fine structure of known pixels moved into the hole in whole patches, which keeps the grain's own pattern."""
    pixels = part.astype(np.float32)
    rough = pixels - spread_into(pixels, known, 3.0)
    around = known & grown(hole, max(4.0, 0.3 * height))
    odd = known & (length(rough) > 4 * _median_length(rough[around]))
    usable = known & ~grown(~known, 1.0) & ~grown(odd, 3.0)
    grain = np.zeros_like(rough)
    ys, xs = np.nonzero(hole)
    reach = max(12.0, height)
    for turn in range(60):  # directions by the golden angle, farther and farther: no pattern repeats itself
        distance, angle = 3 + reach * turn / 60, 2.39996 * turn
        from_y, from_x = ys - round(distance * np.sin(angle)), xs - round(distance * np.cos(angle))
        good = (from_y >= 0) & (from_y < hole.shape[0]) & (from_x >= 0) & (from_x < hole.shape[1])
        good[good] = usable[from_y[good], from_x[good]]
        grain[ys[good], xs[good]] = rough[from_y[good], from_x[good]]
        ys, xs = ys[~good], xs[~good]
        if not len(ys):
            break
    return grain


def _median_length(vectors: np.ndarray) -> float:
    return float(np.median(length(vectors))) if len(vectors) else 0.0


def _inpainted(image: np.ndarray, hole: np.ndarray) -> np.ndarray:
    marked = hole.astype(np.uint8)
    filled = cv2.inpaint(np.ascontiguousarray(image[..., :3]), marked, 4, cv2.INPAINT_NS)
    if image.shape[2] == 4:
        filled = np.dstack([filled, cv2.inpaint(np.ascontiguousarray(image[..., 3]), marked, 4, cv2.INPAINT_NS)])
    return filled
