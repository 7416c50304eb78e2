"""Modes, depths and transparency."""

import numpy as np
import pytest

from paddle_vlm.vision.pixels import eight_bits, split_alpha, without_backdrop


def test_sixteen_bits_keep_black_white_and_the_middle():
    assert eight_bits(np.array([[0, 32768, 65535]], np.uint16)).tolist() == [[0, 128, 255]]
    assert eight_bits(np.array([[0, 32768, 65535]], np.int32)).tolist() == [[0, 128, 255]]
    same = np.arange(256, dtype=np.uint16)[None] * 257
    assert (eight_bits(same) == np.arange(256)).all()


def test_floats_and_wide_integers_are_brought_into_range():
    assert eight_bits(np.array([[0.0, 0.5, 1.0]], np.float32)).tolist() == [[0, 128, 255]]
    assert eight_bits(np.array([[0.0, 200.0]], np.float32)).tolist() == [[0, 200]]
    assert eight_bits(np.array([[-1000, 0, 100_000]], np.int32)).tolist() == [[0, 3, 255]]
    assert eight_bits(np.array([[np.nan, np.inf, 1.0]], np.float32)).tolist() == [[0, 0, 255]]
    assert eight_bits(np.zeros((2, 2), np.float32)).tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize(
    ("ink", "backdrop"), [((255, 255, 255), 0), ((0, 0, 0), 255), ((255, 240, 90), 0), ((90, 20, 20), 255)]
)
def test_text_on_transparency_comes_to_stand_on_a_backdrop_that_shows_it(ink, backdrop):
    pixels = np.zeros((20, 20, 4), np.uint8)
    pixels[5:15, 5:15] = (*ink, 255)
    rgb, alpha, grey = split_alpha(pixels)
    assert grey == backdrop
    assert alpha is not None
    assert rgb[0, 0].tolist() == [backdrop] * 3
    assert rgb[10, 10].tolist() == list(ink)


def test_black_and_white_ink_together_stand_on_grey():
    pixels = np.zeros((20, 20, 4), np.uint8)
    pixels[:5] = (255, 255, 255, 255)
    pixels[15:] = (0, 0, 0, 255)
    assert split_alpha(pixels)[2] == 128


def test_soft_edges_get_their_own_colour_back():
    pixels = np.random.default_rng(1).integers(0, 256, (40, 40, 4)).astype(np.uint8)
    pixels[..., 3] = np.maximum(pixels[..., 3], 128)
    rgb, alpha, backdrop = split_alpha(pixels)
    assert alpha is not None
    error = np.abs(without_backdrop(rgb, alpha, backdrop).astype(int) - pixels[..., :3])
    assert error.max() <= 1


def test_an_opaque_alpha_channel_is_none_at_all():
    pixels = np.full((4, 4, 4), 255, np.uint8)
    rgb, alpha, _ = split_alpha(pixels)
    assert alpha is None
    assert rgb.shape == (4, 4, 3)
    assert rgb.flags["C_CONTIGUOUS"]
