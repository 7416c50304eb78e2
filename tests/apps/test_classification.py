import shutil

import numpy as np
import pytest
from PIL import Image

from paddle_vlm.apps.classification import Classifier
from paddle_vlm.data import emoji
from paddle_vlm.errors import BadImage, MissingWeights, OutputError


def picture(colour, width=96, height=64):
    """A grey picture with a dot in its middle square."""
    rgb = np.full((height, width, 3), 120, np.uint8)
    rgb[10:24, 40:54] = colour
    return rgb


@pytest.fixture(scope="module")
def classifier(dot_classifier):
    return Classifier(dot_classifier)


def test_the_dots_are_named_with_probabilities(classifier):
    for colour, label in (((220, 30, 30), "红点"), ((30, 30, 220), "蓝点")):
        result = classifier.classify(picture(colour))
        assert result.label == label and result.score > 0.9
        assert [guess.score for guess in result.guesses] == sorted((g.score for g in result.guesses), reverse=True)
        assert sum(guess.score for guess in result.guesses) == pytest.approx(1, abs=1e-5)
    assert classifier.names == ["红点", "蓝点"]


def test_k_limits_the_list_and_the_record_names_the_file(classifier, tmp_path):
    path = tmp_path / "红.png"
    Image.fromarray(picture((220, 30, 30))).save(path)
    record = classifier.classify(path, k=1).to_dict()
    assert record["image"] == str(path)
    assert [each["label"] for each in record["classes"]] == ["红点"]


def test_grey_transparent_and_tiny_pictures_are_classified(classifier):
    for image in (np.zeros((40, 30), np.uint8), np.zeros((9, 9, 4), np.uint8), np.zeros((1, 1, 3), np.uint8)):
        assert len(classifier.classify(image).guesses) == 2


def test_the_heat_map_reddens_the_dot_and_keeps_the_size(classifier, tmp_path):
    result = classifier.classify(picture((30, 30, 220)), explain=True)
    drawn = result.heatmap
    assert drawn.shape == (64, 96, 3)
    assert (drawn[:, :10] == 40).all()  # outside the middle square: a third as bright
    warmth = drawn[..., 0].astype(int) - drawn[..., 2]
    assert warmth[14:20, 44:50].mean() > warmth[45:60, 60:76].mean()
    assert result.save(tmp_path / "heat.png").is_file()


def test_without_explain_there_is_no_heat_map(classifier):
    with pytest.raises(ValueError, match="explain"):
        _ = classifier.classify(picture((0, 0, 0))).heatmap


def test_the_heat_map_never_overwrites_the_picture(classifier, tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(picture((220, 30, 30))).save(path)
    with pytest.raises(OutputError, match="输入图片"):
        classifier.classify(path, explain=True).save(path)


def test_a_run_is_found_by_its_folder_ended_or_not(dot_classifier, tmp_path):
    shutil.copytree(dot_classifier, tmp_path / "ended/model")
    assert Classifier(tmp_path / "ended").classify(picture((220, 30, 30))).label == "红点"
    shutil.copytree(dot_classifier, tmp_path / "going_on/model")
    (tmp_path / "going_on/best").mkdir()
    (tmp_path / "going_on/model/model.safetensors").rename(tmp_path / "going_on/best/model.safetensors")
    assert Classifier(tmp_path / "going_on").classify(picture((220, 30, 30))).label == "红点"


def test_the_shipped_classifier_names_even_drawings_of_its_ten_classes():
    classifier, drawn = Classifier(), emoji.load_emoji("twemoji", size=64)
    expected = dict(zip("✈🚗🐦🐱🦌🐶🐸🐴🚢🚚", classifier.names, strict=True))
    right = [
        classifier.classify(picture).label == expected[each.character[0]]
        for each, picture in zip(drawn.emoji, drawn.images, strict=True)
        if each.character.rstrip("\ufe0f") in expected
    ]
    assert len(right) == 10 and sum(right) >= 5  # it learnt from photographs; by chance one would be right


def test_bad_models_and_pictures_are_explained(classifier, tmp_path):
    with pytest.raises(MissingWeights, match="不是分类模型文件夹"):
        Classifier(tmp_path)
    with pytest.raises(MissingWeights, match="不存在"):
        Classifier(tmp_path / "none")
    with pytest.raises(BadImage, match="找不到图片"):
        classifier.classify(tmp_path / "none.jpg")
