"""Parts of a data set as the classifier gets them."""

import numpy as np
import pytest
from PIL import Image

from paddle_vlm.config import load_config
from paddle_vlm.data.classification import DataConfig, load_data, relabel
from paddle_vlm.data.images import LabelledImages
from paddle_vlm.errors import BadConfig, BadData


def fill(folder, counts: dict[str, int]) -> None:
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (20, 16), (number, 0, 0)).save(folder / name / f"{number}.png")


def test_plain_class_folders_are_split_for_validation(tmp_path):
    fill(tmp_path, {"a": 10, "b": 20})
    data = load_data(DataConfig("folder", tmp_path, size=8, valid_share=0.2), seed=0)
    assert [(name, len(part)) for name, part in data.parts()] == [("训练", 24), ("验证", 6)]
    assert data.train.images.shape[1:] == (8, 8, 3)


def test_folders_of_parts_are_taken_as_they_are(tmp_path):
    for split, counts in {"train": {"a": 3, "b": 3}, "val": {"b": 2}, "test": {"a": 1, "b": 1}}.items():
        fill(tmp_path / split, counts)
    data = load_data(DataConfig("folder", tmp_path, size=8), seed=0)
    assert [len(part) for _, part in data.parts()] == [6, 2, 2]
    assert data.valid.labels.tolist() == [1, 1]  # b is the second of the training classes


def test_a_class_that_was_not_trained_is_named():
    data = LabelledImages(np.zeros((1, 2, 2, 3), np.uint8), np.array([0]), ["狼"])
    with pytest.raises(BadData, match="类别 狼 不在训练用的类别之中.猫、狗"):
        relabel(data, ["猫", "狗"])


def test_one_class_alone_cannot_be_learnt(tmp_path):
    fill(tmp_path, {"a": 4})
    with pytest.raises(BadData, match="只有一个类别"):
        load_data(DataConfig("folder", tmp_path, size=8), seed=0)


def test_no_validation_share_trains_on_everything(tmp_path):
    fill(tmp_path, {"a": 1, "b": 4})
    data = load_data(DataConfig("folder", tmp_path, size=8, valid_share=0), seed=0)
    assert [name for name, _ in data.parts()] == ["训练"]


@pytest.mark.parametrize("override", ["name=folder", "valid_share=1", "size=4", "name=imagenet"])
def test_impossible_settings_are_refused(override):
    with pytest.raises(BadConfig):
        load_config(DataConfig, overrides=[override])
