import cv2
import numpy as np
import pytest

from paddle_vlm.errors import BadImage
from paddle_vlm.vision.features import Vocabulary, hog, hog_cells, match, match_sift, sift


def texture(seed, size=240):
    """Random blobs: a picture full of places that can be found again."""
    rng = np.random.default_rng(seed)
    rgb = np.full((size, size, 3), 128, np.uint8)
    for _ in range(120):
        x, y, radius = rng.integers(0, size), rng.integers(0, size), rng.integers(4, 20)
        cv2.circle(rgb, (int(x), int(y)), int(radius), rng.integers(0, 255, 3).tolist(), -1)
    return rgb


TURN = cv2.getRotationMatrix2D((120, 120), 25, 0.8)


@pytest.fixture(scope="module")
def picture():
    return texture(0)


@pytest.fixture(scope="module")
def turned(picture):
    """The same scene turned by 25 degrees, smaller, darker."""
    return (cv2.warpAffine(picture, TURN, (240, 240)) * 0.7).astype(np.uint8)


def test_sift_finds_places_inside_the_picture_with_unit_descriptors(picture):
    found = sift(picture)
    assert len(found) > 100
    assert found.points.min() >= 0 and found.points.max() < 240
    assert np.allclose(np.linalg.norm(found.descriptors, axis=1), 1, atol=1e-3)
    assert len(sift(picture, limit=50)) <= 52  # OpenCV keeps ties


def test_points_of_a_large_picture_are_in_its_own_pixels(picture):
    large = cv2.resize(picture, (1920, 1920))
    found = sift(large)
    assert 800 < found.points.max() <= 1920
    moved = match(sift(picture), found)
    assert np.allclose(moved.homography / moved.homography[2, 2], np.diag([8, 8, 1]), atol=0.2 * 8)


def test_a_turned_scene_matches_and_the_homography_is_the_turn(picture, turned):
    result = match_sift(picture, turned)
    assert result.inliers > 30 and result.candidates >= result.inliers
    corners = np.array([[60, 60], [180, 60], [180, 180]], np.float32)
    there = cv2.perspectiveTransform(corners[None], result.homography)[0]
    assert np.abs(there - cv2.transform(corners[None], TURN)[0]).max() < 2
    assert result.first.shape == result.second.shape == (result.inliers, 2)


def test_other_scenes_and_blank_pictures_do_not_match(picture):
    assert match_sift(picture, texture(1)).inliers < 8
    blank = np.full((240, 240, 3), 90, np.uint8)
    assert len(sift(blank)) == 0
    nothing = match_sift(picture, blank)
    assert nothing.inliers == 0 and nothing.homography is None


def test_hog_tells_the_direction_of_edges():
    ramp = np.tile(np.arange(0, 240, 8, dtype=np.uint8), (32, 1))  # grows to the right: the gradient lies along x
    across = np.repeat(ramp[:, :, None], 3, 2)[:, :24]
    cells = hog_cells(across, 8)
    assert cells.shape == (4, 3, 9)
    assert np.allclose(cells[1, 1], [8, *[0] * 7, 8], atol=0.01)  # 16 grey levels at 0 degrees, between bins 8 and 0
    down = across.transpose(1, 0, 2).copy()
    assert hog_cells(down, 8)[1, 1].argmax() == 4  # 90 degrees


def test_hog_cells_are_where_the_edges_are():
    rgb = np.zeros((32, 48, 3), np.uint8)
    rgb[12:, :] = 200  # an edge in the second row of cells
    strength = hog_cells(rgb, 8).sum(-1)
    assert strength.shape == (4, 6) and np.allclose(strength[1], 50) and not strength[[0, 2, 3]].any()


def test_hog_vectors_have_the_stated_length_and_ignore_brightness(picture):
    images = np.stack([cv2.resize(picture, (32, 32)), (cv2.resize(picture, (32, 32)) * 0.5).astype(np.uint8)])
    vectors = hog(images, cell=4)
    assert vectors.shape == (2, 7 * 7 * 36)
    assert hog(images[:, :30]).shape == (2, 6 * 7 * 36)  # what is left of a cell is cut off
    assert np.linalg.norm(vectors[0] - vectors[1]) < 0.1 * np.linalg.norm(vectors[0])


def test_a_picture_smaller_than_a_cell_is_refused():
    with pytest.raises(BadImage, match="5×5"):
        hog_cells(np.zeros((5, 5, 3), np.uint8))


def test_visual_words_recognise_the_same_scene(picture, turned):
    points = [sift(each) for each in (picture, turned, *map(texture, range(1, 6)))]
    vocabulary = Vocabulary.learn(points, words=500)
    histograms = np.stack([vocabulary.histogram(each) for each in points])
    assert np.allclose(np.linalg.norm(histograms, axis=1), 1, atol=1e-4)
    assert (histograms @ histograms[0]).argsort()[-2] == 1
    again = Vocabulary.learn(points, words=500)
    assert np.array_equal(vocabulary.words, again.words)
    assert not vocabulary.histogram(sift(np.zeros((64, 64, 3), np.uint8))).any()


def test_too_few_points_for_a_vocabulary_are_an_error():
    with pytest.raises(BadImage, match="视觉词"):
        Vocabulary.learn([sift(np.zeros((64, 64, 3), np.uint8))], words=10)
