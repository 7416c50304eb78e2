"""A small task for the loop's tests; a script that trains, too: python toy_task.py FOLDER [epochs=3] [die_at=2,5]."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import paddle
import yaml
from paddle import nn

import paddle_vlm  # noqa: F401 - sets threads before paddle is used
from paddle_vlm.training import batches
from paddle_vlm.training.config import TrainConfig
from paddle_vlm.training.loop import FitResult, fit, prepare
from paddle_vlm.training.regularize import cross_entropy

EXAMPLES = 90


class ToyTask:
    """Three classes of points in 8 dimensions; the network has dropout and batch normalisation unless `plain`."""

    def __init__(self, config: TrainConfig, plain: bool = False, die_at: tuple[int, int] | None = None) -> None:
        self.config, self.die_at = config, die_at
        rng = np.random.default_rng(0)
        self.x = rng.normal(size=(EXAMPLES, 8)).astype(np.float32)
        self.y = (self.x @ rng.normal(size=(8, 3))).argmax(1)
        between = [] if plain else [nn.BatchNorm1D(16), nn.Dropout(0.3)]
        self.model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), *between, nn.Linear(16, 3))

    @property
    def steps_per_epoch(self) -> int:
        return batches.batch_count(EXAMPLES, self.config.batch_size)

    def batches(self, epoch: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for step, chosen in enumerate(batches.shuffled(EXAMPLES, self.config.batch_size, self.config.seed, epoch)):
            if self.die_at == (epoch + 1, step + 1):
                os.kill(os.getpid(), signal.SIGKILL)
            yield self.x[chosen], self.y[chosen]

    def loss(self, batch):
        x, y = (paddle.to_tensor(part) for part in batch)
        logits = self.model(x)
        hits = float((logits.argmax(-1) == y).astype("float32").mean())
        return cross_entropy(logits, y, self.config.label_smoothing), {"accuracy": hits}

    def evaluate(self, model: nn.Layer) -> dict[str, float]:
        return {"accuracy": float((model(paddle.to_tensor(self.x)).numpy().argmax(1) == self.y).mean())}


def train(folder: Path, plain: bool = False, die_at: tuple[int, int] | None = None, **settings) -> FitResult:
    """One run of the toy task."""
    config = TrainConfig(**{"epochs": 3, "batch_size": 16, "visualdl": False, "device": "cpu"} | settings)
    prepare(config)
    return fit(ToyTask(config, plain, die_at), config, folder)


def main() -> None:
    options = dict(argument.split("=") for argument in sys.argv[2:])
    die_at = tuple(map(int, options.pop("die_at").split(","))) if "die_at" in options else None
    plain = options.pop("plain", "") == "yes"
    train(Path(sys.argv[1]), plain, die_at, **{name: yaml.safe_load(value) for name, value in options.items()})


if __name__ == "__main__":
    main()
