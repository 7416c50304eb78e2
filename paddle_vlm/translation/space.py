"""Where a region may be set: its own frame, its box, and the free and even space around it."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from paddle_vlm.translation.background import glyph_height, length

if TYPE_CHECKING:
    from paddle_vlm.translation.region import Region

_CELLS = 10.0  # the surroundings are looked at with this many pixels per glyph height


@dataclass(frozen=True)
class Box:
    """A rectangle in a frame, in pixels."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def width(self) -> float:
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        return self.y1 - self.y0

    @property
    def corners(self) -> np.ndarray:
        """float32 [4, 2], clockwise from the top left."""
        return np.array([[self.x0, self.y0], [self.x1, self.y0], [self.x1, self.y1], [self.x0, self.y1]], np.float32)


@dataclass(frozen=True)
class Frame:
    """A region's own axes: x along the glyphs' feet, y downwards from their heads, in pixels of the picture."""

    matrix: np.ndarray  # float64 [3, 3], frame -> picture
    box: Box
    quarter_turns: int | None  # clockwise, where the axes are the picture's; None when they are oblique

    def to_picture(self, points: np.ndarray) -> np.ndarray:
        """float32 [N, 2] from frame to picture."""
        return cv2.perspectiveTransform(points[None].astype(np.float64), self.matrix)[0].astype(np.float32)

    def from_picture(self, points: np.ndarray) -> np.ndarray:
        """float32 [N, 2] from picture to frame."""
        inverse = np.linalg.inv(self.matrix)
        return cv2.perspectiveTransform(points[None].astype(np.float64), inverse)[0].astype(np.float32)

    def turned(self) -> Frame:
        """The same box for text that runs downwards, heads to the right."""
        box = self.box
        turn = np.array([[0, -1, box.x1 + box.y0], [1, 0, box.y0 - box.x0], [0, 0, 1]], np.float64)
        new = Box(box.x0, box.y0, box.x0 + box.height, box.y0 + box.width)
        turns = None if self.quarter_turns is None else (self.quarter_turns + 1) % 4
        return Frame(self.matrix @ turn, new, turns)

    @classmethod
    def of(cls, region: Region) -> Frame:
        """From the lines' direction; a lean that the detector cannot tell from none counts as none."""
        quads = np.stack([np.asarray(line.polygon, np.float64) for line in region.lines])
        height = float(np.median([glyph_height(line) for line in region.lines]))
        if region.lines[0].orientation == "vertical":
            down = (quads[:, 3] - quads[:, 0] + quads[:, 2] - quads[:, 1]).sum(0)
            along = np.array([down[1], -down[0]])
        else:
            along = (quads[:, 1] - quads[:, 0] + quads[:, 2] - quads[:, 3]).sum(0)
        angle = float(np.arctan2(along[1], along[0]))
        turns = round(angle / (np.pi / 2))
        points = quads.reshape(-1, 2)
        span = float(np.linalg.norm(points.max(0) - points.min(0)))
        straight = abs(np.sin(angle - turns * np.pi / 2)) * span < max(0.12 * height, 3.5)
        skew = np.linalg.norm(quads[0, 0] - quads[0, 1] + quads[0, 2] - quads[0, 3])
        if len(quads) == 1 and skew > max(0.15 * height, 4.0):
            return cls._in_perspective(quads[0])
        angle = turns * np.pi / 2 if straight else angle
        axes = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        own = points @ axes
        low, high = own.min(0), own.max(0)
        if straight:  # whole pixels: glyphs are then drawn straight into the picture
            axes, low, high = np.round(axes), np.floor(low), np.ceil(high)
        matrix = np.eye(3)
        matrix[:2, :2], matrix[:2, 2] = axes, axes @ low
        return cls(matrix, Box(0.0, 0.0, *(float(v) for v in high - low)), turns % 4 if straight else None)

    @classmethod
    def _in_perspective(cls, quad: np.ndarray) -> Frame:
        p0, p1, p2, p3 = quad
        width = (np.linalg.norm(p1 - p0) + np.linalg.norm(p2 - p3)) / 2
        height = (np.linalg.norm(p3 - p0) + np.linalg.norm(p2 - p1)) / 2
        box = Box(0.0, 0.0, float(width), float(height))
        return cls(cv2.getPerspectiveTransform(box.corners, quad.astype(np.float32)), box, None)


class Room:
    """The surroundings of a region's box: what is even ground of the same colour, and what text keeps occupied.

    Args:
        canvas: uint8 [H, W, C], texts erased.
        frame: the region's frame.
        height: glyph height in pixels.
    """

    def __init__(self, canvas: np.ndarray, frame: Frame, height: float) -> None:
        box = frame.box
        reach_x, reach_y = min(max(1.2 * box.width, 6 * height), 24 * height), 2.5 * height
        area = Box(box.x0 - reach_x, box.y0 - reach_y, box.x1 + reach_x, box.y1 + reach_y)
        self._origin = np.array([area.x0, area.y0])
        self._step = max(height / _CELLS, max(area.width, area.height) / 1500)
        size = (max(2, int(area.width / self._step)), max(2, int(area.height / self._step)))
        self.frame, self._height, self.box = frame, height, box
        self._beyond = np.ones(size[::-1], np.uint8)
        rows, columns = canvas.shape[:2]
        picture = np.array([[1, 1], [columns - 2, 1], [columns - 2, rows - 2], [1, rows - 2]], np.float32)
        self._draw(self._beyond, picture, 0)
        self._uneven = self._ground(_sampled(canvas, frame.matrix, self._origin, self._step, size))
        self._taken = self._text = self._beyond > 0

    def around(self, taken: Sequence[np.ndarray], reserved: Sequence[np.ndarray] = ()) -> Room:
        """The same surroundings with text in them.

        Args:
            taken: polygons of set or kept text; nothing may touch them.
            reserved: polygons of regions still to be set; a box does not grow into them.
        """
        room = copy(self)
        drawn = self._beyond.copy()
        for polygon in taken:
            self._draw(drawn, polygon, 1)
        room._taken = drawn > 0
        for polygon in reserved:
            self._draw(drawn, polygon, 1)
        # Two texts side by side need more than the width of a space between them, or they read as one.
        gap = 2 * round(0.5 * self._height / self._step) + 1
        room._text = cv2.dilate(drawn, np.ones((1, gap), np.uint8)) > 0
        return room

    def _cell(self, x: float, y: float) -> tuple[int, int]:
        column, row = (np.array([x, y]) - self._origin) / self._step
        return round(float(column)), round(float(row))

    def _draw(self, map_: np.ndarray, polygon: np.ndarray, value: int) -> None:
        points = (self.frame.from_picture(np.asarray(polygon, np.float32)) - self._origin) / self._step
        if (points.max(0) < 0).any() or (points.min(0) > map_.shape[::-1]).any():
            return
        points = np.clip(points, -8000, 8000)
        cv2.fillConvexPoly(map_, np.round(points * 16).astype(np.int32), value, shift=4)

    def _ground(self, pixels: np.ndarray) -> np.ndarray:
        """Edges and other colours, judged by how even the region's own ground is."""
        lab = cv2.cvtColor(pixels, cv2.COLOR_RGB2Lab)
        c0, r0 = self._cell(self.box.x0, self.box.y0)
        c1, r1 = self._cell(self.box.x1, self.box.y1)
        own = (slice(max(0, r0), max(1, r1)), slice(max(0, c0), max(1, c1)))
        centre = np.median(lab[own].reshape(-1, 3), axis=0)
        away = length(lab - centre)
        edge = cv2.morphologyEx(lab, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)).max(axis=2)
        own_away, own_edge = float(np.quantile(away[own], 0.9)), float(np.quantile(edge[own], 0.9))
        return (away > max(12.0, 1.5 * own_away + 4)) | (edge > max(8.0, 1.5 * own_edge + 3))

    def margins(self, box: Box, anywhere: bool = False) -> tuple[list[float], list[bool]]:
        """How far `box` can grow (left, top, right, bottom) in pixels, and whether each way ends at something.

        `anywhere` disregards the ground and heeds only other text and the edge of the picture.
        """
        blocked = self._text if anywhere else self._text | self._uneven
        c0, r0 = (max(0, v) for v in self._cell(box.x0, box.y0))
        c1, r1 = self._cell(box.x1, box.y1)
        rows, columns = blocked[:, c0 : max(c1, c0 + 1)].mean(1), blocked[r0 : max(r1, r0 + 1)].mean(0)
        # A little above and below counts too, unless the box itself is that close to something.
        slack = round(0.2 * self._height / self._step)
        near_rows = [r for r in range(max(0, r0 - slack), min(len(rows), r1 + slack)) if rows[r] <= 0.03]
        by_column = (blocked[near_rows].mean(0) if near_rows else columns) > 0.03
        by_row = rows > 0.03
        ways = by_column[:c0][::-1], by_row[:r0][::-1], by_column[c1:], by_row[r1:]
        free, ends = [], []
        for way in ways:
            found = int(np.argmax(way)) if way.any() else len(way)
            ends.append(bool(way.any()))
            free.append(max(0.0, found * self._step - (0.3 * self._height if way.any() else 0.0)))
        return free, ends

    def clear_of_taken(self, box: Box) -> Box:
        """`box` cut on the side that costs least, until no set text is in it."""
        for _ in range(4):
            c0, r0 = (max(0, v) for v in self._cell(box.x0, box.y0))
            c1, r1 = self._cell(box.x1, box.y1)
            rows, columns = np.nonzero(self._taken[r0:r1, c0:c1])
            if not len(rows):
                return box
            x_low, x_high = (self._origin[0] + (c0 + v) * self._step for v in (columns.min() - 1, columns.max() + 2))
            y_low, y_high = (self._origin[1] + (r0 + v) * self._step for v in (rows.min() - 1, rows.max() + 2))
            cuts = [
                Box(min(box.x1 - 1, x_high), box.y0, box.x1, box.y1),
                Box(box.x0, box.y0, max(box.x0 + 1, x_low), box.y1),
                Box(box.x0, min(box.y1 - 1, y_high), box.x1, box.y1),
                Box(box.x0, box.y0, box.x1, max(box.y0 + 1, y_low)),
            ]
            box = max(cuts, key=lambda cut: cut.width * cut.height)
        return box


def _sampled(
    canvas: np.ndarray, matrix: np.ndarray, origin: np.ndarray, step: float, size: tuple[int, int]
) -> np.ndarray:
    """The picture as float32 RGB 0..1 on the frame's grid; transparent pixels count as mid-grey."""
    to_frame = np.array([[step, 0, origin[0]], [0, step, origin[1]], [0, 0, 1]], np.float64)
    corners = np.array([[[0, 0], [size[0], 0], [size[0], size[1]], [0, size[1]]]], np.float64)
    region = cv2.perspectiveTransform(corners, matrix @ to_frame)[0]
    low = np.clip(np.floor(region.min(0)), 0, np.array(canvas.shape[1::-1]) - 1).astype(int)
    high = np.maximum(low + 1, np.clip(np.ceil(region.max(0)), 0, canvas.shape[1::-1]).astype(int))
    part = canvas[low[1] : high[1], low[0] : high[0]]
    small = (max(1, round(part.shape[1] / max(1.0, step))), max(1, round(part.shape[0] / max(1.0, step))))
    part = cv2.resize(part, small, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    if part.shape[2] == 4:
        part = part[..., :3] * part[..., 3:] + 0.5 * (1 - part[..., 3:])
    shrink = np.diag([small[0] / (high[0] - low[0]), small[1] / (high[1] - low[1]), 1.0])
    shift = np.array([[1, 0, -low[0]], [0, 1, -low[1]], [0, 0, 1]], np.float64)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpPerspective(
        np.ascontiguousarray(part),
        shrink @ shift @ matrix @ to_frame,
        size,
        flags=flags,
        borderMode=cv2.BORDER_REPLICATE,
    )
