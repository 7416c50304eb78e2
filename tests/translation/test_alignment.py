"""Left, centre or right."""

import numpy as np

from paddle_vlm.translation.alignment import alignments
from paddle_vlm.translation.ocr import TextLine
from paddle_vlm.translation.region import Region
from paddle_vlm.translation.space import Frame, Room
from paddle_vlm.translation.style import TextStyle

STYLE = TextStyle((0, 0, 0), None, 0.0, False, 0.0, 28.0, (230, 230, 230))


def region(*spans, top=40):
    """A region of lines given by (x0, x1), 30 pixels high, 40 apart."""
    lines = []
    for number, (x0, x1) in enumerate(spans):
        y = top + 40 * number
        polygon = np.array([[x0, y], [x1, y], [x1, y + 30], [x0, y + 30]], np.float32)
        lines.append(TextLine(polygon, "文字", 1.0, "horizontal"))
    return Region(lines, lines[0].polygon, "文字", "horizontal", True, "paragraph")


def judged(*regions, width=600):
    canvas = np.full((400, width, 3), 230, np.uint8)
    rooms = [Room(canvas, Frame.of(r), 28) for r in regions]
    return alignments(regions, [STYLE] * len(regions), rooms, [])


def test_a_paragraph_with_a_common_left_edge():
    assert judged(region((60, 400), (60, 380), (60, 200))) == ["left"]


def test_a_paragraph_with_a_common_middle():
    assert judged(region((60, 400), (120, 340), (160, 300))) == ["center"]


def test_a_paragraph_with_a_common_right_edge():
    assert judged(region((60, 400), (160, 402), (240, 400))) == ["right"]


def test_single_lines_that_share_their_left_edge():
    menu = [region((60, 60 + length), top=top) for length, top in ((200, 40), (120, 100), (260, 160))]
    assert judged(*menu) == ["left"] * 3


def test_single_lines_that_share_their_middle():
    assert judged(region((60, 400), top=40), region((150, 310), top=100)) == ["center"] * 2


def test_a_line_in_the_middle_of_its_panel():
    assert judged(region((200, 400))) == ["center"]


def test_a_line_at_the_left_of_its_panel():
    assert judged(region((30, 200))) == ["left"]
