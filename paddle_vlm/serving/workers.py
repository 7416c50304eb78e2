"""One worker process as the front sees it."""

import asyncio
import contextlib
import itertools
import logging
import multiprocessing
import os
import socket
from collections.abc import Callable, Sequence
from typing import Any

from paddle_vlm.errors import MissingWeights
from paddle_vlm.runtime import cores
from paddle_vlm.serving import worker
from paddle_vlm.serving.channel import pack, read_message
from paddle_vlm.serving.engine import Call
from paddle_vlm.serving.settings import ServeSettings

log = logging.getLogger(__name__)

_READ_BUFFER = 1 << 20


class WorkerLost(Exception):
    """The process ended before it had answered."""


class Worker:
    """Starts a process, sends it batches, and notices its end.

    Attributes:
        loaded: the tasks that it can do by now.
        gone: whether it has ended.
        on_lost: told when it ends without `stop`.

    With `warm` it prepares for every size of batch before it is ready; not where requests wait for it already.
    """

    def __init__(self, settings: ServeSettings, number: int, warm: bool = True) -> None:
        self.number, self.loaded, self.gone = number, set[str](), False
        self.on_lost: Callable[[Worker], None] | None = None
        self._settings, self._warm = settings, warm
        self._batches = itertools.count()
        self._answers: dict[int, asyncio.Future[list[Any]]] = {}
        self._calls: dict[int, Sequence[Call]] = {}
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._process: Any = None
        self._writer: asyncio.StreamWriter | None = None
        self._listener: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """Of the process."""
        return self._process.pid if self._process else None

    @property
    def busy(self) -> int:
        """Batches that it has not answered yet."""
        return len(self._answers)

    async def start(self) -> None:
        """Fork the process; returns before its models are loaded."""
        front, back = socket.socketpair()
        _set_threads(self._settings.workers)
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["paddle_vlm.serving.preload"])
        self._process = context.Process(
            target=worker.main, args=(back, self._settings, self.number, self._warm), daemon=True
        )
        try:
            await asyncio.to_thread(self._process.start)  # the first start waits for the fork server's imports
        finally:
            back.close()
        reader, self._writer = await asyncio.open_connection(sock=front, limit=_READ_BUFFER)
        self._listener = asyncio.get_running_loop().create_task(self._listen(reader))

    async def wait_ready(self) -> None:
        """Until every model is loaded and has been tried. Raises MissingWeights with the worker's reason."""
        await asyncio.shield(self._ready)

    async def run(self, task: str, calls: Sequence[Call]) -> list[Any]:
        """The outcomes of a batch. Raises WorkerLost."""
        if self._writer is None or self._writer.is_closing():
            raise WorkerLost
        number = next(self._batches)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        self._calls[number] = calls
        try:
            self._writer.write(pack((number, task, [call.item for call in calls])))
            with contextlib.suppress(ConnectionError):  # the listener notices it, too
                await self._writer.drain()
            return await answer
        finally:
            self._answers.pop(number, None)
            self._calls.pop(number, None)

    def kill(self) -> None:
        """End the process at once; those who wait get WorkerLost."""
        if self._process is not None:
            self._process.kill()

    async def stop(self, patience: float = 30.0) -> None:
        """Let it finish what it has begun, for so many seconds, then end it."""
        self.on_lost = None
        waiting = [answer for answer in self._answers.values() if not answer.done()]
        if waiting:
            await asyncio.wait(waiting, timeout=patience)
        if self._writer is not None:
            self._writer.close()  # upon which the process ends by itself
        if self._process is None:
            return
        await asyncio.to_thread(self._process.join, 2.0)
        if self._process.is_alive():
            self._process.kill()
            await asyncio.to_thread(self._process.join, 5.0)

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        reason = "工作进程意外退出"
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                batch, kind, content = await read_message(reader)
                if kind == "loaded":
                    self.loaded.add(content)
                elif kind == "ready":
                    self._ready.set_result(None)
                elif kind == "failed":
                    reason = content
                elif kind == "progress":
                    self._tell(batch, *content)
                elif batch in self._answers and not self._answers[batch].done():
                    self._answers[batch].set_result(content)
        self._lost(reason)

    def _tell(self, batch: int, number: int, event: Any) -> None:
        calls = self._calls.get(batch)
        progress = calls[number].progress if calls else None
        if progress is not None:
            progress(event)

    def _lost(self, reason: str) -> None:
        self.loaded.clear()
        self.gone = True
        if self._writer is not None:
            self._writer.close()
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(WorkerLost())
        if not self._ready.done():
            self._ready.set_exception(MissingWeights(reason))
            self._ready.exception()  # nobody may be waiting for it
        if self.on_lost is not None:
            self.on_lost(self)


def _set_threads(workers: int) -> None:
    """What OpenMP reads when it is loaded, in the fork server."""
    if workers > 1:
        os.environ["OMP_NUM_THREADS"] = str(max(1, cores() // workers))
    # Idle threads would spin for 0.2 s and take the core from the front: 287 classified pictures a second, 331 without.
    os.environ.setdefault("KMP_BLOCKTIME", "0")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
