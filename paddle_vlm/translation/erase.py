"""Find the strokes of text lines, pixel by pixel, and put the background back in their place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np

from paddle_vlm.translation.background import (
    Neighbourhood,
    Surface,
    fit_background,
    fit_surface,
    length,
    membrane,
    spread_into,
)

if TYPE_CHECKING:
    from paddle_vlm.translation.ocr import TextLine

# Distances are in glyph heights, colour differences in CIE Lab units.
_MARGIN = 0.8  # how far around a line is looked at; a glow may reach 0.6
_WORK_HEIGHT = 40.0  # strokes are found, and the background is modelled, at this glyph height at most (pixels)
_COLOURS = 5


def glyph_mask(rgb: np.ndarray, lines: Sequence[TextLine], kept: Sequence[TextLine] = ()) -> np.ndarray:
    """Mark the strokes of `lines` with their antialiasing, outline, shadow and glow.

    Args:
        rgb: uint8 [H, W, 3].
        lines: polygons in pixels of `rgb`.
        kept: lines that stay in the picture; none of their strokes is marked.

    Returns:
        bool [H, W]. Pixels far from every polygon are never marked, nor are borders and pictures that pass by.
    """
    mask = np.zeros(rgb.shape[:2], bool)
    owners = np.zeros(rgb.shape[:2], np.uint16)
    for number, line in enumerate([*lines, *kept], 1):
        corners = np.round(line.polygon).astype(np.int32)
        cv2.fillConvexPoly(owners, corners, number)
        if number > len(lines):  # a detector's box may cut the glyphs' edges: what is kept is kept whole
            cv2.polylines(owners, [corners], True, number, thickness=max(1, round(0.25 * _height(line))))
    for number, line in enumerate(lines, 1):
        near = Neighbourhood.of(line, rgb.shape, _MARGIN, _WORK_HEIGHT)
        owner = _nearest(owners, near)
        strokes = _strokes(near.cut(rgb), near, (owner != 0) & (owner != number))
        x0, y0, x1, y1 = near.box
        if near.scale < 1:
            strokes = cv2.resize(strokes.astype(np.float32), (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR) > 0.1
        mask[y0:y1, x0:x1] |= strokes
    return mask & (owners <= len(lines))


def _height(line: TextLine) -> float:
    """The shorter side of a line's box, in pixels."""
    return float(
        min(np.linalg.norm(line.polygon[1] - line.polygon[0]), np.linalg.norm(line.polygon[3] - line.polygon[0]))
    )


def _nearest(labels: np.ndarray, near: Neighbourhood) -> np.ndarray:
    x0, y0, x1, y1 = near.box
    part = labels[y0:y1, x0:x1]
    if near.scale == 1:
        return part
    return cv2.resize(part, near.inside.shape[::-1], interpolation=cv2.INTER_NEAREST)


def _strokes(rgb: np.ndarray, near: Neighbourhood, foreign: np.ndarray) -> np.ndarray:
    """Strokes bool [h, w] of one line in its neighbourhood; `foreign` marks the polygons of other lines."""
    lab = cv2.cvtColor(np.ascontiguousarray(rgb, np.float32) / 255, cv2.COLOR_RGB2Lab)
    height = near.height
    seeds = _text_coloured(lab, near, foreign) & (near.outside <= max(1.0, 0.12 * height))
    free = ~_grown(seeds, max(1.0, 0.06 * height)) & ~foreign
    surface = fit_background(lab, free & (near.outside <= max(3.0, 0.3 * height)), height)
    if surface is None:
        return _grown(seeds, max(1.0, 0.05 * height))
    glow = _ground_beyond_glow(lab, near, free)
    surface, reach = (glow, 0.6) if glow is not None else (surface, 0.3)
    if surface.spread > 6:  # textured: a smooth surface does not tell strokes from background
        return _grown(_thin_strokes(lab, seeds, free, near), max(2.0, 0.06 * height))
    zone = _grown(seeds, max(3.0, reach * height)) & (near.outside <= 0.65 * height)
    strokes = _attached(seeds, _unlike(lab, surface) & ~foreign, zone, near)
    # Once more from cleaner pixels of the same ground: the first surface has seen shadows as background.
    same = length(lab - surface.values) < max(8.0, 6 * surface.spread)
    free = same & ~_grown(strokes, max(1.0, 0.1 * height)) & ~foreign & (near.outside <= max(4.0, 0.5 * height))
    surface = fit_background(lab, free, height) or surface
    strokes |= _attached(seeds, _unlike(lab, surface) & ~foreign, zone, near)
    passing = (length(lab - surface.values) > 6 * max(1.0, surface.spread)) & (near.outside > 0)
    return _grown(strokes, max(2.0, 0.06 * height)) & ~_grown(passing & ~strokes, 1.0) | strokes


def _unlike(lab: np.ndarray, surface: Surface) -> np.ndarray:
    return length(lab - surface.values) > max(3.0, 3.0 * surface.spread)


def _thin_strokes(lab: np.ndarray, seeds: np.ndarray, free: np.ndarray, near: Neighbourhood) -> np.ndarray:
    """Strokes on a textured background: thin structures that lean from it towards the colour of the text.

    A white top-hat along the colour axis background -> text takes off everything wider than a stroke, then
    hysteresis keeps the faint parts (antialiased hairlines) that hang together with certain ones.
    """
    height = near.height
    core = seeds & (near.inside > 0)
    around = free & (near.outside <= 0.3 * height)
    if not core.any() or not around.any():
        return seeds
    back, front = np.median(lab[around], axis=0), np.median(lab[core], axis=0)
    axis = (front - back) / max(1.0, float(((front - back) ** 2).sum()))
    leaning = (lab - back) @ axis
    size = 2 * max(4, round(0.2 * height)) + 1
    raised = cv2.morphologyEx(leaning.astype(np.float32), cv2.MORPH_TOPHAT, np.ones((size, size), np.uint8))
    zone = near.outside <= max(1.0, 0.15 * height)
    faint = (raised > 0.3) & zone | seeds
    _, labels = cv2.connectedComponents(faint.astype(np.uint8), connectivity=8)
    certain = np.unique(labels[(raised > 0.5) & zone & (near.outside <= 0.05 * height)])
    return np.isin(labels, certain[certain > 0])


def _text_coloured(lab: np.ndarray, near: Neighbourhood, foreign: np.ndarray) -> np.ndarray:
    """Pixels whose colour is common inside the polygon but not along its edge: a polygon's edge runs over background.

    The edge counts twice, once just inside and once just outside, so that a label that fits tightly around the
    text is background too.
    """
    height = near.height
    inner = (near.inside > 0) & (near.inside <= max(1.5, 0.07 * height))
    outer = (near.outside > 0) & (near.outside <= max(2.0, 0.2 * height)) & ~foreign
    core = near.inside > 0
    samples = lab[core | outer]
    centres = _main_colours(samples[:: max(1, len(samples) // 1200)])
    labels = np.argmin((centres**2).sum(1) - 2 * lab @ centres.T, axis=2)
    share_core, share_inner, share_outer = (
        np.bincount(labels[where], minlength=len(centres)) / max(1, where.sum()) for where in (core, inner, outer)
    )
    ratio = np.maximum(share_inner, share_outer) / np.maximum(share_core, 1e-3)
    ratio[share_core < 0.005] = np.inf
    text = ratio < 0.6
    text[np.argmin(ratio)] = True
    return text[labels]


def _main_colours(samples: np.ndarray) -> np.ndarray:
    """K-means centres float32 [K, 3]; started from quantiles along the main axis, so without chance."""
    axis = np.linalg.svd(np.cov(samples.T))[0][:, 0] if len(samples) > 3 else np.ones(3)
    order = np.argsort(np.argsort(samples @ axis, kind="stable"), kind="stable")
    labels = (order * _COLOURS // max(1, len(samples))).astype(np.int32)
    if len(np.unique(labels)) < _COLOURS:
        return samples.mean(0, keepdims=True)
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 10, 0.5)
    flags = cv2.KMEANS_USE_INITIAL_LABELS
    return cv2.kmeans(np.ascontiguousarray(samples), _COLOURS, labels[:, None], criteria, 1, flags)[2]


def _ground_beyond_glow(lab: np.ndarray, near: Neighbourhood, free: np.ndarray) -> Surface | None:
    """The surface farther out, where what surrounds the strokes is a glow that fades into it; else None.

    A glow falls off from the strokes outwards from the start; a label keeps its shade up to its edge.
    """
    height = near.height
    far = fit_surface(lab, free & (near.outside > 0.5 * height))
    if far is None or far.spread > 3:
        return None
    difference, distance = length(lab - far.values), near.outside / height
    rings = [free & (distance > start) & (distance <= start + 0.1) for start in (0.0, 0.1, 0.2, 0.4)]
    if not all(ring.any() for ring in rings):
        return None
    first, second, third, last = (float(np.median(difference[ring])) for ring in rings)
    fades = first > 6 and second < 0.85 * first and third < 0.85 * second and last < 0.3 * first
    return far if fades else None


def _attached(seeds: np.ndarray, candidates: np.ndarray, zone: np.ndarray, near: Neighbourhood) -> np.ndarray:
    """The seeds and the connected parts of `candidates` that belong to them.

    A part that ends within the zone (an outline, a shadow) is taken whole; of a part that runs on beyond it (a border,
    a picture behind the text) only what is close to the seeds.
    """
    height = near.height
    _, labels = cv2.connectedComponents((candidates | seeds).astype(np.uint8), connectivity=8)
    count = labels.max() + 1
    touches, runs_on = np.zeros(count, bool), np.zeros(count, bool)
    touches[np.unique(labels[seeds | (near.inside > 0)])] = True
    runs_on[np.unique(labels[~zone])] = True
    touches[0] = False
    close = _grown(seeds, max(1.0, 0.08 * height)) & (near.outside <= 0.15 * height)
    return (touches & ~runs_on)[labels] | ((touches & runs_on)[labels] & close) | seeds


def _grown(mask: np.ndarray, radius: float) -> np.ndarray:
    size = 2 * round(radius) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    return cv2.dilate(mask.astype(np.uint8), kernel).astype(bool)


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
    result = image.copy()
    left = mask.copy()
    for line in lines:
        near = Neighbourhood.of(line, image.shape, _MARGIN, _WORK_HEIGHT)
        x0, y0, x1, y1 = near.box
        part, unknown = result[y0:y1, x0:x1], left[y0:y1, x0:x1]
        zone = near.enlarged(near.outside) <= 0.75 * near.height
        hole = unknown & zone
        if hole.any():
            part[hole] = _filled(part, hole, ~unknown, near)[hole]
            unknown &= ~hole
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
        filled = filled + _grain(part, hole, known, near.height / near.scale, spread)
    return np.clip(np.round(filled), 0, 255).astype(np.uint8)


def _smooth(pixels: np.ndarray, hole: np.ndarray, known: np.ndarray, height: float) -> tuple[np.ndarray | None, float]:
    """A smooth background float32 [h, w, C] and the spread of the known pixels around it; None where it is textured."""
    radius = max(3.0, 0.3 * height)
    close = known & _grown(hole, radius + 1)
    local, surface = fit_background(pixels, close, radius), fit_surface(pixels, close)
    if local is None or surface is None:
        return None, 0.0
    if local.spread > 9:
        return None, local.spread
    ordinary = close & (length(pixels - local.values) < max(2.0, 3 * local.spread))
    # Averages of a few pixels, not single ones, carry the shading into the hole: no streaks from noise.
    shading = spread_into(pixels - surface.values, ordinary, 3.0)
    return surface.values + membrane(shading, ordinary), local.spread


def _grain(part: np.ndarray, hole: np.ndarray, known: np.ndarray, height: float, spread: float) -> np.ndarray:
    """Fine structure of known pixels moved into the hole in whole patches, which keeps the grain's own pattern."""
    pixels = part.astype(np.float32)
    rough = pixels - spread_into(pixels, known, 3.0)
    odd = known & (length(rough) > 3 * spread)
    usable = known & ~_grown(~known, 1.0) & ~_grown(odd, 3.0)
    grain = np.zeros_like(rough)
    todo = hole.copy()
    reach = max(12.0, height)
    for turn in range(60):  # directions by the golden angle, farther and farther: no pattern repeats itself
        distance, angle = 3 + reach * turn / 60, 2.39996 * turn
        dy, dx = round(distance * np.sin(angle)), round(distance * np.cos(angle))
        now = todo & _moved(usable, dy, dx)
        if now.any():
            grain[now] = _moved(rough, dy, dx)[now]
            todo &= ~now
            if not todo.any():
                break
    return grain


def _moved(array: np.ndarray, dy: int, dx: int) -> np.ndarray:
    moved = np.zeros_like(array)
    height, width = array.shape[:2]
    if abs(dy) < height and abs(dx) < width:
        moved[max(0, dy) : height + min(0, dy), max(0, dx) : width + min(0, dx)] = array[
            max(0, -dy) : height - max(0, dy), max(0, -dx) : width - max(0, dx)
        ]
    return moved


def _inpainted(image: np.ndarray, hole: np.ndarray) -> np.ndarray:
    marked = hole.astype(np.uint8)
    filled = cv2.inpaint(np.ascontiguousarray(image[..., :3]), marked, 4, cv2.INPAINT_NS)
    if image.shape[2] == 4:
        filled = np.dstack([filled, cv2.inpaint(np.ascontiguousarray(image[..., 3]), marked, 4, cv2.INPAINT_NS)])
    return filled
