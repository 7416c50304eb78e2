import cv2
import numpy as np
import pytest
from PIL import Image

from paddle_vlm.apps.features import find_features, match_pictures
from paddle_vlm.errors import BadImage, OutputError


@pytest.fixture(scope="module")
def sign(chinese_picture):
    return chinese_picture(["红烧牛肉面", "酸辣土豆丝", "清炒小白菜"])


@pytest.mark.parametrize("kind", ["sift", "hog", "segment", "words"])
def test_every_kind_draws_something_and_tells_figures(sign, kind, tmp_path):
    found = find_features(sign, kind)
    assert found.rgb.dtype == np.uint8 and found.rgb.std() > 5
    assert found.to_dict()["kind"] == kind and found.figures
    assert found.save(tmp_path / f"{kind}.png").is_file()


def test_words_share_the_key_points_out(sign):
    figures = find_features(sign, "words").figures
    assert sum(figures["各词的特征点"]) == figures["特征点"] == find_features(sign).figures["特征点"] > 100


def test_a_photo_of_the_sign_matches_the_sign_and_another_one_does_not(sign, chinese_picture):
    height, width = sign.shape[:2]
    corners = np.float32([[0, 0], [width, 0], [width, height], [0, height]])
    seen = np.float32([[30, 20], [width - 60, 50], [width - 20, height - 30], [60, height - 10]])
    photo = cv2.warpPerspective(sign, cv2.getPerspectiveTransform(corners, seen), (width, height))
    match = match_pictures(sign, photo)
    assert match.same_scene and match.result.inliers > 50
    record = match.to_dict()
    assert record["same_scene"] and len(record["homography"]) == 3
    assert not match_pictures(sign, cv2.GaussianBlur(sign[::-1, ::-1, ::-1], (0, 0), 9)).same_scene


def test_no_picture_is_overwritten(sign, tmp_path):
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    for path in paths:
        Image.fromarray(sign).save(path)
    match = match_pictures(*paths)
    for path in paths:
        with pytest.raises(OutputError, match="输入图片"):
            match.save(path)
    with pytest.raises(OutputError, match="输入图片"):
        find_features(paths[0]).save(paths[0])
    assert match.save(tmp_path / "c.png").is_file()


def test_pictures_without_anything_to_find():
    blank = np.full((80, 80, 3), 200, np.uint8)
    assert find_features(blank).figures == {"特征点": 0}
    assert match_pictures(blank, blank).to_dict()["homography"] is None
    with pytest.raises(BadImage, match="视觉词"):
        find_features(blank, "words")
    with pytest.raises(BadImage, match="一格"):
        find_features(blank[:5, :5], "hog")
