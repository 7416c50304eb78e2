"""What a run writes while it trains: one CSV row an epoch, and curves for VisualDL."""

import csv
import dataclasses
import io
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from paddle import Tensor

from paddle_vlm.errors import OutputError
from paddle_vlm.files import write_whole

log = logging.getLogger(__name__)

Row = dict[str, float]


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all. Raises OutputError."""
    write_whole(path, text.encode())


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """The history as a table; an epoch without evaluation leaves its cells empty. Raises OutputError."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


class Curves:
    """Scalars for `visualdl --logdir`; nothing where VisualDL is not installed or not wanted."""

    def __init__(self, folder: Path, wanted: bool) -> None:
        self._writer = None
        if not wanted:
            return
        try:
            from visualdl import LogWriter
        except ImportError:
            log.info("没有安装 VisualDL,只写 CSV 日志。需要曲线时运行:pip install -e '.[train]'")
            return
        self._writer = LogWriter(logdir=str(folder))

    def add(self, values: Mapping[str, float], step: int) -> None:
        """One point of each curve."""
        if self._writer is None:
            return
        now = int(time.time())  # VisualDL 2.5 with a current protobuf refuses fractions
        for name, value in values.items():
            self._writer.add_scalar(tag=name, value=float(value), step=step, walltime=now)

    def close(self) -> None:
        """Flush to disk."""
        if self._writer is not None:
            self._writer.close()


def save_batch(batch: Any, path: Path) -> None:
    """The arrays and tensors inside a batch as .npz, named by their place in it. Raises OutputError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, **_flat(batch, "batch"))  # type: ignore[arg-type]
    except OSError as error:
        raise OutputError(f"无法写入 {path}:{error.strerror or error}。请检查剩余空间和写权限。") from error


def _flat(batch: Any, name: str) -> dict[str, np.ndarray]:
    """The arrays and tensors inside a batch, named by their place in it."""
    if isinstance(batch, Tensor):
        return {name: batch.numpy()}
    if isinstance(batch, np.ndarray | int | float | str):
        return {name: np.asarray(batch)}
    if dataclasses.is_dataclass(batch) and not isinstance(batch, type):
        batch = {each.name: getattr(batch, each.name) for each in dataclasses.fields(batch)}
    elif isinstance(batch, list | tuple):
        batch = dict(enumerate(batch))
    if not isinstance(batch, Mapping):
        return {name: np.asarray(str(batch))}
    return {k: v for key, item in batch.items() for k, v in _flat(item, f"{name}.{key}").items()}
