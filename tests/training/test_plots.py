"""The pictures of a report hold what they should, in Chinese."""

import sys

import numpy as np
import pytest
from PIL import Image

from paddle_vlm.errors import MissingDependency
from paddle_vlm.training.plots import confusion_matrix, learning_curves

pytest.importorskip("matplotlib")
HISTORY = [{"epoch": e, "lr": 1, "train_loss": 1 / e, "valid_loss": 2 / e, "accuracy": 0.1 * e} for e in (1, 2, 3)]


def test_every_metric_has_a_panel(tmp_path):
    learning_curves(HISTORY, tmp_path / "two.png")
    learning_curves([{k: row[k] for k in ("epoch", "accuracy")} for row in HISTORY], tmp_path / "one.png")
    two, one = (Image.open(tmp_path / f"{name}.png") for name in ("two", "one"))
    assert two.width == 2 * one.width


def test_chinese_labels_are_drawn_with_a_font_that_has_them(tmp_path, recwarn):
    confusion_matrix(np.array([[3, 1], [0, 4]]), ["红苹果", "轮船"], tmp_path / "zh.png")
    assert not [w for w in recwarn if "missing from font" in str(w.message)]
    confusion_matrix(np.array([[3, 1], [0, 4]]), ["黑葡萄", "火车"], tmp_path / "other.png")
    pixels = [np.asarray(Image.open(tmp_path / name).convert("L"), int) for name in ("zh.png", "other.png")]
    assert pixels[0].shape != pixels[1].shape or np.abs(pixels[0] - pixels[1]).max() > 100  # no rows of equal boxes


def test_the_global_style_of_matplotlib_is_left_alone(tmp_path):
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    learning_curves(HISTORY, tmp_path / "a.png")
    assert dict(mpl.rcParams) == before


def test_without_matplotlib_the_remedy_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingDependency, match=r"pip install -e '.\[train\]'"):
        learning_curves(HISTORY, tmp_path / "a.png")
    assert not list(tmp_path.iterdir())
