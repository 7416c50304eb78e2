import numpy as np
import pytest
from PIL import Image, ImageDraw

from paddle_vlm.vision.segment import cut_out, mean_colours, outlines, superpixels, watershed


def leaf(size=(160, 120), noise=6):
    """A red ellipse on a green meadow with some noise, and where it is."""
    image = Image.new("RGB", size, (60, 140, 50))
    ImageDraw.Draw(image).ellipse((50, 30, 110, 90), fill=(200, 40, 40))
    truth = np.asarray(image)[..., 0] == 200
    noisy = np.asarray(image) + np.random.default_rng(0).normal(0, noise, (size[1], size[0], 3))
    return np.clip(noisy, 0, 255).astype(np.uint8), truth


def overlap(first, second):
    """Intersection over union."""
    return (first & second).sum() / (first | second).sum()


@pytest.mark.parametrize("method", ["grabcut", "watershed"])
def test_the_subject_is_cut_out(method):
    rgb, truth = leaf()
    mask = cut_out(rgb, method)
    assert mask.dtype == bool and mask.shape == truth.shape
    assert overlap(mask, truth) > 0.95


def test_a_large_picture_gives_a_mask_of_its_own_size():
    rgb, truth = leaf()
    large = np.repeat(np.repeat(rgb, 5, 0), 5, 1)
    mask = cut_out(large)
    assert overlap(mask, np.repeat(np.repeat(truth, 5, 0), 5, 1)) > 0.93


def test_a_box_chooses_between_two_subjects():
    rgb, _ = leaf()
    two = np.concatenate([rgb, rgb[:, ::-1]], 1)
    mask = cut_out(two, box=(190, 10, 290, 110))
    assert mask[:, 200:280].any() and not mask[:, :160].any()


def test_a_picture_of_one_colour_has_no_crash_and_the_same_answer_twice():
    plain = np.full((40, 60, 3), 128, np.uint8)
    for method in ("grabcut", "watershed"):
        assert cut_out(plain, method).shape == (40, 60)
    rgb, _ = leaf()
    assert np.array_equal(cut_out(rgb), cut_out(rgb))


def test_superpixels_follow_edges_and_have_about_the_asked_size():
    rgb, truth = leaf(noise=3)
    labels = superpixels(rgb, size=12)
    assert labels.min() == 0 and 60 < labels.max() < 250
    share = np.bincount(labels.ravel(), weights=truth.ravel()) / np.bincount(labels.ravel())
    mixed = (share > 0.1) & (share < 0.9)
    assert np.bincount(labels.ravel())[mixed].sum() < 0.05 * truth.size


def test_watershed_separates_the_subject_from_the_meadow():
    rgb, truth = leaf(noise=2)
    labels = watershed(rgb)
    assert labels.min() == 0 and labels.shape == truth.shape
    inside, outside = set(labels[55:65, 70:90].ravel()), set(labels[:15].ravel())
    assert not inside & outside
    painted = mean_colours(rgb, labels)
    assert np.abs(painted[60, 80].astype(int) - [200, 40, 40]).max() < 12


def test_mean_colours_and_outlines_of_a_known_labelling():
    labels = np.array([[0, 0, 1], [0, 0, 1]])
    rgb = np.stack([np.array([[10, 20, 99], [30, 40, 101]])] * 3, -1).astype(np.uint8)
    assert mean_colours(rgb, labels)[..., 0].tolist() == [[25, 25, 100], [25, 25, 100]]
    assert outlines(labels).tolist() == [[False, True, False], [False, True, False]]


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (2, 2), (9, 9), (3, 200)])
def test_tiny_and_narrow_pictures_are_segmented_without_a_crash(shape):
    rgb = np.random.default_rng(0).integers(0, 255, (*shape, 3)).astype(np.uint8)
    results = [cut_out(rgb), cut_out(rgb, "watershed"), superpixels(rgb), watershed(rgb)]
    assert all(each.shape == shape for each in results)
