"""Whether a region's text starts at the left, stands in the middle or ends at the right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from paddle_vlm.translation.space import Frame, Room

if TYPE_CHECKING:
    from paddle_vlm.translation.region import Region
    from paddle_vlm.translation.style import TextStyle

Alignment = Literal["left", "center", "right"]


def alignments(
    regions: Sequence[Region], styles: Sequence[TextStyle], rooms: Sequence[Room], kept: Sequence[np.ndarray]
) -> list[Alignment]:
    """One alignment for each region, along its reading direction (left means the top of a vertical column).

    The region's own lines decide; then an edge or middle that it shares with other regions; then its place in
    the panel on which it stands.

    Args:
        regions: the regions.
        styles: one for each region.
        rooms: the surroundings of each region in its reading direction.
        kept: polygons of text that stays in the picture.
    """
    frames = [room.frame for room in rooms]
    quads = [frame.to_picture(frame.box.corners) for frame in frames]
    result: list[Alignment] = []
    for i, (region, style, frame) in enumerate(zip(regions, styles, frames, strict=True)):
        lines = np.array([_span(frame, line.polygon) for line in region.lines])
        alike = [j for j in range(len(quads)) if j != i and frames[j].quarter_turns == frame.quarter_turns]
        peers = np.array([_span(frame, quads[j]) for j in (i, *alike)])
        like_sized = np.array([abs(styles[j].height - style.height) < 0.2 * style.height for j in alike], bool)
        others = [line.polygon for j, other in enumerate(regions) if j != i for line in other.lines]
        result.append(
            _of_lines(lines, style.height)
            or _of_peers(peers, style.height, like_sized)
            or _in_panel(rooms[i], rooms[i].around([*kept, *others]), style.height)
        )
    return result


def _span(frame: Frame, polygon: np.ndarray) -> tuple[float, float]:
    x = frame.from_picture(np.asarray(polygon, np.float32))[:, 0]
    return float(x.min()), float(x.max())


def _of_lines(spans: np.ndarray, height: float) -> Alignment | None:
    """From the lines of one paragraph: the edge, or the middle, that varies least."""
    if len(spans) < 2:
        return None
    left, right, middle = (float(np.ptp(v)) for v in (spans[:, 0], spans[:, 1], spans.mean(1)))
    if left <= max(0.5 * height, middle):
        return "left"
    if middle < 0.5 * min(left, right):
        return "center"
    return "right" if right < 0.5 * left else "left"


def _of_peers(spans: np.ndarray, height: float, like_sized: np.ndarray) -> Alignment | None:
    """From regions in line with the first one: on what they agree, and only on that.

    Flush right counts among text of one size only: a title and the lines below it end together by chance.
    """
    own, others = spans[0], spans[1:]
    if not len(others):
        return None
    near = np.abs(np.column_stack([others, others.mean(1)]) - [*own, own.mean()]) < 0.35 * height
    left, right, middle = near[:, 0], near[:, 1], near[:, 2]
    votes: dict[Alignment, int] = {
        "left": int((left & ~right).sum()),
        "center": int((middle & ~left).sum()),
        "right": int((right & ~left & like_sized).sum()),
    }
    if votes["right"] < 2:  # two right edges meet by chance more often than lines are set flush right
        votes["right"] = 0
    best = max(votes, key=lambda name: votes[name])
    return best if votes[best] else None


def _in_panel(empty: Room, room: Room, height: float) -> Alignment:
    """In the middle of the even ground around it, or of the picture, or not."""
    for (left, _, right, _), ends in (room.margins(room.box), empty.margins(room.box, anywhere=True)):
        if abs(left - right) < 0.15 * (left + right) + 0.4 * height and ends[0] == ends[2]:
            return "center"
    return "left"
