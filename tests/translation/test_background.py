"""Neighbourhoods of polygons and smooth surfaces fitted to what surrounds them."""

import numpy as np
import pytest

from paddle_vlm.translation.background import Neighbourhood, fit_surface, glyph_height, length, membrane
from paddle_vlm.translation.ocr import TextLine


def line(polygon, orientation="horizontal"):
    return TextLine(np.array(polygon, np.float32), "文字", 1.0, orientation)


def test_glyph_height_is_measured_across_the_reading_direction():
    upright = [[10, 10], [210, 10], [210, 50], [10, 50]]
    column = [[10, 10], [50, 10], [50, 210], [10, 210]]
    assert glyph_height(line(upright)) == pytest.approx(40)
    assert glyph_height(line(column, "vertical")) == pytest.approx(40)


def test_a_neighbourhood_is_cut_at_the_picture_and_reduced_to_the_wanted_glyph_height():
    near = Neighbourhood.of(line([[-20, -10], [380, -10], [380, 90], [-20, 90]]), (200, 300, 3), 0.5, 50)
    assert near.box == (0, 0, 300, 143)
    assert near.height == pytest.approx(50)
    assert near.cut(np.zeros((200, 300, 3), np.uint8)).shape == (72, 150, 3)
    assert near.inside.shape == near.outside.shape == (72, 150)
    assert near.inside[20, 50] > 0 and near.outside[20, 50] == 0
    assert near.outside[-1, 50] > 0


def test_a_surface_follows_a_gradient_in_spite_of_a_third_of_foreign_pixels():
    ys, xs = np.mgrid[0:60, 0:90].astype(np.float32)
    truth = np.stack([100 + xs, 50 + 0.5 * ys, 200 - 0.01 * xs * ys], axis=2)
    seen = truth.copy()
    seen[:, ::3] = 0
    surface = fit_surface(seen, np.ones(seen.shape[:2], bool))
    assert surface is not None
    assert np.abs(surface.values - truth).max() < 3


def test_too_few_pixels_give_no_surface():
    valid = np.zeros((20, 20), bool)
    valid[0, :5] = True
    assert fit_surface(np.ones((20, 20, 3), np.float32), valid) is None


def test_a_membrane_keeps_known_values_and_runs_from_one_side_to_the_other():
    values = np.zeros((40, 80, 1), np.float32)
    values[:, 60:] = 100
    known = np.zeros((40, 80), bool)
    known[:, :20] = known[:, 60:] = True
    filled = membrane(values, known)
    assert np.array_equal(filled[known], values[known])
    middle = filled[20, 20:60, 0]
    assert middle.min() >= 0 and middle.max() <= 100
    assert np.all(np.diff(middle) > -1) and 25 < middle[20] < 75


def test_length_is_the_euclidean_norm():
    vectors = np.random.default_rng(0).normal(size=(5, 7, 3))
    assert np.allclose(length(vectors), np.linalg.norm(vectors, axis=2))
