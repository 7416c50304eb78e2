"""Find the strokes of text lines, pixel by pixel: what of a picture is glyph, outline, shadow or glow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from paddle_vlm.runtime import parallel_map
from paddle_vlm.translation.background import (
    Neighbourhood,
    Surface,
    fit_background,
    fit_surface,
    glyph_height,
    grown,
    length,
)

if TYPE_CHECKING:
    from paddle_vlm.translation.ocr import TextLine

# Distances are in glyph heights, colour differences in CIE Lab units.
_MARGIN = 0.8  # how far around a line is looked at; a glow may reach 0.6
_WORK_HEIGHT = 32.0  # strokes are found at this glyph height at most, in pixels
_COLOURS = 5


@dataclass
class Strokes:
    """The strokes of one line with their antialiasing, outline, shadow and glow."""

    box: tuple[int, int, int, int]  # x0, y0, x1, y1 in the picture
    mask: np.ndarray  # bool [y1 - y0, x1 - x0]


def find_strokes(rgb: np.ndarray, lines: Sequence[TextLine], others: Sequence[TextLine] = ()) -> list[Strokes]:
    """The strokes of each of `lines`.

    Args:
        rgb: uint8 [H, W, 3].
        lines: polygons in pixels of `rgb`.
        others: more text in the picture, none of whose strokes is taken for one of `lines`.

    Pixels far from a line's polygon are never marked, nor are borders and pictures that pass by.
    """
    owners = np.zeros(rgb.shape[:2], np.uint16)
    for number, line in enumerate([*lines, *others], 1):
        _draw(owners, line, number, whole=number > len(lines))

    def strokes_of(number: int) -> Strokes:
        near = Neighbourhood.of(lines[number - 1], rgb.shape, _MARGIN, _WORK_HEIGHT)
        owner = _nearest(owners, near)
        strokes = _strokes(near.cut(rgb), near, (owner != 0) & (owner != number))
        if near.scale < 1:
            strokes = near.enlarged(strokes.astype(np.float32)) > 0.1
        return Strokes(near.box, strokes)

    return parallel_map(strokes_of, range(1, len(lines) + 1))


def glyph_mask(shape: tuple[int, ...], strokes: Sequence[Strokes], kept: Sequence[TextLine] = ()) -> np.ndarray:
    """bool [H, W], all these strokes in a picture of `shape` (H, W, ...), without what belongs to the lines `kept`."""
    mask = np.zeros(shape[:2], bool)
    for each in strokes:
        x0, y0, x1, y1 = each.box
        mask[y0:y1, x0:x1] |= each.mask
    stays = np.zeros(shape[:2], np.uint8)
    for line in kept:
        _draw(stays, line, 1, whole=True)
    return mask & (stays == 0)


def _draw(image: np.ndarray, line: TextLine, value: int, whole: bool) -> None:
    """Fill a line's polygon; a detector's box may cut the glyphs' edges, `whole` goes so far beyond it."""
    corners = np.round(line.polygon).astype(np.int32)
    cv2.fillConvexPoly(image, corners, value)
    if whole:
        cv2.polylines(image, [corners], True, value, thickness=max(1, round(0.25 * glyph_height(line))))


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
    free = ~grown(seeds, max(1.0, 0.06 * height)) & ~foreign
    surface = fit_background(lab, free & (near.outside <= max(3.0, 0.3 * height)), height)
    if surface is None:
        return grown(seeds, max(1.0, 0.05 * height))
    glow = _ground_beyond_glow(lab, near, free)
    surface, reach = (glow, 0.6) if glow is not None else (surface, 0.3)
    if surface.spread > 6:  # textured: a smooth surface does not tell strokes from background
        return grown(_thin_strokes(lab, seeds, free, near), max(2.0 if height >= 24 else 3.0, 0.07 * height))
    seeds = _without_rims(seeds, length(lab - surface.values) > max(10.0, 5 * surface.spread), near)
    zone = grown(seeds, max(3.0, reach * height)) & (near.outside <= 0.65 * height)
    strokes = _attached(seeds, _unlike(lab, surface) & ~foreign, zone, near)
    # Once more from cleaner pixels of the same ground: the first surface has seen shadows as background.
    same = length(lab - surface.values) < max(8.0, 6 * surface.spread)
    free = same & ~grown(strokes, max(1.0, 0.1 * height)) & ~foreign & (near.outside <= max(4.0, 0.5 * height))
    surface = fit_background(lab, free, height) or surface
    strokes |= _attached(seeds, _unlike(lab, surface) & ~foreign, zone, near)
    passing = (length(lab - surface.values) > 6 * max(1.0, surface.spread)) & (near.outside > 0)
    return grown(strokes, max(2.0, 0.06 * height)) & ~grown(passing & ~strokes, 1.0) | strokes


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
    if not core.any():
        return core
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
    return _rooted_inside(text[labels], near)


def _rooted_inside(mask: np.ndarray, near: Neighbourhood) -> np.ndarray:
    """Connected parts that lie mostly inside the polygon or are as small as a full stop."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    within = np.bincount(labels[near.inside > 0], minlength=count)
    area, sides = stats[:, cv2.CC_STAT_AREA], stats[:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]]
    small = (sides.max(1) < 0.6 * near.height) & (sides.max(1) <= 2.5 * sides.min(1)) & (within > 0)
    rooted = (within >= 0.5 * area) | small
    rooted[0] = False
    # Where most of the letters hang together with something outside, better too much than nothing.
    return rooted[labels] if within[rooted].sum() >= 0.6 * within[1:].sum() else mask


def _without_rims(seeds: np.ndarray, different: np.ndarray, near: Neighbourhood) -> np.ndarray:
    """Seeds without thin parts along the polygon's edge that run on outside: the frame of a board around the text."""
    _, wholes = cv2.connectedComponents((different | seeds).astype(np.uint8), connectivity=8)
    runs_on = np.zeros(wholes.max() + 1, bool)
    runs_on[np.unique(wholes[near.outside > 0.5 * near.height])] = True
    runs_on[0] = False
    count, labels, stats, _ = cv2.connectedComponentsWithStats(seeds.astype(np.uint8), connectivity=8)
    area = stats[:, cv2.CC_STAT_AREA]
    extent = stats[:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]].max(1)
    core = np.bincount(labels[near.inside > max(1.0, 0.15 * near.height)], minlength=count)
    continued = np.bincount(labels[runs_on[wholes]], minlength=count)
    rim = (core < 0.2 * area) & (continued > 0.5 * area) & ((area < 0.3 * extent**2) | (extent < 4))
    rim[0] = False
    return seeds & ~rim[labels]


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
    close = grown(seeds, max(2.0, 0.1 * height)) & (near.outside <= 0.15 * height)
    close |= grown(seeds, max(3.0, 0.25 * height)) & (near.inside > 0.1 * height)
    return (touches & ~runs_on)[labels] | ((touches & runs_on)[labels] & close) | seeds
