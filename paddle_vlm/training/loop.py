"""The training loop that every task of the project shares."""

import dataclasses
import itertools
import json
import logging
import math
import random
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import paddle
from paddle import Tensor, nn
from tqdm import tqdm

from paddle_vlm import runtime
from paddle_vlm.errors import BadConfig, TrainingFailed
from paddle_vlm.training import checkpoint, distributed, logs
from paddle_vlm.training.config import TrainConfig
from paddle_vlm.training.optim import learning_rate, make_optimizer
from paddle_vlm.training.precision import Precision
from paddle_vlm.training.progress import Progress, differences
from paddle_vlm.training.regularize import MovingAverage, add_penalties

log = logging.getLogger(__name__)


class Task(Protocol):
    """What the loop needs to know about a task."""

    model: nn.Layer

    @property
    def steps_per_epoch(self) -> int:
        """Batches of this process in an epoch."""

    def batches(self, epoch: int) -> Iterable[Any]:
        """This process's batches of an epoch (see `batches.shuffled`): the same ones each time it is asked.

        Random numbers must come from a generator seeded with the run's seed and `epoch`, never from global state.
        """

    def loss(self, batch: Any) -> Tensor | tuple[Tensor, dict[str, float]]:
        """The mean loss of one batch, and figures to average over the epoch if there are any."""

    def evaluate(self, model: nn.Layer) -> dict[str, float]:
        """Validation metrics of `model`, which is in evaluation mode: the moving average if there is one."""


@dataclass
class FitResult:
    """How a run ended.

    Attributes:
        history: a row an epoch: epoch, lr, train_loss, train figures, validation metrics, seconds.
        best_metric: the best value of `TrainConfig.monitor`; None when the task has no metrics.
        best_epoch: from 1.
        weights: the best weights (`folder/best/model.safetensors`); load with `checkpoint.load_weights`.
        seconds: of training, evaluation included, over all parts of the run.
        stopped: why it ended, in Chinese.
    """

    history: list[logs.Row]
    best_metric: float | None
    best_epoch: int
    weights: Path
    seconds: float
    stopped: str


def prepare(config: TrainConfig) -> None:
    """Choose the device, join the other processes and seed: call this before the model is made."""
    device = runtime.device(config.device)
    if device == "gpu":
        paddle.set_device(f"gpu:{paddle.distributed.ParallelEnv().device_id}")
    else:
        paddle.set_device("cpu")
    distributed.start()
    runtime.seed_everything(config.seed)


def fit(task: Task, config: TrainConfig, folder: Path, settings: Mapping[str, Any] | None = None) -> FitResult:
    """Train `task.model` and leave log.csv, best/, last/ and curves in `folder`.

    A run that was stopped in any way goes on from `folder/last` and ends as if it had never stopped: the batches
    depend on seed and epoch alone, and every step draws its random numbers from (seed, epoch, step).

    Args:
        settings: the task's own settings, such as `dataclasses.asdict` of its Config; a run goes on with the same only.

    Raises:
        TrainingFailed: the loss is not finite (the batch is saved), or `folder` holds a run with other settings.
        BadConfig: `config.monitor` is not one of the task's metrics.
        OutputError: the disk is full or not writable; what was saved before is intact.
    """
    return _Run(task, config, folder, settings or {}).train()


class _Run:
    def __init__(self, task: Task, config: TrainConfig, folder: Path, settings: Mapping[str, Any]) -> None:
        self.task, self.config, self.folder = task, config, folder
        everything = {**settings, "train": dataclasses.asdict(config)}
        self.settings = json.loads(json.dumps(everything, default=str))  # as it will be read back
        self.model = task.model
        distributed.copy_from_first(self.model)
        self.optimizer = make_optimizer(config, self.model)
        self.average = MovingAverage(self.model, config.ema) if config.ema else None
        self.precision = Precision(config.amp)
        self.at = Progress()
        if config.resume:
            self._resume()
        self.updates_per_epoch = math.ceil(task.steps_per_epoch / config.accumulate)
        self.saved = time.monotonic()

    @property
    def state_file(self) -> Path:
        return self.folder / "last" / checkpoint.STATE

    @property
    def best_file(self) -> Path:
        return self.folder / "best" / checkpoint.WEIGHTS

    def train(self) -> FitResult:
        at, config = self.at, self.config
        curves = logs.Curves(self.folder / "visualdl", config.visualdl and distributed.is_first())
        try:
            while not (reason := self._reason_to_stop()):
                row = self._epoch()
                curves.add({k: v for k, v in row.items() if k != "epoch"}, at.epoch)
        finally:
            curves.close()
        distributed.wait()  # until the first has written what the others may want to read
        return FitResult(at.history, at.best_metric, at.best_epoch, self.best_file, at.seconds, reason)

    def _reason_to_stop(self) -> str:
        at, config = self.at, self.config
        if at.epoch >= config.epochs:
            return f"完成 {at.epoch} 轮"
        if config.early_stopping and at.evaluations_since_best >= config.early_stopping:
            return f"早停:连续 {at.evaluations_since_best} 次评估没有进步"
        if self._time_is_up():
            return f"到达时限 {config.time_limit_minutes:g} 分钟"
        return ""

    def _time_is_up(self) -> bool:
        limit = self.config.time_limit_minutes
        seconds = distributed.agree({"seconds": self.at.seconds})["seconds"] if limit else 0.0
        return limit is not None and seconds >= limit * 60

    def _epoch(self) -> logs.Row:
        """One epoch, or the rest of it: train, evaluate, save."""
        at, config = self.at, self.config
        self._train_epoch()
        steps = at.step
        row: logs.Row = {"epoch": at.epoch + 1, "lr": self._rate(max(0, self.updates_per_epoch - 1))}
        row |= {f"train_{name}": total / steps for name, total in at.sums.items()}
        last = at.epoch + 1 == config.epochs or self._time_is_up()
        if last or (at.epoch + 1) % config.eval_every == 0:
            row |= self._evaluate()
        row["seconds"] = round(at.epoch_seconds, 3)
        at.history.append(row)
        at.epoch, at.step, at.sums, at.epoch_seconds = at.epoch + 1, 0, {}, 0.0
        self._save()
        if distributed.is_first():
            logs.write_csv(self.folder / "log.csv", at.history)
            shown = "  ".join(f"{k} {v:.4g}" for k, v in row.items() if k not in ("epoch", "lr", "seconds"))
            log.info("第 %d/%d 轮  %s  (%.0f 秒)", at.epoch, config.epochs, shown, row["seconds"])
        return row

    def _train_epoch(self) -> None:
        at, config, steps = self.at, self.config, self.task.steps_per_epoch
        sums = defaultdict(float, at.sums)
        self.model.train()
        remaining = itertools.islice(self.task.batches(at.epoch), at.step, steps)
        bar = tqdm(
            remaining,
            desc=f"第 {at.epoch + 1}/{config.epochs} 轮",
            initial=at.step,
            total=steps,
            leave=False,
            unit="批",
            disable=None if distributed.is_first() else True,  # None: only on a terminal
        )
        last = time.monotonic()
        for batch in bar:
            for name, value in self._step(batch).items():
                sums[name] += value
            at.step += 1
            at.sums = dict(sums)
            now = time.monotonic()
            at.seconds, at.epoch_seconds, last = at.seconds + now - last, at.epoch_seconds + now - last, now
            bar.set_postfix_str(f"loss {sums['loss'] / at.step:.4f}", refresh=False)
            if self._between_updates():
                continue
            if now - self.saved >= config.save_minutes * 60:
                self._save()
            if self._time_is_up():
                break

    def _between_updates(self) -> bool:
        return self.at.step % self.config.accumulate != 0 and self.at.step < self.task.steps_per_epoch

    def _rate(self, update: int) -> float:
        """The learning rate of an update of the current epoch."""
        done = self.at.epoch * self.updates_per_epoch + update
        return learning_rate(self.config, done, self.config.epochs * self.updates_per_epoch)

    def _step(self, batch: Any) -> dict[str, float]:
        """Forward and backward for one batch, and an update when enough of them have come together."""
        at, config = self.at, self.config
        _seed(config.seed, at.epoch, at.step, distributed.rank())
        with self.precision.context():
            result = self.task.loss(batch)
        loss, figures = result if isinstance(result, tuple) else (result, {})
        value = float(loss)
        if not math.isfinite(value):
            self._give_up(batch, value)
        first = at.step - at.step % config.accumulate
        group = min(config.accumulate, self.task.steps_per_epoch - first)  # an epoch's last update may see fewer
        self.precision.backward(loss / group if group > 1 else loss)
        if at.step + 1 == first + group:
            self._update(self._rate(at.step // config.accumulate))
        return {"loss": value} | {name: float(figure) for name, figure in figures.items()}

    def _update(self, rate: float) -> None:
        config = self.config
        distributed.average_gradients(self.model.parameters())
        self.precision.unscale(self.optimizer)
        add_penalties(self.model, l1=config.l1, l2=0.0 if config.optimizer == "adamw" else config.weight_decay)
        self.optimizer.set_lr(rate)
        self.precision.step(self.optimizer)
        self.optimizer.clear_grad(set_to_zero=False)
        if self.average is not None:
            self.average.update(self.model)

    def _evaluate(self) -> dict[str, float]:
        at, config = self.at, self.config
        distributed.copy_from_first(self.model)  # the statistics of batch normalisation differ between processes
        model = self.model if self.average is None else self.average.model
        model.eval()
        with paddle.no_grad():
            started = time.monotonic()
            metrics = distributed.agree({k: float(v) for k, v in self.task.evaluate(model).items()})
            at.seconds += time.monotonic() - started
        if not metrics:
            return {}
        if config.monitor not in metrics:
            self._save()  # so that the epoch need not be trained again
            raise BadConfig(f"train.monitor={config.monitor} 不是此任务的指标。可用:{'、'.join(metrics)}。")
        value = metrics[config.monitor]
        sign = 1 if config.mode == "max" else -1
        if not math.isnan(value) and (at.best_metric is None or sign * value > sign * at.best_metric):
            at.best_metric, at.best_epoch, at.evaluations_since_best = value, at.epoch + 1, 0
            self._save_best(model, metrics)
        else:
            at.evaluations_since_best += 1
        return metrics

    def _save_best(self, model: nn.Layer, metrics: Mapping[str, float]) -> None:
        if distributed.is_first():
            notes = {"epoch": str(self.at.epoch + 1)} | {name: f"{value:.6g}" for name, value in metrics.items()}
            checkpoint.save_weights(model, self.best_file, notes)

    def _save(self) -> None:
        self.saved = time.monotonic()
        if not distributed.is_first():
            return
        average = None if self.average is None else self.average.model
        self.at.average_updates = 0 if self.average is None else self.average.updates
        self.at.scaler = self.precision.state()
        state = {"progress": dataclasses.asdict(self.at), "settings": self.settings}
        checkpoint.save(self.state_file, self.model, self.optimizer, average, state)
        if self.at.best_metric is None:  # no metric, so the latest weights are the best there are
            checkpoint.save_weights(average or self.model, self.best_file)

    def _resume(self) -> None:
        if not self.state_file.exists():
            return
        parts, state = checkpoint.load_state(self.state_file)
        changed = differences(state["settings"], self.settings)
        if changed:
            raise TrainingFailed(
                f"{self.folder} 里有一次设置不同的训练:{'、'.join(changed)}。"
                "请换一个输出目录,或恢复原设置,或用 -o train.resume=false 重新开始。"
            )
        self.at = Progress(**state["progress"])
        checkpoint.restore(parts, self.model, self.optimizer, self.average and self.average.model)
        if self.average is not None:
            self.average.updates = self.at.average_updates
        self.precision.restore(self.at.scaler)
        log.info("从 %s 继续:已完成 %d 轮又 %d 批。", self.state_file, self.at.epoch, self.at.step)

    def _give_up(self, batch: Any, value: float) -> None:
        path = self.folder / f"bad_batch_{distributed.rank()}.npz"
        logs.save_batch(batch, path)
        raise TrainingFailed(
            f"第 {self.at.epoch + 1} 轮第 {self.at.step + 1} 批的损失为 {value},训练已停止;该批数据存于 {path}。"
            "请检查数据,或降低 train.lr,或设置 train.clip_norm=1 与 train.warmup=0.05。"
        )


def _seed(*numbers: int) -> None:
    seed = int(np.random.SeedSequence(numbers).generate_state(1)[0])
    random.seed(seed)
    np.random.seed(seed)
    paddle.seed(seed)
