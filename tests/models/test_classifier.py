"""A classifier saved is the classifier loaded."""

import json

import numpy as np
import pytest

from paddle_vlm.errors import BadConfig, MissingWeights
from paddle_vlm.models.classifier import ClassifierConfig, ImageClassifier, to_input

PICTURES = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)


def made(**options) -> ImageClassifier:
    model = ImageClassifier(ClassifierConfig("article", ["猫", "狗"], 32, options))
    model.eval()
    return model


def test_probabilities_survive_saving_and_any_batch_size(tmp_path):
    model = made(dropout=0.5)
    model.save(tmp_path / "model")
    loaded = ImageClassifier.load(tmp_path / "model")
    assert loaded.config == model.config
    wanted = model.probabilities(PICTURES)
    assert wanted.sum(1) == pytest.approx(1, abs=1e-5)
    assert loaded.probabilities(PICTURES, batch=2) == pytest.approx(wanted, abs=1e-6)


def test_pixels_become_numbers_between_minus_one_and_one():
    x = to_input(np.array([0, 255], np.uint8).reshape(1, 1, 2, 1).repeat(3, 3))
    assert x.shape == (1, 3, 1, 2)
    assert x.dtype == np.float32
    assert x[0, 0, 0].tolist() == [-1, 1]


def test_an_unknown_option_of_the_network_names_the_nearest():
    with pytest.raises(BadConfig, match="model.options.dropuot。是否想写 dropout"):
        made(dropuot=0.1)


def test_folders_that_hold_no_classifier_are_explained(tmp_path):
    with pytest.raises(MissingWeights, match="不是分类模型文件夹"):
        ImageClassifier.load(tmp_path)
    made().save(tmp_path)
    settings = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    (tmp_path / "config.json").write_text(json.dumps(settings | {"network": "alexnet"}))
    with pytest.raises(MissingWeights, match="没有叫 alexnet 的网络"):
        ImageClassifier.load(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(settings | {"names": ["猫"]}))
    with pytest.raises(MissingWeights, match="形状"):
        ImageClassifier.load(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(settings | {"shown": ["喵"]}))
    with pytest.raises(MissingWeights, match="一一对应"):
        ImageClassifier.load(tmp_path)
