"""Strips cut out of a picture are upright and in reading order."""

import numpy as np
import pytest

from paddle_vlm.translation.line_crops import STRIP_HEIGHT, rectify, side_lengths, unstack

SHADES = [(250, 60, 60), (60, 250, 60), (60, 60, 250), (250, 250, 60)]


@pytest.fixture
def squares():
    """Four coloured 40-pixel squares in a row on black, 20 pixels apart, and the box around them."""
    picture = np.zeros((200, 400, 3), np.uint8)
    for i, shade in enumerate(SHADES):
        picture[80:120, 80 + 60 * i : 120 + 60 * i] = shade
    return picture, np.array([[75, 75], [305, 75], [305, 125], [75, 125]], np.float32)


def order_of(strip):
    """The shades that are met from left to right."""
    middle = strip[STRIP_HEIGHT // 2].astype(int)
    met = []
    for pixel in middle:
        distances = [int(np.abs(pixel - shade).sum()) for shade in SHADES]
        nearest = int(np.argmin(distances))
        if distances[nearest] < 60 and (not met or met[-1] != nearest):
            met.append(nearest)
    return met


def test_side_lengths():
    assert side_lengths(np.array([[0, 0], [30, 40], [22, 46], [-8, 6]], float)) == pytest.approx((50, 10))


def test_a_strip_reads_from_the_first_corner_on(squares):
    picture, box = squares
    assert rectify(picture, box).shape[0] == STRIP_HEIGHT
    assert order_of(rectify(picture, box)) == [0, 1, 2, 3]
    assert order_of(rectify(picture, np.roll(box, -2, axis=0))) == [3, 2, 1, 0]


def test_a_turned_line_is_set_upright(squares):
    picture, box = squares
    turned = np.rot90(picture, -1).copy()  # clockwise: (x, y) -> (height - y, x)
    corners = np.stack([picture.shape[0] - box[:, 1], box[:, 0]], axis=1).astype(np.float32)
    assert order_of(rectify(turned, corners)) == [0, 1, 2, 3]


def test_large_and_small_pictures_of_a_line_give_the_same_strip(squares):
    picture, box = squares
    large = np.kron(picture, np.ones((6, 6, 1), np.uint8))
    strip, other = rectify(picture, box), rectify(large, box * 6)
    assert strip.shape == other.shape
    assert np.abs(strip.astype(int) - other.astype(int)).mean() < 12


def test_a_box_beyond_the_picture_is_still_cut(squares):
    picture, box = squares
    assert rectify(picture, box + np.float32([250, 90])).shape[0] == STRIP_HEIGHT


def test_stacked_characters_are_laid_side_by_side_in_order(squares):
    picture, box = squares
    column = picture.transpose(1, 0, 2).copy()
    corners = np.array([[75, 75], [125, 75], [125, 305], [75, 305]], np.float32)
    strip = unstack(column, corners)
    assert strip.shape[0] == STRIP_HEIGHT
    assert order_of(strip) == [0, 1, 2, 3]


def test_a_column_of_one_colour_is_not_refused():
    corners = np.array([[10, 10], [30, 10], [30, 90], [10, 90]], np.float32)
    assert unstack(np.full((100, 100, 3), 128, np.uint8), corners).shape[0] == STRIP_HEIGHT
