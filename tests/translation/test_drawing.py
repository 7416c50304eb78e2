"""Glyphs in pictures."""

import numpy as np
import pytest

from paddle_vlm.translation.drawing import Block, draw_block, ink_polygon
from paddle_vlm.translation.fitting import Face
from paddle_vlm.translation.space import Box, Frame


def frame(degrees=0.0, at=(40.0, 40.0)):
    angle = np.radians(degrees)
    matrix = np.array([[np.cos(angle), -np.sin(angle), at[0]], [np.sin(angle), np.cos(angle), at[1]], [0, 0, 1]])
    turns = round(degrees / 90) % 4 if degrees % 90 == 0 else None
    return Frame(matrix, Box(0, 0, 120, 40), turns)


def block(degrees=0.0, at=(40.0, 40.0), size=32.0, **more):
    return Block(frame(degrees, at), (("Exit", 0.0, 28.0),), Face(), size, (200, 20, 30), **more)


def drawn(item, channels=3, ground=255):
    canvas = np.full((200, 200, channels), ground, np.uint8)
    draw_block(canvas, item)
    return canvas


@pytest.mark.parametrize(
    "degrees,at", [(0, (40, 40)), (90, (120, 40)), (180, (160, 140)), (30, (60, 40)), (-20, (30, 100))]
)
def test_all_ink_lies_within_the_reported_polygon_and_fills_it(degrees, at):
    item = block(degrees, at)
    ys, xs = np.nonzero((drawn(item) < 250).any(axis=2))
    own = item.frame.from_picture(np.column_stack([xs + 0.5, ys + 0.5]).astype(np.float32))
    ink = item.frame.from_picture(ink_polygon(item))
    assert (own.min(0) > ink.min(0) - 1.2).all() and (own.max(0) < ink.max(0) + 1.2).all()
    assert np.allclose(np.ptp(own, axis=0), np.ptp(ink, axis=0), atol=4.5)


def test_the_colour_is_exact_in_the_heart_of_a_stroke():
    assert (drawn(block(size=90)).reshape(-1, 3) == (200, 20, 30)).all(axis=1).sum() > 300


def test_turned_by_a_quarter_it_is_the_same_letters():
    upright, down = drawn(block()), drawn(block(90, (160, 40)))
    assert np.array_equal(np.rot90(upright, -1), down)


def test_an_outline_surrounds_the_letters():
    canvas = drawn(block(outline_color=(0, 0, 255), outline_width=3.0))
    assert (canvas == (0, 0, 255)).all(axis=2).sum() > 100
    assert (canvas == (200, 20, 30)).all(axis=2).sum() > 50


def test_a_slant_leans_to_the_right():
    upright, leaning = block(), block(slant=15.0)
    top = (drawn(leaning) < 128).any(axis=2)
    rows = np.nonzero(top.any(axis=1))[0]
    first = [np.nonzero(top[r])[0][0] for r in (rows[2], rows[-3])]
    assert first[0] > first[1] + 3
    assert np.ptp(ink_polygon(leaning)[:, 0]) > np.ptp(ink_polygon(upright)[:, 0])


def test_what_falls_outside_the_picture_is_left_out():
    assert (drawn(block(0, (-20.0, -20.0))) < 250).any()
    assert (drawn(block(0, (500.0, 500.0))) == 255).all()


def test_on_transparent_ground_only_the_letters_become_opaque():
    canvas = drawn(block(size=60), channels=4, ground=0)
    solid = canvas[..., 3] == 255
    assert solid.any() and (canvas[..., 3] == 0).mean() > 0.5
    assert (canvas[solid][:, :3] == (200, 20, 30)).all()
    assert (canvas[canvas[..., 3] > 0][:, :3].astype(int) - (200, 20, 30)).max() <= 1
