"""Frames and the room around them."""

import cv2
import numpy as np
import pytest

from paddle_vlm.translation.ocr import TextLine
from paddle_vlm.translation.region import Region
from paddle_vlm.translation.space import Box, Frame, Room


def region(*polygons, orientation="horizontal"):
    lines = [TextLine(np.array(p, np.float32), "文字", 1.0, orientation) for p in polygons]
    return Region(lines, lines[0].polygon, "文字", orientation, True, "line")


def turned(box, degrees, centre=(200, 150)):
    matrix = np.vstack([cv2.getRotationMatrix2D(centre, -degrees, 1), [0, 0, 1]])
    return cv2.perspectiveTransform(np.array([box], np.float64), matrix)[0]


BOX = [[100, 130], [300, 130], [300, 170], [100, 170]]
PLATE = (40, 90, 360, 210)  # x0, y0, x1, y1


def plate():
    canvas = np.full((300, 400, 3), (120, 60, 50), np.uint8)
    canvas[PLATE[1] : PLATE[3], PLATE[0] : PLATE[2]] = (240, 240, 230)
    return canvas


@pytest.mark.parametrize("degrees,quarters", [(0, 0), (90, 1), (180, 2), (-90, 3), (0.4, 0), (20, None), (-35, None)])
def test_a_frame_lies_along_the_text(degrees, quarters):
    frame = Frame.of(region(turned(BOX, degrees)))
    assert frame.quarter_turns == quarters
    assert frame.box.width == pytest.approx(200, abs=3)
    assert frame.box.height == pytest.approx(40, abs=3)
    assert np.allclose(frame.to_picture(frame.box.corners), turned(BOX, degrees), atol=3)


def test_frame_and_picture_coordinates_are_inverse():
    frame = Frame.of(region(turned(BOX, 25)))
    points = np.array([[3, 4], [150, 30]], np.float32)
    assert np.allclose(frame.from_picture(frame.to_picture(points)), points, atol=1e-3)


def test_perspective_of_a_single_line_is_kept():
    quad = [[100, 100], [300, 130], [300, 180], [100, 200]]
    frame = Frame.of(region(quad))
    assert np.allclose(frame.to_picture(frame.box.corners), quad, atol=0.5)


def test_a_turned_frame_covers_the_same_ground_and_reads_downwards():
    column = [[100, 40], [140, 40], [140, 240], [100, 240]]
    frame = Frame.of(region(column, orientation="vertical"))
    down = frame.turned()
    assert (down.box.width, down.box.height) == (frame.box.height, frame.box.width)
    along = down.to_picture(np.array([[0, 0], [10, 0]], np.float32))
    assert np.allclose(along, [[140, 40], [140, 50]])


def test_room_ends_at_the_edge_of_the_plate():
    room = Room(plate(), Frame.of(region(BOX)), 36).around([])
    free, ends = room.margins(room.box)
    assert ends == [True] * 4
    for got, true in zip(free, (60, 40, 60, 40), strict=True):
        assert true - 20 < got <= true


def test_room_ends_at_other_text_and_at_the_edge_of_the_picture():
    canvas = np.full((300, 400, 3), 230, np.uint8)
    room = Room(canvas, Frame.of(region(BOX)), 36).around([np.array([[340, 100], [390, 100], [390, 200], [340, 200]])])
    (left, _, right, _), ends = room.margins(room.box)
    assert ends[0] and ends[2]
    assert left <= 100 and right < 40


def test_a_box_is_cut_clear_of_set_text():
    canvas = np.full((300, 400, 3), 230, np.uint8)
    room = Room(canvas, Frame.of(region(BOX)), 36).around([np.array([[100, 120], [150, 120], [150, 180], [100, 180]])])
    box = room.clear_of_taken(room.box)
    assert box.x0 >= 50 and box.x1 == room.box.x1 and box.height == room.box.height


def test_without_other_text_a_box_is_not_cut():
    room = Room(plate(), Frame.of(region(BOX)), 36).around([])
    assert room.clear_of_taken(room.box) == Box(0, 0, 200, 40)
