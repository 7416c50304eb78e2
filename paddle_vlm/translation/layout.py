"""From text lines to what is translated as one: paragraphs, table cells, columns, in reading order."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from paddle_vlm.translation.line_wording import contains_chinese, join_texts, must_end, must_go_on, width_in_characters
from paddle_vlm.translation.reading_order import reading_order
from paddle_vlm.translation.region import Kind, Region

if TYPE_CHECKING:
    from paddle_vlm.translation.ocr import TextLine

_SHORT = 8.0  # characters: a shorter line is a name, a price or a menu entry rather than running text


@dataclass
class _Row:
    """Pieces that stand one behind the other on the same line, in coordinates that run with the text.

    `start`..`end` along the reading direction, `top`..`bottom` across it, lines following each other downwards.
    """

    lines: list["TextLine"]
    start: float
    end: float
    top: float
    bottom: float
    in_table: bool = False

    @property
    def size(self) -> float:
        return max(1.0, self.bottom - self.top)

    @property
    def length(self) -> float:
        return width_in_characters(self.text)

    @property
    def text(self) -> str:
        return join_texts([line.text for line in self.lines])


def group_lines(lines: Sequence["TextLine"], image_size: tuple[int, int]) -> list[Region]:
    """Group text lines into regions in reading order.

    Lines of the same orientation, angle and size that stand close and aligned become a paragraph when the text reads on
    from one to the next. Rows of a table or menu, columns, labels and list items stay apart; vertical columns run
    from right to left. `image_size` is (width, height) in pixels.
    """
    lines = [line for line in lines if line.text.strip()]
    regions = []
    for cluster in _clusters(_with_stacked_characters(lines)):
        regions += _regions_of_cluster(cluster)
    return reading_order(regions, image_size)


def glyph_size(line: "TextLine") -> float:
    """The height of a horizontal line, the width of a vertical one, in pixels."""
    top_left, top_right, bottom_right, bottom_left = line.polygon
    if line.orientation == "vertical":
        return float(np.linalg.norm(top_right - top_left) + np.linalg.norm(bottom_right - bottom_left)) / 2
    return float(np.linalg.norm(bottom_left - top_left) + np.linalg.norm(bottom_right - top_right)) / 2


def _reading_length(line: "TextLine") -> float:
    top_left, top_right, bottom_right, bottom_left = line.polygon
    if line.orientation == "vertical":
        return float(np.linalg.norm(bottom_left - top_left) + np.linalg.norm(bottom_right - top_right)) / 2
    return float(np.linalg.norm(top_right - top_left) + np.linalg.norm(bottom_right - bottom_left)) / 2


def _angle(line: "TextLine") -> float:
    """Of the glyphs' baseline in degrees, 0 for upright ones; measured along the longer sides, which are steadier."""
    top_left, top_right, bottom_right, bottom_left = line.polygon
    if line.orientation == "vertical":
        down = (bottom_left - top_left) + (bottom_right - top_right)
        return math.degrees(math.atan2(-down[0], down[1]))
    along = (top_right - top_left) + (bottom_right - bottom_left)
    return math.degrees(math.atan2(along[1], along[0]))


def _with_stacked_characters(lines: Sequence["TextLine"]) -> list["TextLine"]:
    """Single characters that stand above one another, or carry on a vertical column, are vertical text."""
    single = [line for line in lines if len(line.text.strip()) == 1 and contains_chinese(line.text)]
    columns = [line for line in lines if line.orientation == "vertical"]
    result = []
    for line in lines:
        others = [other for other in [*single, *columns] if other is not line]
        if line in single and any(_stacked(line, other) for other in others):
            beside = any(_side_by_side(line, other) for other in lines if other is not line)
            line = line if beside else replace(line, orientation="vertical")
        result.append(line)
    return result


def _boxes(one: "TextLine", other: "TextLine") -> tuple[np.ndarray, np.ndarray, float]:
    size = min(glyph_size(one), glyph_size(other))
    a = np.array([*one.polygon.min(0), *one.polygon.max(0)])
    b = np.array([*other.polygon.min(0), *other.polygon.max(0)])
    return a, b, size


def _stacked(one: "TextLine", other: "TextLine") -> bool:
    a, b, size = _boxes(one, other)
    gap = max(a[1], b[1]) - min(a[3], b[3])
    aligned = abs(a[0] + a[2] - b[0] - b[2]) / 2 < 0.35 * size
    similar = max(glyph_size(one), glyph_size(other)) < 1.5 * size
    return aligned and similar and -0.4 * size < gap < 0.8 * size


def _side_by_side(one: "TextLine", other: "TextLine") -> bool:
    if other.orientation == "vertical":
        return False
    a, b, size = _boxes(one, other)
    gap = max(a[0], b[0]) - min(a[2], b[2])
    return abs(a[1] + a[3] - b[1] - b[3]) / 2 < 0.35 * size and -0.4 * size < gap < 0.5 * size


def _clusters(lines: Sequence["TextLine"]) -> list[list["TextLine"]]:
    """Lines of one orientation and about one angle; the longest lines, whose angle is surest, decide."""
    clusters: list[list[TextLine]] = []
    for line in sorted(lines, key=_reading_length, reverse=True):
        long = _reading_length(line) > 3 * glyph_size(line)
        for cluster in clusters:
            turn = abs((_angle(line) - _angle(cluster[0]) + 180) % 360 - 180)
            if line.orientation == cluster[0].orientation and turn < (6 if long else 15):
                cluster.append(line)
                break
        else:
            clusters.append([line])
    return clusters


def _axes(line: "TextLine") -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors of the reading direction and of the direction in which lines follow one another."""
    angle = math.radians(_angle(line))
    right, down = np.array([math.cos(angle), math.sin(angle)]), np.array([-math.sin(angle), math.cos(angle)])
    return (down, -right) if line.orientation == "vertical" else (right, down)


def _regions_of_cluster(lines: Sequence["TextLine"]) -> list[Region]:
    along, across = _axes(lines[0])
    rows = []
    for line in lines:
        s, t = line.polygon @ along, line.polygon @ across
        middle, half = t.mean(), glyph_size(line) / 2  # the extent of a slightly turned line, not of its bounding box
        rows.append(_Row([line], s.min(), s.max(), middle - half, middle + half))
    rows = _join_pieces(rows)
    _mark_tables(rows)
    return [_region(paragraph, along, across) for paragraph in _chain(rows)]


def _join_pieces(rows: list[_Row]) -> list[_Row]:
    """Join what the detector cut at a wide gap; characters set wide apart, one by one, may stand further off."""
    rows = sorted(rows, key=lambda row: row.start)
    joined: list[_Row] = []
    for row in rows:
        before = [other for other in joined if _continues_row(other, row)]
        if not before:
            joined.append(row)
            continue
        piece = max(before, key=lambda other: other.end)
        piece.lines.extend(row.lines)
        piece.end = max(piece.end, row.end)
        piece.top, piece.bottom = min(piece.top, row.top), max(piece.bottom, row.bottom)
    return joined


def _continues_row(left: _Row, right: _Row) -> bool:
    size = min(left.size, right.size)
    if max(left.size, right.size) > 1.35 * size or abs(left.top + left.bottom - right.top - right.bottom) > 0.5 * size:
        return False
    if not (contains_chinese(left.text) and contains_chinese(right.text)):
        return False
    lone = len(left.lines[-1].text.strip()) == 1 or len(right.text.strip()) == 1
    limit = 1.5 if lone else 0.5
    if left.lines[0].orientation == "vertical":
        limit = 0.8
    return -0.5 * size < right.start - left.end < limit * size


def _mark_tables(rows: Sequence[_Row]) -> None:
    """Two rows one below the other whose neighbours on the same side are one below the other too, and short."""
    neighbours = [[other for other in rows if other is not row and _same_row(row, other)] for row in rows]
    for row, beside in zip(rows, neighbours, strict=True):
        for other, beside_other in zip(rows, neighbours, strict=True):
            if other is row or not beside or not _same_column(row, other):
                continue
            if any(_same_column(a, b) and _are_cells(row, other, a, b) for a in beside for b in beside_other):
                row.in_table = True


def _same_row(one: _Row, other: _Row) -> bool:
    size = min(one.size, other.size)
    return abs(one.top + one.bottom - other.top - other.bottom) < size and max(one.size, other.size) < 1.8 * size


def _same_column(row: _Row, other: _Row) -> bool:
    near = abs(row.top - other.top) < 4 * row.size
    return near and row is not other and _overlap(row.start, row.end, other.start, other.end)


def _are_cells(row: _Row, other: _Row, beside: _Row, beside_other: _Row) -> bool:
    """Columns of running text also stand row by row; in a table one of each pair is short or a number."""
    same_side = (beside.start > row.start) == (beside_other.start > other.start)
    return same_side and all(min(a.length, b.length) < _SHORT for a, b in ((row, beside), (other, beside_other)))


def _overlap(start: float, end: float, other_start: float, other_end: float) -> bool:
    return min(end, other_end) - max(start, other_start) > 0.3 * min(end - start, other_end - other_start)


def _chain(rows: list[_Row]) -> list[list[_Row]]:
    """Chain each row to the one that it reads on to; a row has one successor and one predecessor at most."""
    rows = sorted(rows, key=lambda row: row.top)
    following: dict[int, int] = {}
    for i, row in enumerate(rows):
        below = [j for j in range(len(rows)) if j != i and _is_below(row, rows[j])]
        if not below:
            continue
        nearest = min(below, key=lambda j: rows[j].top)
        if nearest not in following.values() and _reads_on(row, rows[nearest]):
            following[i] = nearest
    chains = []
    for i in range(len(rows)):
        if i in following.values():
            continue
        chain = [i]
        while chain[-1] in following:
            chain.append(following[chain[-1]])
        chains.append([rows[j] for j in chain])
    return chains


def _is_below(upper: _Row, lower: _Row) -> bool:
    size = max(upper.size, lower.size)
    return lower.top > upper.top + 0.5 * size and _overlap(upper.start, upper.end, lower.start, lower.end)


def _reads_on(upper: _Row, lower: _Row) -> bool:
    """Whether a line of text goes on in the line below it, by shape first and then by the words."""
    size = min(upper.size, lower.size)
    gap, indent = lower.top - upper.bottom, upper.start - lower.start
    if upper.in_table or lower.in_table or max(upper.size, lower.size) > 1.3 * size:
        return False
    if not -0.5 * size < gap < 1.0 * size or not -0.9 * size < indent < 2.8 * size:
        return False
    if not (contains_chinese(upper.text) and contains_chinese(lower.text)) or must_end(upper.text, lower.text):
        return False
    full = upper.end > lower.end - 1.0 * size and upper.length >= _SHORT
    return full or (must_go_on(upper.text) and upper.length >= 3)


def _region(rows: list[_Row], along: np.ndarray, across: np.ndarray) -> Region:
    lines = [line for row in rows for line in row.lines]
    text = join_texts([row.text for row in rows])
    kind: Kind = "paragraph" if len(rows) > 1 else "cell" if rows[0].in_table else "line"
    return Region(lines, _enclosing(lines, along, across), text, lines[0].orientation, contains_chinese(text), kind)


def _enclosing(lines: Sequence["TextLine"], along: np.ndarray, across: np.ndarray) -> np.ndarray:
    """The smallest box in the direction of the text; a single line keeps its own, perspective included."""
    if len(lines) == 1:
        return lines[0].polygon.astype(np.float32)
    vertical = lines[0].orientation == "vertical"
    right, down = (-across, along) if vertical else (along, across)
    points = np.concatenate([line.polygon for line in lines])
    x, y = points @ right, points @ down
    corners = [(x.min(), y.min()), (x.max(), y.min()), (x.max(), y.max()), (x.min(), y.max())]
    return np.array([cx * right + cy * down for cx, cy in corners], np.float32)
