"""From class folders to a trained classifier, its report and its evaluation."""

import json

import numpy as np
import pytest
from PIL import Image

from paddle_vlm.config import load_config
from paddle_vlm.errors import BadConfig, BadData
from paddle_vlm.models.classifier import ImageClassifier
from paddle_vlm.training.classify import Config, evaluate_weights, run

SMALL = ["train.visualdl=false", "train.device=cpu", "data.name=folder", "data.size=20"]
SMALL += ["model.options.channels=[8,8,8]", "model.options.hidden=16"]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Three classes of stripes and dots, easily told apart; one picture is broken."""
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    wave = (np.arange(20) % 4 < 2) * 200
    for name, pattern in {"横纹": wave[:, None], "竖纹": wave[None], "空白": np.zeros((1, 1))}.items():
        (folder / name).mkdir()
        for number in range(20):
            noise = rng.integers(0, 55, (20, 20, 3))
            Image.fromarray((noise + pattern[..., None]).astype(np.uint8)).save(folder / name / f"{number}.png")
    (folder / "空白" / "坏.jpg").write_bytes(b"\xff\xd8 broken")
    return folder


def configured(pictures, *overrides: str) -> Config:
    return load_config(Config, overrides=[*SMALL, f"data.folder={pictures}", *overrides])


@pytest.fixture(scope="module")
def trained(pictures, tmp_path_factory):
    """A run with everything on, its folder and final metrics."""
    folder = tmp_path_factory.mktemp("run")
    overrides = ["train.epochs=15", "train.batch_size=8", "train.lr=0.01", "train.ema=0.8", "train.label_smoothing=0.1"]
    overrides += ["augment.flip=true", "augment.mixup=0.2", "model.options.dropout=0.1", "train.l1=1e-5"]
    return folder, run(configured(pictures, *overrides), folder)


def test_it_learns_and_leaves_a_report_pictures_and_a_model(trained):
    folder, final = trained
    assert final["accuracy"] == 1.0
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert "坏.jpg" in text and "横纹" in text and "准确率 **1.0000**" in text
    for name in ("curves.png", "confusion_valid.png"):
        assert f"({name})" in text
        assert (folder / name).stat().st_size > 1000


def test_the_model_folder_classifies(trained, pictures):
    folder, _ = trained
    model = ImageClassifier.load(folder / "model")
    picture = np.asarray(Image.open(pictures / "竖纹" / "3.png"))
    assert model.config.names[model.probabilities(picture[None])[0].argmax()] == "竖纹"


@pytest.mark.parametrize("weights", ["", "model", "best/model.safetensors"])
def test_evaluation_finds_the_model_wherever_it_is_pointed_to(trained, pictures, weights):
    folder, _ = trained
    found = evaluate_weights(configured(pictures), folder / weights, pictures)
    assert found["accuracy"] > 0.95
    assert found["images"] == 60
    json.dumps(found)


def test_evaluation_refuses_foreign_classes_and_a_set_without_test_part(trained, pictures, tmp_path):
    folder, _ = trained
    with pytest.raises(BadData, match="没有测试部分"):
        evaluate_weights(configured(pictures), folder, None)
    (tmp_path / "圆").mkdir()
    Image.new("RGB", (20, 20)).save(tmp_path / "圆" / "1.png")
    with pytest.raises(BadData, match="类别 圆 不在训练用的类别之中"):
        evaluate_weights(configured(pictures), folder, tmp_path)


def test_cross_validation_reports_every_fold_and_the_mean(pictures, tmp_path):
    final = run(configured(pictures, "crossval.folds=3", "train.epochs=1"), tmp_path)
    assert set(final) >= {"accuracy", "accuracy_std"}
    rows = (tmp_path / "report.md").read_text(encoding="utf-8").split("## 交叉验证")[1].split("##")[0]
    assert [f"| {label} |" in rows for label in (1, 2, 3, "平均", "标准差")] == [True] * 5
    assert (tmp_path / "fold3/best/model.safetensors").exists()


def test_an_unknown_network_is_named(pictures, tmp_path):
    with pytest.raises(BadConfig, match="没有叫 resnet 的网络。可用:article"):
        run(configured(pictures, "model.name=resnet"), tmp_path)
