"""The loop: exact resume, stopping, saving, several processes."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import paddle
import pytest

from paddle_vlm.errors import BadConfig, OutputError, TrainingFailed
from paddle_vlm.models.weights_file import read_tensors
from paddle_vlm.training import loop
from paddle_vlm.training.config import TrainConfig

TOY = Path(__file__).parent / "toy_task.py"
# everything that has a state of its own
ALL = {"ema": 0.9, "accumulate": 2, "clip_norm": 1.0, "weight_decay": 0.01, "label_smoothing": 0.1, "warmup": 0.2}


def without_seconds(history):
    return [{name: value for name, value in row.items() if name != "seconds"} for row in history]


def killed(folder: Path, **options) -> None:
    arguments = [f"{name}={value}" for name, value in options.items()]
    done = subprocess.run([sys.executable, str(TOY), str(folder), *arguments], capture_output=True, text=True)
    assert done.returncode == -9, done.stderr


@pytest.mark.parametrize("save_minutes", [10, 0])
def test_a_run_killed_in_the_middle_of_an_epoch_ends_as_an_uninterrupted_one(toy, tmp_path, caplog, save_minutes):
    whole = toy.train(tmp_path / "whole", **ALL)
    killed(tmp_path / "parts", die_at="2,5", save_minutes=save_minutes, **ALL)
    with caplog.at_level(logging.INFO):
        resumed = toy.train(tmp_path / "parts", save_minutes=save_minutes, **ALL)
    assert f"已完成 1 轮又 {0 if save_minutes else 4} 批" in caplog.text
    assert without_seconds(resumed.history) == without_seconds(whole.history)
    for name in ("best/model.safetensors", "last/state.safetensors"):
        ours, _ = read_tensors(tmp_path / "whole" / name)
        theirs, _ = read_tensors(tmp_path / "parts" / name)
        assert ours.keys() == theirs.keys()
        assert all(np.array_equal(value, theirs[key]) for key, value in ours.items())


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_every_optimizer_goes_on_exactly_and_learns(toy, tmp_path, optimizer):
    settings = {"optimizer": optimizer, "lr": 0.03, "schedule": "constant"}
    whole = toy.train(tmp_path / "whole", epochs=6, **settings)
    toy.train(tmp_path / "parts", epochs=2, **settings)
    resumed = toy.train(tmp_path / "parts", epochs=6, **settings)
    assert without_seconds(resumed.history) == without_seconds(whole.history)
    assert whole.best_metric > 0.75


def test_the_seed_decides_everything(toy, tmp_path):
    first, again, other = (toy.train(tmp_path / str(i), seed=seed, epochs=1) for i, seed in enumerate([1, 1, 2]))
    assert without_seconds(first.history) == without_seconds(again.history) != without_seconds(other.history)


def test_accumulated_batches_update_like_one_large_batch(toy, tmp_path):
    settings = {"plain": True, "optimizer": "sgd", "momentum": 0.0, "lr": 0.1, "epochs": 2, "schedule": "constant"}
    toy.train(tmp_path / "large", batch_size=45, **settings)
    toy.train(tmp_path / "small", batch_size=15, accumulate=3, **settings)
    large, _ = read_tensors(tmp_path / "large/best/model.safetensors")
    small, _ = read_tensors(tmp_path / "small/best/model.safetensors")
    assert all(np.allclose(large[name], small[name], atol=1e-5) for name in large)


def test_two_processes_train_the_same_model_as_one_with_twice_the_batch(toy, tmp_path):
    settings = {"plain": True, "optimizer": "sgd", "lr": 0.1}
    alone = toy.train(tmp_path / "one", batch_size=30, **settings)
    launch = [sys.executable, "-m", "paddle.distributed.launch", "--nproc_per_node=2", f"--log_dir={tmp_path / 'logs'}"]
    command = [*launch, str(TOY), str(tmp_path / "two"), "plain=yes", "batch_size=15", "lr=0.1", "optimizer=sgd"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    one, _ = read_tensors(tmp_path / "one/last/state.safetensors")
    two, _ = read_tensors(tmp_path / "two/last/state.safetensors")
    assert one.keys() == two.keys()
    assert all(np.allclose(value, two[name], atol=1e-5) for name, value in one.items())
    assert len((tmp_path / "two/log.csv").read_text().splitlines()) == 1 + len(alone.history)


def test_early_stopping_ends_a_run_that_makes_no_progress(toy, tmp_path):
    result = toy.train(tmp_path, epochs=50, lr=1e-9, early_stopping=2)
    assert len(result.history) == 3
    assert result.best_epoch == 1
    assert "早停" in result.stopped


def test_the_time_limit_ends_a_run_with_an_evaluation(toy, tmp_path):
    result = toy.train(tmp_path, epochs=10_000, time_limit_minutes=1e-9, eval_every=100)
    assert len(result.history) == 1
    assert "accuracy" in result.history[0]
    assert "时限" in result.stopped


def test_the_best_weights_are_kept_and_not_the_last(toy, tmp_path):
    result = toy.train(tmp_path, epochs=4, lr=0.05, monitor="accuracy", mode="min")
    assert result.best_metric == min(row["accuracy"] for row in result.history)
    model = toy.ToyTask(TrainConfig()).model
    loop.checkpoint.load_weights(model, result.weights)
    model.eval()
    assert toy.ToyTask(TrainConfig()).evaluate(model)["accuracy"] == pytest.approx(result.best_metric)
    assert loop.checkpoint.read_notes(result.weights)["epoch"] == str(result.best_epoch)


def test_a_task_without_metrics_keeps_its_latest_weights(toy, tmp_path, monkeypatch):
    monkeypatch.setattr(toy.ToyTask, "evaluate", lambda self, model: {})
    result = toy.train(tmp_path, epochs=2)
    assert result.best_metric is None
    best, _ = read_tensors(result.weights)
    last, _ = read_tensors(tmp_path / "last/state.safetensors")
    assert all(np.array_equal(value, last[f"model/{name}"]) for name, value in best.items())


def test_a_loss_that_is_no_number_stops_the_run_and_saves_the_batch(toy, tmp_path):
    with pytest.raises(TrainingFailed, match=r"第 1 轮第 \d 批的损失为 (nan|inf).*bad_batch_0.npz.*train.lr"):
        toy.train(tmp_path, optimizer="sgd", lr=1e30)
    with np.load(tmp_path / "bad_batch_0.npz") as saved:
        assert saved["batch.0"].shape == (16, 8)
        assert saved["batch.1"].shape == (16,)
    assert not (tmp_path / "last").exists()


def test_another_runs_folder_is_refused_and_named(toy, tmp_path):
    toy.train(tmp_path, epochs=1, lr=0.01)
    with pytest.raises(TrainingFailed, match="train.lr 原为 0.01,现为 0.02.*train.resume=false"):
        toy.train(tmp_path, epochs=1, lr=0.02)
    assert len(toy.train(tmp_path, epochs=1, lr=0.02, resume=False).history) == 1


def test_an_unknown_metric_is_named_and_no_epoch_is_lost(toy, tmp_path, caplog):
    with pytest.raises(BadConfig, match="train.monitor=f1.*accuracy"):
        toy.train(tmp_path, monitor="f1", epochs=1)
    with caplog.at_level(logging.INFO):
        toy.train(tmp_path, monitor="accuracy", epochs=1)
    assert "已完成 0 轮又 6 批" in caplog.text


def test_a_full_disk_is_explained_and_what_was_saved_stays(toy, tmp_path, full_disk):
    toy.train(tmp_path, epochs=1)
    before = (tmp_path / "last/state.safetensors").read_bytes()
    with full_disk(600), pytest.raises(OutputError, match="剩余空间"):
        toy.train(tmp_path, epochs=2)
    assert (tmp_path / "last/state.safetensors").read_bytes() == before
    assert [path.name for path in (tmp_path / "last").iterdir()] == ["state.safetensors"]
    assert len(toy.train(tmp_path, epochs=2).history) == 2


def test_the_moving_average_is_what_is_evaluated_and_kept(toy, tmp_path):
    toy.train(tmp_path, epochs=1, ema=0.5)
    best, _ = read_tensors(tmp_path / "best/model.safetensors")
    last, _ = read_tensors(tmp_path / "last/state.safetensors")
    assert all(np.array_equal(value, last[f"average/{name}"]) for name, value in best.items())
    assert not np.array_equal(best["0.weight"], last["model/0.weight"])


def test_preparing_twice_gives_the_same_random_numbers():
    drawn = []
    for _ in range(2):
        loop.prepare(TrainConfig(seed=3, device="cpu"))
        drawn.append((np.random.rand(), paddle.rand([1]).item()))
    assert drawn[0] == drawn[1]
