"""Several predictors of one exported program: as many calls at once, a bounded number waiting, the rest refused."""

import contextlib
import queue
from collections.abc import Iterator
from pathlib import Path
from threading import Semaphore

import numpy as np

from paddle_vlm import runtime
from paddle_vlm.errors import Busy, UsageError
from paddle_vlm.inference.predictor import Gpu, Predictor


class PredictorPool:
    """Predictors that share their weights; each call has one for itself. Safe to call from any number of threads.

    Args:
        folder: what `export` wrote.
        size: calls that run at once.
        waiting: calls that may wait for these; one more is refused at once.
        timeout: seconds that a call waits at most.
        device: "auto", "cpu" or "gpu".
        threads: of one call; the cores are shared out unless given.
        onednn: as for `Predictor`.
        gpu: as for `Predictor`.

    Raises MissingWeights, and UsageError for a size below 1.
    """

    def __init__(
        self, folder: str | Path, size: int = 2, *, waiting: int = 16, timeout: float = 30.0, device: str = "auto",
        threads: int | None = None, onednn: bool = True, gpu: Gpu | None = None,
    ) -> None:  # fmt: skip
        if size < 1 or waiting < 0:
            raise UsageError(f"预测器个数应至少为 1、排队上限不能为负,而不是 {size} 和 {waiting}。")
        first = Predictor(folder, device, threads or max(1, runtime.cores() // size), onednn, gpu)
        self._free: queue.LifoQueue[Predictor] = queue.LifoQueue()  # the last one used has the warmest caches
        for predictor in (first, *(first.clone() for _ in range(size - 1))):
            self._free.put(predictor)
        self._admitted = Semaphore(size + waiting)
        self._waiting, self._timeout = waiting, timeout

    @contextlib.contextmanager
    def borrow(self) -> Iterator[Predictor]:
        """`with pool.borrow() as predictor:` has one until the block ends. Raises Busy."""
        if not self._admitted.acquire(blocking=False):
            raise Busy(f"已有 {self._waiting} 个请求在排队。请稍后再试。")
        try:
            try:
                predictor = self._free.get(timeout=self._timeout)
            except queue.Empty as error:
                raise Busy(f"排队超过 {self._timeout:g} 秒仍未轮到。请稍后再试。") from error
            try:
                yield predictor
            finally:
                self._free.put(predictor)
        finally:
            self._admitted.release()

    def run(self, *arrays: np.ndarray) -> list[np.ndarray]:
        """The outputs for one array an input, in the order of the exported layer's arguments. Raises Busy."""
        with self.borrow() as predictor:
            return predictor.run(*arrays)
