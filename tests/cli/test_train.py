"""`train` and `tools/eval.py` as a user meets them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from paddle_vlm.cli import evaluate, main
from paddle_vlm.training.tasks import load_task

ROOT = Path(__file__).resolve().parents[2]
pytest.importorskip("emoji")
FAST = ["-o", "train.epochs=1", "-o", "train.visualdl=false", "-o", "train.device=cpu"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "quick"
    command = [sys.executable, "tools/train.py", "-c", "configs/classify/quickstart.yaml", *FAST, "--out", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "测试集准确率" in done.stderr
    return folder


def test_the_quickstart_trains_and_is_evaluated_from_the_command_line(trained, tmp_path, capsys):
    config = str(ROOT / "configs/classify/quickstart.yaml")
    assert (
        evaluate.main(["classify", "--config", config, "--weights", str(trained), "--json", f"{tmp_path}/o.json"]) == 0
    )
    figures = json.loads((tmp_path / "o.json").read_text(encoding="utf-8"))
    assert 0 < figures["accuracy"] <= 1
    assert json.loads(capsys.readouterr().out) == figures


def test_a_finished_run_is_not_trained_again(trained, capsys, caplog):
    before = (trained / "best/model.safetensors").stat().st_mtime_ns
    assert main(["train", "-c", str(trained / "config.yaml"), "--out", str(trained)]) == 0
    assert (trained / "best/model.safetensors").stat().st_mtime_ns == before


@pytest.mark.parametrize(("arguments", "message"), [
    (["-c", "none.yaml"], "找不到配置文件"), (["-c", "{quick}", "-o", "train.epoch=1"], "是否想写 epochs"),
    (["-c", "{quick}", "-o", "data.name=folder", "-o", "data.folder=/none"], "它不存在"),
])  # fmt: skip
def test_mistakes_end_with_a_message_and_code_1(arguments, message, tmp_path, caplog):
    filled = [argument.format(quick=ROOT / "configs/classify/quickstart.yaml") for argument in arguments]
    assert main(["train", *filled, "--out", str(tmp_path / "o")]) == 1
    assert message in caplog.text


def test_evaluation_lists_its_tasks_in_chinese(capsys):
    assert evaluate.main(["--help"]) == 0
    assert "classify" in capsys.readouterr().out
    assert evaluate.main(["clasify"]) == 2
    assert "是否想写 classify" in capsys.readouterr().err


TRAININGS = sorted(file for file in (ROOT / "configs").rglob("*.yaml") if file.parent.name not in ("export", "serve"))


@pytest.mark.parametrize("file", TRAININGS, ids=lambda file: file.stem)
def test_every_training_config_is_valid(file):
    load_task(file)
