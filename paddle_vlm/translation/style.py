"""How a line of text looks: colour, outline, weight, slant and size, measured from its strokes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from paddle_vlm.translation.background import Neighbourhood, fit_surface, glyph_height, length

if TYPE_CHECKING:
    from paddle_vlm.translation.ocr import TextLine

Colour = tuple[int, int, int]

_STRIP = 64  # glyph height in pixels at which strokes are measured
_PAD = 8  # pixels of the strip around the polygon
_ENOUGH = 6  # characters from the line's middle that are measured
# Median stroke width by glyph height, as measured here: Noto Serif SC 0.05, Noto Sans SC 0.08, bold weights from 0.11.
_BOLD = 0.093
_BLUR = 0.6  # pixels that antialiasing adds to a stroke, which counts in small print


@dataclass
class TextStyle:
    """Colours are RGB 0..255, lengths pixels of the picture, `slant` degrees (positive leans to the right)."""

    color: Colour
    outline_color: Colour | None
    outline_width: float
    bold: bool
    slant: float
    height: float
    background: Colour


def measure_style(rgb: np.ndarray, line: TextLine, mask: np.ndarray) -> TextStyle:
    """Measure one line.

    Args:
        rgb: uint8 [H, W, 3], the picture before anything was erased.
        line: the line; its polygon says where and how it runs.
        mask: bool [H, W], the strokes with outline and shadow (`glyph_mask`).
    """
    strip, marked = _upright(rgb, line, mask)
    lab = cv2.cvtColor(strip.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    surface = fit_surface(lab, ~marked)
    free = ~marked if (~marked).sum() >= 20 else np.ones_like(marked)
    background = _median(strip[free])
    difference = length(lab - (surface.values if surface else np.median(lab[free], axis=0)))
    difference[~marked] = 0
    within = np.zeros_like(marked)
    within[_PAD:-_PAD, _PAD:-_PAD] = True
    scale = glyph_height(line) / _STRIP
    if not (marked & within).any():
        return TextStyle(_opposite(background), None, 0.0, False, 0.0, _STRIP * scale, background)
    strength = float(np.quantile(difference[marked & within], 0.9))
    strokes = (difference > 0.5 * strength) & within
    color, outline, width, fill = _fill_and_outline(strip, lab, (difference > 0.2 * strength) & within, difference)
    fill = strokes if fill is None else fill
    return TextStyle(
        color=color,
        outline_color=outline,
        outline_width=width * scale,
        bold=_stroke_width(fill) / _STRIP > _BOLD + _BLUR / glyph_height(line),
        slant=_slant(fill) if line.orientation == "horizontal" else 0.0,
        height=_extent(strokes, axis=1 if line.orientation == "horizontal" else 0) * scale,
        background=background,
    )


def _upright(rgb: np.ndarray, line: TextLine, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The line turned upright at glyph height `_STRIP`: uint8 [h, w, 3] and the mask bool [h, w]."""
    near = Neighbourhood.of(line, rgb.shape, 0.2, 1.5 * _STRIP)
    part = np.ascontiguousarray(near.cut(rgb))
    x0, y0, x1, y1 = near.box
    corners = (np.asarray(line.polygon, np.float32) - (x0, y0)) * (part.shape[1] / (x1 - x0), part.shape[0] / (y1 - y0))
    corners = _middle(corners, line.orientation == "vertical", _ENOUGH * near.height)
    p0, p1, _, p3 = corners
    ratio = _STRIP / near.height
    width, height = (max(8, min(4096, round(float(np.hypot(*side)) * ratio))) for side in (p1 - p0, p3 - p0))
    low, right, bottom = _PAD, _PAD + width, _PAD + height
    target = np.array([[low, low], [right, low], [right, bottom], [low, bottom]], np.float32)
    matrix = cv2.getPerspectiveTransform(corners.astype(np.float32), target)
    size = (width + 2 * _PAD, height + 2 * _PAD)
    strip = cv2.warpPerspective(part, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    marked = cv2.resize(mask[y0:y1, x0:x1].astype(np.uint8), part.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    return strip, cv2.warpPerspective(marked, matrix, size, flags=cv2.INTER_NEAREST).astype(bool)


def _middle(corners: np.ndarray, vertical: bool, most: float) -> np.ndarray:
    """The middle part, `most` pixels long, of a quadrilateral."""
    p0, p1, p2, p3 = corners
    (a0, a1), (b0, b1) = ((p0, p3), (p1, p2)) if vertical else ((p0, p1), (p3, p2))
    share = min(1.0, most / max(1.0, float(np.hypot(*(a1 - a0)))))
    low, high = (1 - share) / 2, (1 + share) / 2
    a, b = a0 + np.outer([low, high], a1 - a0), b0 + np.outer([low, high], b1 - b0)
    return np.array([a[0], b[0], b[1], a[1]] if vertical else [a[0], a[1], b[1], b[0]], np.float32)


def _fill_and_outline(
    strip: np.ndarray, lab: np.ndarray, strokes: np.ndarray, difference: np.ndarray
) -> tuple[Colour, Colour | None, float, np.ndarray | None]:
    """Fill colour, outline colour and width (strip pixels), and the fill's pixels where a second colour is there.

    The second colour is an outline where it lies all around the first, else a shadow or the side of a solid letter.
    """
    depth = cv2.distanceTransform(strokes.astype(np.uint8), cv2.DIST_L2, 5)
    core = strokes & (depth >= 0.6 * cv2.dilate(depth, np.ones((9, 9), np.uint8)))
    strong = core & (difference >= np.quantile(difference[core], 0.5)) if core.any() else strokes
    plain = _median(strip[strong]), None, 0.0, None
    parts = _two_colours(lab, strokes, depth)
    if parts is None:
        return plain
    fill, other = parts
    solid = cv2.erode(fill.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    color = _median(strip[solid if solid.any() else fill])
    if _enclosure(fill, other) < 0.7:
        return color, None, 0.0, fill
    # Thin outlines are mostly blends; the pixels least like fill and background are the outline's own.
    own = np.minimum(difference, length(lab - np.median(lab[fill], axis=0)))
    purest = other & (own >= np.quantile(own[other], 0.7))
    width = max(0.5, float(np.median(depth[fill & ~solid])) - 1)
    return color, _median(strip[purest]), width, fill


def _two_colours(lab: np.ndarray, strokes: np.ndarray, depth: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Pixels of the letters' own colour and of a second one; None where the strokes have one colour only.

    Blends of fill and background, which antialiasing makes, are no second colour.
    """
    pixels = lab[strokes]
    if len(pixels) < 50:
        return None
    step = max(1, len(pixels) // 1200)
    some, deep = np.ascontiguousarray(pixels[::step]), depth[strokes][::step]
    labels = (deep > np.median(deep)).astype(np.int32)[:, None]
    if len(np.unique(labels)) < 2:
        return None
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 20, 0.5)
    _, _, centres = cv2.kmeans(some, 2, labels, criteria, 1, cv2.KMEANS_USE_INITIAL_LABELS)
    first = np.zeros_like(strokes)
    first[strokes] = length(pixels - centres[1]) < length(pixels - centres[0])
    second = strokes & ~first
    if np.linalg.norm(centres[0] - centres[1]) < 25 or min(first.sum(), second.sum()) < 0.15 * strokes.sum():
        return None
    back = np.median(lab[~strokes], axis=0)
    if _is_blend(centres[0], centres[1], back) or _is_blend(centres[1], centres[0], back):
        return None
    first_inside, second_inside = _enclosure(first, second), _enclosure(second, first)
    if max(first_inside, second_inside) < 0.7:
        own = first.sum() > second.sum()
    elif abs(first_inside - second_inside) > 0.15:
        own = first_inside > second_inside
    else:
        own = depth[first].mean() > depth[second].mean()
    return (first, second) if own else (second, first)


def _enclosure(inner: np.ndarray, outer: np.ndarray) -> float:
    """Share of the ring around `inner` that `outer` fills."""
    ring = _ring(inner)
    return float((outer & ring).sum() / max(1, ring.sum()))


def _ring(mask: np.ndarray) -> np.ndarray:
    """The two pixels around a mask."""
    return cv2.dilate(mask.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool) & ~mask


def _is_blend(colour: np.ndarray, first: np.ndarray, second: np.ndarray) -> bool:
    """Whether `colour` (Lab) lies on the way from `first` to `second`."""
    way = second - first
    t = float(np.clip((colour - first) @ way / max(1.0, float(way @ way)), 0, 1))
    return bool(np.linalg.norm(colour - first - t * way) < 14)


def _stroke_width(fill: np.ndarray) -> float:
    """Median width of the strokes, twice the distance transform along its ridge."""
    depth = cv2.distanceTransform(fill.astype(np.uint8), cv2.DIST_L2, 5)
    ridge = (depth >= cv2.dilate(depth, np.ones((3, 3), np.uint8)) - 1e-3) & (depth > 1)
    return 2 * float(np.median(depth[ridge])) - 1 if ridge.any() else 1.0


def _slant(fill: np.ndarray) -> float:
    """Degrees by which upright strokes lean: the shear that makes the column sums most uneven."""
    height, width = fill.shape[0] // 2, fill.shape[1] // 2
    image = cv2.resize(fill.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    scores = {}
    for degrees in range(-24, 25, 4):
        shear = np.tan(np.radians(degrees))
        matrix = np.array([[1, shear, -shear * height / 2], [0, 1, 0]], np.float32)
        scores[degrees] = float(cv2.warpAffine(image, matrix, (width, height)).sum(0).var())
    best = max(scores, key=lambda degrees: scores[degrees])
    return float(best) if abs(best) >= 6 and scores[best] > 1.5 * scores[0] else 0.0


def _extent(strokes: np.ndarray, axis: int) -> float:
    """Length in strip pixels over which strokes are found, faint ends left out."""
    profile = strokes.sum(axis)
    used = np.nonzero(profile > 0.04 * profile.max())[0]
    return float(used[-1] - used[0] + 1) if len(used) else float(_STRIP)


def _median(pixels: np.ndarray) -> Colour:
    r, g, b = np.median(pixels, axis=0)
    return round(float(r)), round(float(g)), round(float(b))


def _opposite(colour: Colour) -> Colour:
    return (0, 0, 0) if sum(colour) > 382 else (255, 255, 255)
