"""Training a text classifier on a few reviews."""

from pathlib import Path

import numpy as np
import pytest

from paddle_vlm.config import load_config
from paddle_vlm.data.labelled import Labelled
from paddle_vlm.text.classify import Classifier
from paddle_vlm.training import text_classify
from paddle_vlm.training.crossval import Summary

GOOD, BAD = ["房间干净", "服务热情", "早餐丰富", "位置方便"], ["房间太脏", "服务冷淡", "早餐难吃", "位置偏僻"]


@pytest.fixture(scope="module")
def reviews(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("reviews") / "hotel.csv"
    generator = np.random.default_rng(0)
    rows = []
    for n in range(160):
        words = generator.choice(GOOD if n % 2 else BAD, 3)
        rows.append(f'{n % 2},"{",".join(words)},第{n}次来"')
    path.write_text("label,review\n" + "\n".join(rows), encoding="utf-8")
    return path


def config(path: Path, **changes: object) -> text_classify.Config:
    settings = {"data": path, "names": '{"1": 正面, "0": 负面}', "train.epochs": 4, "train.batch_size": 16}
    settings |= {"train.lr": 3e-3, "train.visualdl": "false", "model.dim": 16, "model.hidden": 16, **changes}
    return load_config(text_classify.Config, None, [f"{key}={value}" for key, value in settings.items()])


def test_a_trained_model_tells_the_classes_and_can_be_gone_on_with(reviews, tmp_path):
    result = text_classify.run(config(reviews), tmp_path / "run")
    assert result.best_metric > 0.9
    assert "| 正面 |" in (tmp_path / "run" / "report.md").read_text(encoding="utf-8")
    classifier = Classifier.load(tmp_path / "run" / "model")
    good, bad, nothing = classifier.classify(["服务热情,早餐丰富", "房间太脏", ""])
    assert (good.label, bad.label) == ("正面", "负面")
    assert sum(nothing.probabilities.values()) == pytest.approx(1, abs=1e-3)
    again = text_classify.run(
        config(reviews, start=tmp_path / "run" / "model", **{"train.epochs": 1, "train.lr": 1e-6}), tmp_path / "again"
    )
    assert again.best_metric == pytest.approx(result.best_metric, abs=0.07)


def test_cross_validation_gives_a_row_a_fold(reviews, tmp_path):
    result = text_classify.run(config(reviews, folds=2, **{"train.epochs": 1}), tmp_path / "folds")
    assert isinstance(result, Summary)
    assert len(result.folds) == 2 and set(result.folds[0]) == {"accuracy", "macro_f1"}
    assert (tmp_path / "folds" / "fold2" / "model" / "config.json").exists()
    assert "| 平均 |" in (tmp_path / "folds" / "report.md").read_text(encoding="utf-8")


def test_copies_of_a_text_are_one_and_extra_texts_that_begin_like_an_example_are_left_out():
    examples = [
        Labelled("这家酒店的房间非常干净,服务也很热情", "1"),
        Labelled("这家酒店的房间非常干净 服务也很热情!", "1"),
    ]
    assert len(text_classify.unique(examples)) == 1
    extra = [Labelled("这家酒店的房间非常干净,服务也很热", "1"), Labelled("手机很好", "1")]
    assert [each.text for each in text_classify._others(extra, examples)] == ["手机很好"]


def test_the_split_is_always_the_same():
    examples = [Labelled(str(n), "a") for n in range(50)]
    training, held_out = text_classify.split(examples)
    assert (training, held_out) == text_classify.split(examples)
    assert len(held_out) == 5 and not set(training) & set(held_out)
