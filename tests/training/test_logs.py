"""CSV, curves and the saved batch."""

import logging
import sys
from dataclasses import dataclass

import numpy as np
import paddle
import pytest

from paddle_vlm.errors import OutputError
from paddle_vlm.training.logs import Curves, save_batch, write_csv, write_text


def test_the_table_has_a_column_for_all_that_any_epoch_measured(tmp_path):
    write_csv(tmp_path / "log.csv", [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25, "accuracy": 1.0}])
    assert (tmp_path / "log.csv").read_text() == "epoch,loss,accuracy\n1,0.5,\n2,0.25,1.0\n"


def test_visualdl_reads_the_curves_back(tmp_path):
    reader_module = pytest.importorskip("visualdl")
    curves = Curves(tmp_path, wanted=True)
    for step in range(3):
        curves.add({"loss": 1 / (step + 1)}, step)
    curves.close()
    record = next(tmp_path.glob("vdlrecords*"))
    points = reader_module.LogReader(file_path=str(record)).get_data("scalar", "loss")
    assert [point.value for point in points] == pytest.approx([1, 1 / 2, 1 / 3])


def test_without_visualdl_training_goes_on_and_says_how_to_get_it(tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "visualdl", None)
    with caplog.at_level(logging.INFO):
        curves = Curves(tmp_path / "none", wanted=True)
        curves.add({"loss": 1.0}, 0)
        curves.close()
    assert "pip install" in caplog.text
    assert not (tmp_path / "none").exists()


@dataclass
class Pair:
    image: paddle.Tensor
    text: str


def test_any_batch_can_be_saved(tmp_path):
    save_batch([{"x": np.arange(3)}, Pair(paddle.ones([2]), "字"), 7, object], tmp_path / "b.npz")
    with np.load(tmp_path / "b.npz") as saved:
        assert saved["batch.0.x"].tolist() == [0, 1, 2]
        assert saved["batch.1.image"].tolist() == [1, 1]
        assert saved["batch.1.text"] == "字"
        assert saved["batch.2"] == 7


def test_a_full_disk_leaves_the_old_text(tmp_path, full_disk):
    write_text(tmp_path / "a.md", "旧")
    with full_disk(10), pytest.raises(OutputError, match="剩余空间"):
        write_text(tmp_path / "a.md", "新" * 1000)
    assert (tmp_path / "a.md").read_text(encoding="utf-8") == "旧"
    assert len(list(tmp_path.iterdir())) == 1
