"""Set English where the Chinese stood: as large, in the colour, weight and direction of the original."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from paddle_vlm.translation.alignment import Alignment, alignments
from paddle_vlm.translation.drawing import Block, draw_block, ink_polygon
from paddle_vlm.translation.fitting import ASCENT, CAP, LEADING, Face, Fit, fit_text, hyphenated, settable
from paddle_vlm.translation.space import Box, Frame, Room

if TYPE_CHECKING:
    from paddle_vlm.translation.region import Region
    from paddle_vlm.translation.style import Colour, TextStyle

_LEGIBLE = 11.0  # pixels per em from which small print is read without effort, by people and by OCR
_LEAST = 7.0
_SHIFTED = {"left": 0.6, "center": 0.85, "right": 0.6}  # liking for leaving the common edge or middle
_SEEN = 20.0  # least difference from the ground, in the unit of `_apart`


@dataclass
class Placement:
    """Text as it was set: the quadrilateral of its ink (float32 [4, 2], picture pixels), size, lines and colour."""

    polygon: np.ndarray
    font_size: float
    lines: list[str]
    color: Colour


@dataclass(frozen=True)
class _Plan:
    """One way to set a region."""

    frame: Frame
    box: Box
    fit: Fit
    align: Alignment
    turned: bool
    score: float


@dataclass(frozen=True)
class _Job:
    """What is to be set, and its surroundings: as they are, and for vertical text also as one reads downwards."""

    region: Region
    text: str
    style: TextStyle
    rooms: tuple[Room, ...]
    align: Alignment = "left"

    @property
    def vertical(self) -> bool:
        return len(self.rooms) > 1

    @property
    def polygons(self) -> list[np.ndarray]:
        return [line.polygon for line in self.region.lines]


def typeset(
    canvas: np.ndarray,
    regions: Sequence[Region],
    texts: Sequence[str],
    styles: Sequence[TextStyle],
    obstacles: Sequence[Region] = (),
) -> tuple[np.ndarray, list[Placement]]:
    """Set `texts` into a picture from which the regions' own text is erased.

    Args:
        canvas: uint8 [H, W, C], C = 3 or 4 (alpha).
        regions: where each text belongs.
        texts: one for each region, none empty.
        styles: one for each region.
        obstacles: regions whose text stays in the picture.

    Returns:
        A new picture and a placement for each region. No two placements overlap and none leaves the picture.

    Raises:
        ValueError: when the three lists differ in length.
    """
    jobs = [
        _Job(region, settable(text) or "?", style, _rooms(canvas, region, style))
        for region, text, style in zip(regions, texts, styles, strict=True)
    ]
    jobs = _common_weight(jobs)
    result = canvas.copy()
    kept = [line.polygon for region in obstacles for line in region.lines]
    aligns = alignments(regions, styles, [job.rooms[-1] for job in jobs], kept)
    jobs = [replace(job, align=align) for job, align in zip(jobs, aligns, strict=True)]
    drafts = [_plans(job, kept, [p for other in jobs if other is not job for p in other.polygons]) for job in jobs]
    turned = _common_turns(jobs, drafts)
    drafts = [[plan for plan in plans if plan.turned == turn] for plans, turn in zip(drafts, turned, strict=True)]
    limits = _common_sizes(jobs, [_best(plans).fit.size for plans in drafts])
    placements: list[Placement] = []
    for i, job in enumerate(jobs):
        taken = kept + [placement.polygon for placement in placements]
        waiting = [polygon for other in jobs[i + 1 :] for polygon in other.polygons]
        plan = _best([plan for plan in _plans(job, taken, waiting, limits[i]) if plan.turned == turned[i]])
        block = _block(plan, job, _legible_colour(canvas, plan, job.style))
        draw_block(result, block)
        placements.append(Placement(ink_polygon(block), plan.fit.size, list(plan.fit.lines), block.color))
    return result, placements


def _rooms(canvas: np.ndarray, region: Region, style: TextStyle) -> tuple[Room, ...]:
    upright = Frame.of(region)
    frames = [upright, upright.turned()] if region.lines[0].orientation == "vertical" else [upright]
    return tuple(Room(canvas, frame, style.height) for frame in frames)


def _plans(job: _Job, taken: Sequence[np.ndarray], waiting: Sequence[np.ndarray], limit: float = np.inf) -> list[_Plan]:
    """All settings of one region worth comparing, upright and for vertical text turned by 90 degrees too."""
    target = min(limit, job.style.height * 1.04)
    least = max(_LEAST, min(_LEGIBLE, 0.5 * target), 0.35 * job.style.height)
    plans = []
    for turned, empty in enumerate(job.rooms):
        room = empty.around(taken, waiting)
        own = room.clear_of_taken(room.box)
        align: Alignment = "center" if job.vertical and not turned else job.align
        fits = [
            (box, fit_text(job.text, face, box.width, box.height, share * target))
            for box in _boxes(room, own, align)
            for face in (Face(job.style.bold), Face(job.style.bold, condensed=True))
            for share in (1.0, 0.85, 0.7)
        ]
        if max(fit.size for _, fit in fits) < least:
            fits += _squeezed(job, room, own, {box for box, _ in fits}, least)
        rows = len(job.region.lines) if not job.vertical or turned else 3
        for box, fit in fits:
            score = _score(fit, own, rows, target) * (_SHIFTED[align] if _shifted(fit, own, box, align) else 1.0)
            plans.append(_Plan(room.frame, box, fit, align, bool(turned), score))
    return plans


def _score(fit: Fit, own: Box, rows: int, target: float) -> float:
    """Large type is good; leaving the region's own box, more lines than before, condensed or tiny letters are not."""
    wider, taller = max(1.0, fit.width / max(1.0, own.width)), max(1.0, fit.height / max(1.0, own.height))
    score = (fit.size / target) ** 1.3 / (1 + 0.25 * (wider - 1) + 0.4 * (taller - 1))
    score *= min(1.0, rows / len(fit.lines)) ** 0.25
    return score * (0.93 if fit.face.condensed else 1.0) * min(1.0, fit.size / _LEGIBLE)


def _shifted(fit: Fit, own: Box, box: Box, align: Alignment) -> bool:
    """Whether the text would have to leave the edge or the middle on which it stood."""
    if align == "center":
        return fit.width > 2 * min((own.x0 + own.x1) / 2 - box.x0, box.x1 - (own.x0 + own.x1) / 2) + 1
    return fit.width > (box.x1 - own.x0 if align == "left" else own.x1 - box.x0) + 1


def _squeezed(job: _Job, room: Room, own: Box, boxes: set[Box], least: float) -> list[tuple[Box, Fit]]:
    """When nothing legible fits: words divided, and space on uneven ground."""
    (left, top, right, bottom), _ = room.margins(own, anywhere=True)
    more = {Box(own.x0 - left, own.y0, own.x1 + right, own.y1), Box(own.x0, own.y0 - top, own.x1, own.y1 + bottom)}
    fits = []
    for box in boxes | more:
        for face in (Face(job.style.bold), Face(job.style.bold, condensed=True)):
            for text in (job.text, hyphenated(job.text, face, box.width / least)):
                fits.append((box, fit_text(text, face, box.width, box.height, 1.2 * least)))
    return fits


def _best(plans: Sequence[_Plan]) -> _Plan:
    return max(plans, key=lambda plan: plan.score)


def _boxes(room: Room, own: Box, align: Alignment) -> list[Box]:
    """The region's own box and those to which it may grow."""
    (left, _, right, _), _ = room.margins(own)
    even = min(left, right)
    wider = {
        "left": [(0.0, right), (left, right)],
        "center": [(even, even), (left, right)],
        "right": [(left, 0.0), (left, right)],
    }[align]
    starts = [own, *(Box(own.x0 - before, own.y0, own.x1 + after, own.y1) for before, after in wider)]
    boxes = list(starts)
    for start in starts:
        (_, top, _, bottom), _ = room.margins(start)
        even = min(top, bottom)
        boxes.append(Box(start.x0, start.y0 - even, start.x1, start.y1 + even))
        boxes.append(Box(start.x0, start.y0 - top, start.x1, start.y1 + bottom))
    return boxes


def _common_turns(jobs: Sequence[_Job], drafts: Sequence[Sequence[_Plan]]) -> list[bool]:
    """For each region whether its text is turned: vertical columns of one size are all set the same way.

    Upright text is easier to read, so it may be a quarter smaller.
    """
    gains = []
    for job, plans in zip(jobs, drafts, strict=True):
        best = [max((plan.score for plan in plans if plan.turned == turned), default=1.0) for turned in (False, True)]
        gains.append(float(np.log(best[1] / best[0] / 1.3)) if job.vertical else 0.0)
    return [
        job.vertical and sum(gain for other, gain in zip(jobs, gains, strict=True) if _alike(job, other, 0.3)) > 0
        for job in jobs
    ]


def _common_weight(jobs: Sequence[_Job]) -> list[_Job]:
    """The weight that most texts of a kind have: single measurements waver near the limit."""
    weighed = []
    for job in jobs:
        bold = [other.style.bold for other in jobs if _alike(job, other, 0.2) and _same_colour(job, other)]
        weighed.append(replace(job, style=replace(job.style, bold=2 * sum(bold) >= len(bold))))
    return weighed


def _common_sizes(jobs: Sequence[_Job], sizes: Sequence[float]) -> list[float]:
    """An upper limit for each region, so that texts that were alike stay alike where their lengths differ."""
    limits = []
    for job, size in zip(jobs, sizes, strict=True):
        alike = [
            other_size
            for other, other_size in zip(jobs, sizes, strict=True)
            if _alike(job, other, 0.12) and _same_colour(job, other) and other.style.bold == job.style.bold
        ]
        shared = [value for value in alike if value >= 0.75 * float(np.median(alike))]
        limits.append(max(size * 0.75, min(shared), _LEAST))
    return limits


def _same_colour(first: _Job, second: _Job) -> bool:
    return bool(np.abs(np.subtract(first.style.color, second.style.color)).max() < 40)


def _alike(first: _Job, second: _Job, tolerance: float) -> bool:
    same = first.vertical == second.vertical
    return same and abs(first.style.height - second.style.height) <= tolerance * first.style.height


def _block(plan: _Plan, job: _Job, color: Colour) -> Block:
    """Baselines inside the plan's box: along the original's edge or middle, at the original's height."""
    fit, box, own, style = plan.fit, plan.box, plan.frame.box, job.style
    paragraph = len(job.region.lines) > 1 and plan.align == "left" and not job.vertical
    middle = (own.y0 + own.y1) / 2
    top = own.y0 if paragraph else middle - fit.height / 2
    if len(fit.lines) == 1 and not paragraph:
        top = middle + CAP / 2 * fit.size - ASCENT * fit.size
    top = min(max(top, box.y0), box.y1 - fit.height)
    lines = []
    for number, line in enumerate(fit.lines):
        width = fit.face.width(line) * fit.size
        if plan.align == "left":
            x = max(box.x0, min(own.x0, box.x1 - fit.width))
        elif plan.align == "right":
            x = min(box.x1, max(own.x1, box.x0 + fit.width)) - width
        else:
            x = max(box.x0, min((own.x0 + own.x1 - width) / 2, box.x1 - width))
        lines.append((line, x, top + (ASCENT + number * LEADING) * fit.size))
    outline = style.outline_color if style.outline_width >= 0.5 else None
    width = min(style.outline_width * fit.size / style.height, 0.06 * fit.size) if outline else 0.0
    return Block(plan.frame, tuple(lines), fit.face, fit.size, color, outline, width, style.slant)


def _legible_colour(canvas: np.ndarray, plan: _Plan, style: TextStyle) -> Colour:
    """The measured colour, moved away from the ground on which it now stands where it would hardly be seen."""
    corners = plan.frame.to_picture(plan.frame.box.corners)
    low = np.clip(np.floor(corners.min(0)), 0, np.array(canvas.shape[1::-1]) - 1).astype(int)
    high = np.maximum(low + 1, np.ceil(corners.max(0)).astype(int))
    ground = np.median(canvas[low[1] : high[1], low[0] : high[0]].reshape(-1, canvas.shape[2]), axis=0)
    transparent = canvas.shape[2] == 4 and ground[3] < 128
    if transparent or (style.outline_color is not None and _apart(style.color, style.outline_color) > 30):
        return style.color
    ways: list[Colour] = [(255, 255, 255), (0, 0, 0)]
    color = style.color
    for way in ways if sum(style.color) >= ground[:3].sum() else ways[::-1]:
        for share in np.linspace(0, 1, 11):
            r, g, b = (round((1 - share) * c + share * a) for c, a in zip(style.color, way, strict=True))
            color = (r, g, b)
            if _apart(color, ground[:3]) >= _SEEN:
                return color
    return color


def _apart(first: Sequence[float] | np.ndarray, second: Sequence[float] | np.ndarray) -> float:
    """Difference of two RGB colours in CIE Lab, where lightness counts and hue alone counts half."""
    pair = np.array([[first, second]], np.float32) / 255
    light, a, b = np.diff(cv2.cvtColor(pair, cv2.COLOR_RGB2Lab)[0], axis=0)[0]
    return float(np.hypot(light, 0.5 * np.hypot(a, b)))
