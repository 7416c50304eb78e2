"""A worker process: holds the models, answers batches, each task in a thread of its own."""

import contextlib
import logging
import os
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Thread
from time import perf_counter
from typing import Any

from paddle_vlm.errors import PaddleVLMError
from paddle_vlm.serving.channel import Channel
from paddle_vlm.serving.engine import Handler, Item, run_guarded
from paddle_vlm.serving.logs import log_as_json
from paddle_vlm.serving.settings import ServeSettings

log = logging.getLogger(__name__)


def main(connection: socket.socket, settings: ServeSettings, number: int, warm: bool) -> None:
    """Serve until the front closes its end. Messages in: (batch, task, items); out: (batch, kind, content)."""
    # A terminal's Ctrl-C and a service manager's SIGTERM reach every process; the front decides when a worker ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    log_as_json()
    _take_cores(number, settings.workers)
    channel = Channel(connection)
    desk = _Desk(channel)
    receiver = Thread(target=desk.receive, daemon=True)
    receiver.start()
    try:
        from paddle_vlm.serving.handlers import loaders

        for task, load in loaders(settings):
            begun = perf_counter()
            handler = load()
            handler.probe()
            log.info("model loaded", extra={"event": {"task": task, "seconds": round(perf_counter() - begun, 2)}})
            desk.open(task, handler)
            channel.send((None, "loaded", task))
        if warm:
            desk.warm_up()
        channel.send((None, "ready", None))
    except PaddleVLMError as error:
        _say_why(channel, str(error))
        return
    except Exception as error:  # whatever a broken model makes the libraries do, the front must hear of it
        log.exception("worker cannot start")
        _say_why(channel, f"{type(error).__name__}: {error}")
        return
    receiver.join()


def _say_why(channel: Channel, reason: str) -> None:
    with contextlib.suppress(OSError):
        channel.send((None, "failed", reason))


def _take_cores(number: int, workers: int) -> None:
    """This worker's share of the processor; everything that asks for the number of cores sees it."""
    if workers == 1 or not hasattr(os, "sched_setaffinity"):
        return
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[number % len(cores) :: workers] or cores)


class _Desk:
    """Takes batches from the front and hands them to the threads of their tasks."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._handlers: dict[str, Handler] = {}
        self._threads: dict[str, ThreadPoolExecutor] = {}

    def open(self, task: str, handler: Handler) -> None:
        """Accept batches of a task."""
        self._threads[task] = ThreadPoolExecutor(1, thread_name_prefix=task)
        self._handlers[task] = handler

    def warm_up(self) -> None:
        """Try every handler thoroughly, each in its thread."""
        tries = [self._threads[task].submit(handler.probe, True) for task, handler in self._handlers.items()]
        for each in tries:
            each.result()

    def receive(self) -> None:
        """Until the front closes its end; then everything that was begun is finished."""
        with contextlib.suppress(EOFError, OSError):
            while True:
                batch, task, items = self._channel.receive()
                self._threads[task].submit(self._answer, batch, task, items)
        for thread in self._threads.values():
            thread.shutdown()

    def _answer(self, batch: int, task: str, items: list[Item]) -> None:
        outcomes = run_guarded(self._handlers[task], items, partial(self._tell, batch))
        with contextlib.suppress(OSError):  # the front is gone
            self._channel.send((batch, "done", outcomes))

    def _tell(self, batch: int, number: int, event: Any) -> None:
        with contextlib.suppress(OSError):
            self._channel.send((batch, "progress", (number, event)))
