"""What every training run can be told, whatever its task."""

from dataclasses import dataclass
from typing import Literal


@dataclass
class TrainConfig:
    """Settings of `training.loop.fit`. A rejected value raises ValueError, which `load_config` turns into BadConfig."""

    seed: int = 0
    device: str = "auto"  # auto, cpu or gpu
    epochs: int = 10
    batch_size: int = 32  # of each process; an update sees batch_size x accumulate x processes examples
    accumulate: int = 1  # batches an update
    time_limit_minutes: float | None = None  # of training, resumed parts included; then it ends as if finished

    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    lr: float = 1e-3  # the highest of the schedule
    schedule: Literal["constant", "linear", "cosine", "one_cycle"] = "constant"
    warmup: float = 0.0  # updates with a rising learning rate: from 1 their number, below 1 their share of all
    momentum: float = 0.9  # of sgd (Nesterov)
    betas: tuple[float, float] = (0.9, 0.999)  # of adam and adamw
    clip_norm: float | None = None  # longest gradient, all parameters together
    amp: bool = True  # mixed precision, where the device has it (GPU)

    weight_decay: float = 0.0  # L2; with adamw decoupled from the gradient. Biases and norms are left out
    l1: float = 0.0  # the same for sum |w|
    label_smoothing: float = 0.0
    ema: float = 0.0  # e.g. 0.999: evaluate and keep an exponential moving average of the weights; 0 is off
    early_stopping: int | None = None  # evaluations without a new best that are waited for

    monitor: str = "accuracy"  # the metric of `Task.evaluate` that chooses the best checkpoint
    mode: Literal["max", "min"] = "max"
    eval_every: int = 1  # epochs between evaluations; the last epoch is always evaluated
    resume: bool = True  # go on with what `folder/last` holds
    save_minutes: float = 10.0  # save within a long epoch as well, this often
    visualdl: bool = True  # curves for VisualDL in `folder/visualdl`, where it is installed

    def __post_init__(self) -> None:
        at_least_one = {"epochs": self.epochs, "batch_size": self.batch_size, "accumulate": self.accumulate}
        for name, value in (at_least_one | {"eval_every": self.eval_every}).items():
            if value < 1:
                raise ValueError(f"{name} 至少为 1,不能是 {value}。")
        shares = {"label_smoothing": self.label_smoothing, "ema": self.ema, "momentum": self.momentum}
        for name, share in shares.items():
            if not 0 <= share < 1:
                raise ValueError(f"{name} 应在 0 到 1 之间(不含 1),不能是 {share}。")
        for name, number in {"weight_decay": self.weight_decay, "l1": self.l1, "warmup": self.warmup}.items():
            if number < 0:
                raise ValueError(f"{name} 不能是负数({number})。")
        positive = {"lr": self.lr, "clip_norm": self.clip_norm, "time_limit_minutes": self.time_limit_minutes}
        for name, limit in (positive | {"early_stopping": self.early_stopping}).items():
            if limit is not None and not limit > 0:
                raise ValueError(f"{name} 应大于 0,不能是 {limit}。")
        if self.device not in ("auto", "cpu", "gpu"):
            raise ValueError(f"device 不能是 {self.device}。可用:auto、cpu、gpu。")
