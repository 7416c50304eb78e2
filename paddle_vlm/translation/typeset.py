"""Set English where the Chinese stood: as large, in the colour, weight and direction of the original."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from paddle_vlm.translation.alignment import Alignment, alignments
from paddle_vlm.translation.drawing import Block, draw_block, ink_polygon
from paddle_vlm.translation.fitting import ASCENT, CAP, LEADING, Face, Fit, fit_text, hyphenated, settable
from paddle_vlm.translation.space import Box, Frame, Room

if TYPE_CHECKING:
    from paddle_vlm.translation.layout import Region
    from paddle_vlm.translation.style import Colour, TextStyle

_LEGIBLE = 11.0  # pixels per em from which small print is read without effort, by people and by OCR
_LEAST = 7.0
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
    frame: Frame
    box: Box
    fit: Fit
    align: Alignment
    turned: bool
    score: float


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
    jobs = list(zip(regions, (settable(text) or "?" for text in texts), styles, strict=True))
    result = canvas.copy()
    kept = [line.polygon for region in obstacles for line in region.lines]
    rooms = [_rooms(canvas, region, style) for region, _, style in jobs]
    aligns = alignments(regions, styles, [own[-1] for own in rooms], kept)
    outlines = [[line.polygon for line in region.lines] for region in regions]
    drafts = []
    for i, job in enumerate(jobs):
        others = [p for j, polygons in enumerate(outlines) if j != i for p in polygons]
        drafts.append(_plans([room.around(kept, others) for room in rooms[i]], *job[1:], aligns[i]))
    turned = _common_turns(drafts, regions, styles)
    drafts = [[plan for plan in plans if plan.turned == turn] for plans, turn in zip(drafts, turned, strict=True)]
    limits = _common_sizes([_best(plans).fit.size for plans in drafts], regions, styles)
    placements: list[Placement] = []
    for i, (region, text, style) in enumerate(jobs):
        taken = kept + [placement.polygon for placement in placements]
        waiting = [p for polygons in outlines[i + 1 :] for p in polygons]
        plans = _plans([room.around(taken, waiting) for room in rooms[i]], text, style, aligns[i], limits[i])
        plan = _best([plan for plan in plans if plan.turned == turned[i]])
        block = _block(plan, region, style, _legible_colour(canvas, plan, style))
        draw_block(result, block)
        placements.append(Placement(ink_polygon(block), plan.fit.size, list(plan.fit.lines), block.color))
    return result, placements


def _rooms(canvas: np.ndarray, region: Region, style: TextStyle) -> list[Room]:
    """The surroundings as they are, and for vertical text as they are when one reads downwards."""
    upright = Frame.of(region)
    frames = [upright, upright.turned()] if region.lines[0].orientation == "vertical" else [upright]
    return [Room(canvas, frame, style.height) for frame in frames]


def _plans(rooms: Sequence[Room], text: str, style: TextStyle, align: Alignment, limit: float = np.inf) -> list[_Plan]:
    """All settings of one region worth comparing, upright and for vertical text turned by 90 degrees too."""
    target = min(limit, style.height * 1.04)
    least = max(_LEAST, min(_LEGIBLE, 0.5 * target), 0.35 * style.height)
    plans = []
    for turned, room in enumerate(rooms):
        side: Alignment = "center" if len(rooms) > 1 and not turned else align
        own = room.clear_of_taken(room.box)
        found = [
            _scored(
                room, own, box, side, bool(turned), fit_text(text, face, box.width, box.height, share * target), target
            )
            for box in _boxes(room, own, side)
            for face in (Face(style.bold), Face(style.bold, condensed=True))
            for share in (1.0, 0.85, 0.7)
        ]
        if max(plan.fit.size for plan in found) < least:
            found += _squeezed(found, room, own, text, least, target)
        plans += found
    return plans


def _scored(room: Room, own: Box, box: Box, side: Alignment, turned: bool, fit: Fit, target: float) -> _Plan:
    """Large type is good; leaving the region's own box, condensed letters and illegible sizes are not."""
    spread = max(fit.width, own.width) * max(fit.height, own.height) / max(1.0, own.width * own.height) - 1
    score = fit.size / target / (1 + 0.4 * spread) * (0.93 if fit.face.condensed else 1.0)
    if room.box.height > 2 * room.box.width:  # one word to a line down a narrow column reads badly
        score *= min(1.0, 3 / len(fit.lines)) ** 0.5
    return _Plan(room.frame, box, fit, side, turned, score * min(1.0, fit.size / _LEGIBLE))


def _squeezed(plans: Sequence[_Plan], room: Room, own: Box, text: str, least: float, target: float) -> list[_Plan]:
    """When nothing legible fits: words divided, then space on uneven ground as well."""
    (left, top, right, bottom), _ = room.margins(own, anywhere=True)
    wide = Box(own.x0 - left, own.y0, own.x1 + right, own.y1)
    boxes = {plan.box for plan in plans} | {wide, Box(own.x0, own.y0 - top, own.x1, own.y1 + bottom)}
    found = []
    for box in boxes:
        for face in {plan.fit.face for plan in plans}:
            for wording in (text, hyphenated(text, face, box.width / least)):
                fit = fit_text(wording, face, box.width, box.height, min(target, 1.2 * least))
                found.append(_scored(room, own, box, plans[0].align, plans[0].turned, fit, target))
    return found


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


def _common_turns(
    drafts: Sequence[Sequence[_Plan]], regions: Sequence[Region], styles: Sequence[TextStyle]
) -> list[bool]:
    """For each region whether its text is turned: vertical columns of one size are all set the same way.

    Upright text is easier to read, so it may be a quarter smaller.
    """
    turned = []
    for region, style in zip(regions, styles, strict=True):
        gain = 0.0
        for other, other_style, plans in zip(regions, styles, drafts, strict=True):
            alike = other.orientation == region.orientation
            if alike and abs(other_style.height - style.height) < 0.3 * style.height and plans[-1].turned:
                upright = max(plan.score for plan in plans if not plan.turned)
                gain += float(np.log(max(plan.score for plan in plans if plan.turned) / upright / 1.3))
        turned.append(region.lines[0].orientation == "vertical" and gain > 0)
    return turned


def _common_sizes(sizes: Sequence[float], regions: Sequence[Region], styles: Sequence[TextStyle]) -> list[float]:
    """An upper limit for each region, so that texts that were alike stay alike where their lengths differ."""
    limits = []
    for region, style, size in zip(regions, styles, sizes, strict=True):
        alike = [
            other_size
            for other, other_style, other_size in zip(regions, styles, sizes, strict=True)
            if other.orientation == region.orientation
            and abs(other_style.height - style.height) < 0.12 * style.height
            and other_style.bold == style.bold
            and np.abs(np.subtract(other_style.color, style.color)).max() < 40
        ]
        shared = [value for value in alike if value >= 0.75 * float(np.median(alike))]
        limits.append(max(size * 0.75, min(shared), _LEAST))
    return limits


def _block(plan: _Plan, region: Region, style: TextStyle, color: Colour) -> Block:
    """Baselines inside the plan's box: along the original's edge or middle, at the original's height."""
    fit, box, own = plan.fit, plan.box, plan.frame.box
    paragraph = len(region.lines) > 1 and plan.align == "left" and region.orientation == "horizontal"
    middle = (own.y0 + own.y1) / 2
    top = own.y0 if paragraph else middle - fit.height / 2
    if len(fit.lines) == 1 and not paragraph:
        top = middle + CAP / 2 * fit.size - ASCENT * fit.size
    top = min(max(top, box.y0), box.y1 - fit.height)
    lines = []
    for number, line in enumerate(fit.lines):
        width = fit.face.width(line) * fit.size
        x = {"left": own.x0, "center": (own.x0 + own.x1 - width) / 2, "right": own.x1 - width}[plan.align]
        x = min(max(x, box.x0), box.x1 - width)
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
