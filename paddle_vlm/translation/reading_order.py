"""The order in which a reader takes the regions of a picture (recursive XY cut, Nagy and Seth 1984)."""

from collections.abc import Sequence

import numpy as np

from paddle_vlm.translation.region import Region

_X, _Y = 0, 1


def reading_order(regions: Sequence[Region], image_size: tuple[int, int]) -> list[Region]:
    """Regions from top to bottom and left to right, column by column; vertical columns from right to left.

    `image_size` is (width, height) in pixels.
    """
    boxes = [np.array([region.polygon.min(0), region.polygon.max(0)]) for region in regions]
    gutter = 0.01 * max(image_size)
    return [regions[i] for i in _cut(list(range(len(regions))), regions, boxes, gutter)]


def _cut(indices: list[int], regions: Sequence[Region], boxes: list[np.ndarray], gutter: float) -> list[int]:
    if len(indices) < 2:
        return indices
    bands, columns = _split(indices, boxes, _Y, 0.0), _split(indices, boxes, _X, gutter)
    if len(columns) > 1 and (len(bands) == 1 or _are_text_columns(columns, regions)):
        vertical = sum(regions[i].orientation == "vertical" for i in indices) * 2 > len(indices)
        parts = columns[::-1] if vertical else columns
    else:
        parts = bands
    if len(parts) == 1:
        return sorted(indices, key=lambda i: (boxes[i][0, _Y], boxes[i][0, _X]))
    return [i for part in parts for i in _cut(part, regions, boxes, gutter)]


def _split(indices: list[int], boxes: list[np.ndarray], axis: int, gap: float) -> list[list[int]]:
    """Parts between which an empty strip runs right across; boxes that overlap by a little still count as apart."""
    parts: list[list[int]] = []
    reach = -np.inf
    for i in sorted(indices, key=lambda i: boxes[i][0, axis]):
        start, end = boxes[i][:, axis]
        thickness = min(boxes[i][1] - boxes[i][0])
        if start > reach + gap - (0.25 * thickness if axis == _Y else 0):
            parts.append([i])
        else:
            parts[-1].append(i)
        reach = max(reach, end)
    return parts


def _are_text_columns(columns: list[list[int]], regions: Sequence[Region]) -> bool:
    """Columns of running text, or all of vertical text, are read one after the other; rows of a table are not."""
    if all(regions[i].orientation == "vertical" for column in columns for i in column):
        return True
    return all(any(regions[i].kind == "paragraph" for i in column) for column in columns)
