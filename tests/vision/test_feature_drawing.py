import cv2
import numpy as np

from paddle_vlm.vision.feature_drawing import draw_hog, draw_keypoints, draw_matches, draw_segments
from paddle_vlm.vision.features import Keypoints, MatchResult


def point(x, y, size=20.0, angle=0.0):
    return Keypoints(
        np.array([[x, y]], np.float32), np.array([size], np.float32), np.array([angle], np.float32),
        np.zeros((1, 128), np.float32),
    )  # fmt: skip


def test_a_key_point_is_a_circle_around_its_place():
    drawn = draw_keypoints(np.zeros((500, 600, 3), np.uint8), point(300, 200))
    ys, xs = np.nonzero((drawn != 60).any(-1))
    assert drawn.shape == (500, 600, 3)
    assert abs((xs.min() + xs.max()) / 2 - 300) <= 1 and abs((ys.min() + ys.max()) / 2 - 200) <= 1
    assert 20 <= xs.max() - xs.min() <= 24


def test_small_pictures_are_drawn_larger():
    drawn = draw_keypoints(np.zeros((60, 120, 3), np.uint8), point(60, 30))
    assert drawn.shape == (240, 480, 3)
    ys, xs = np.nonzero((drawn != 60).any(-1))
    assert abs(xs.mean() - 240) < 30 and abs(ys.mean() - 120) < 10


def test_words_have_one_colour_each():
    points = Keypoints(*(np.concatenate(each) for each in zip(
        *(vars(point(x, 250)).values() for x in (100, 250, 400)), strict=True)))  # fmt: skip
    drawn = draw_keypoints(np.zeros((500, 500, 3), np.uint8), points, np.array([0, 1, 0]))
    first, second, third = (drawn[240:261, x - 10 : x + 11] for x in (100, 250, 400))
    assert np.array_equal(first, third) and not np.array_equal(first, second)


def test_hog_lines_run_along_the_edge():
    rgb = np.zeros((480, 480, 3), np.uint8)
    rgb[:, 244:] = 255  # an upright edge in the cells from 240 to 248
    drawn = draw_hog(rgb, 8)
    bright = drawn[..., 0] > 200
    xs = np.nonzero(bright)[1]
    assert xs.min() >= 240 and xs.max() < 248 and bright.any(1).mean() > 0.8


def test_segments_are_four_panels():
    rgb = np.full((200, 500, 3), 90, np.uint8)
    cv2.circle(rgb, (250, 100), 60, (220, 40, 40), -1)
    subject = rgb[..., 0] == 220
    drawn = draw_segments(rgb, [subject, ~subject])
    assert drawn.shape == (412, 1012, 3)
    cut = drawn[206:406, :500]
    assert tuple(cut[100, 250]) == (220, 40, 40) and (cut[5:20, 5:60] == 255).all()
    assert (drawn[206:406, 506:1006][100, 250] == 255).all()


def test_matches_are_lines_between_the_pictures_and_an_outline():
    first, second = np.zeros((480, 480, 3), np.uint8), np.zeros((480, 480, 3), np.uint8)
    places = np.array([[100, 240]], np.float32)
    result = MatchResult(places, places + [40, 0], np.array([[1, 0, 40], [0, 1, 0], [0, 0, 1.0]]), 1)
    drawn = draw_matches(first, second, result)
    assert drawn.shape == (480, 968, 3)
    assert drawn[240, 100:620].any(-1).all()  # the line is unbroken
    assert tuple(drawn[200, 488 + 40]) == (0, 200, 0)  # the left side of the outline
    blank = draw_matches(first, second, MatchResult())
    assert not blank[:, :480].any() and not blank[:, 488:].any()
