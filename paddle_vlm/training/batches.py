"""Which examples form a batch, and preparing batches in the background."""

import contextlib
import queue
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

import numpy as np

from paddle_vlm.training import distributed

Item = TypeVar("Item")


def batch_count(examples: int, batch_size: int) -> int:
    """Batches of one process in an epoch; the last may be smaller."""
    return -(-examples // (batch_size * distributed.processes()))


def shuffled(examples: int, batch_size: int, seed: int, epoch: int) -> Iterator[np.ndarray]:
    """This process's batches of an epoch: int64 arrays of example numbers, each example once.

    The same seed and epoch give the same batches. With several processes, some examples come twice so that all have
    equally many batches.
    """
    order = np.random.default_rng([seed, epoch]).permutation(examples)
    processes = distributed.processes()
    if processes > 1:
        order = np.resize(order, -(-examples // processes) * processes)[distributed.rank() :: processes]
    for first in range(0, len(order), batch_size):
        yield order[first : first + batch_size]


def prefetch(items: Iterable[Item], ahead: int = 4) -> Iterator[Item]:
    """The same items, prepared by a thread up to `ahead` of their use. Its exceptions arrive here.

    A thread is enough: numpy, OpenCV and Paddle's operators release the interpreter lock while they work.
    """
    ready: queue.Queue[tuple[bool, object]] = queue.Queue(ahead)
    stopped = threading.Event()

    def offer(entry: tuple[bool, object]) -> None:
        while not stopped.is_set():
            with contextlib.suppress(queue.Full):
                ready.put(entry, timeout=0.1)
                return

    def work() -> None:
        try:
            for item in items:
                offer((True, item))
                if stopped.is_set():
                    return
            offer((False, None))
        except BaseException as error:  # noqa: BLE001 - raised again in the consumer's thread
            offer((False, error))

    threading.Thread(target=work, daemon=True, name="prefetch").start()
    try:
        while True:
            more, value = ready.get()
            if more:
                yield value  # type: ignore[misc]
            elif isinstance(value, BaseException):
                raise value
            else:
                return
    finally:
        stopped.set()
