"""Where a run stands, and whether it may go on with other settings."""

from dataclasses import dataclass, field
from typing import Any

from paddle_vlm.training.logs import Row

# Settings that may change between the parts of an interrupted run.
_FREE = {"epochs", "time_limit_minutes", "early_stopping", "eval_every", "monitor", "mode"}
_FREE |= {"resume", "save_minutes", "visualdl", "device"}


@dataclass
class Progress:
    """Where a run stands; all of it is stored as JSON."""

    epoch: int = 0  # whole epochs done
    step: int = 0  # batches done in the current one
    sums: dict[str, float] = field(default_factory=dict)  # of loss and figures over the current epoch
    epoch_seconds: float = 0.0
    seconds: float = 0.0
    history: list[Row] = field(default_factory=list)
    best_metric: float | None = None
    best_epoch: int = 0
    evaluations_since_best: int = 0
    average_updates: int = 0
    scaler: dict[str, Any] = field(default_factory=dict)


def differences(old: Any, new: Any, name: str = "") -> list[str]:
    """What keeps a run with settings `new` from going on where one with `old` stopped."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = [key for key in {**old, **new} if key not in _FREE]
        return [d for key in keys for d in differences(old.get(key), new.get(key), f"{name}.{key}".lstrip("."))]
    return [] if old == new else [f"{name} 原为 {old},现为 {new}"]
