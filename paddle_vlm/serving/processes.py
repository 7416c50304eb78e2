"""The engine of the service: worker processes that are watched, replaced when they die, and swapped on reload."""

import asyncio
import dataclasses
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from paddle_vlm.errors import PaddleVLMError, TooLate, Unavailable
from paddle_vlm.inference.batching import Batcher
from paddle_vlm.serving.engine import Call, Item, Progress, make_batcher
from paddle_vlm.serving.settings import ServeSettings
from paddle_vlm.serving.workers import Worker, WorkerLost

log = logging.getLogger(__name__)

_HUNG = 10  # a batch that takes so many times the longest answer has hung
_LONGEST_PAUSE = 30.0  # seconds between two tries to start a worker
_AHEAD = 2  # batches that a worker has at a time: while it computes one, the next is gathered and sent
_IN_ONE_PIECE = {"index": 1}  # tasks of which no two may run at a time, whatever the number of workers


class ProcessEngine:
    """Queues and batches here, models in `settings.workers` processes.

    A batch whose worker dies is tried once more, its items one by one, so that a single one that kills workers cannot
    take others with it.

    Args:
        observe: told the task and the size of each batch.
    """

    def __init__(
        self, settings: ServeSettings, observe: Callable[[str, int], object] = lambda task, size: None
    ) -> None:
        self._settings, self._observe = settings, observe
        self._workers: list[Worker] = []
        self._batchers: dict[str, Batcher[Call, Any]] = {}
        self._chores: set[asyncio.Task[None]] = set()
        self._reloading = asyncio.Lock()
        self._restarts, self._stopping = 0, False

    @property
    def ready(self) -> bool:
        """Whether some worker has every model."""
        tasks = set(self._settings.tasks)
        return not self._stopping and any(tasks <= worker.loaded for worker in self._workers)

    async def start(self) -> None:
        """Start the workers and wait for their models. Raises MissingWeights; does nothing the second time."""
        if self._workers:
            return
        self._take_over(await self._start_all(self._settings))
        for task in self._settings.tasks:
            batching = self._settings.batching[task]
            ahead = _AHEAD if batching.max_batch > 1 else 1  # single items are long work, dropped if nobody waits
            slots = _IN_ONE_PIECE.get(task, ahead * self._settings.workers)
            run, observe = partial(self._run, task), partial(self._observe, task)
            self._batchers[task] = make_batcher(run, batching, slots, observe)

    async def stop(self) -> None:
        for batcher in self._batchers.values():
            await batcher.close()
        self._stopping = True
        for chore in self._chores:
            chore.cancel()
        await asyncio.gather(*(worker.stop() for worker in self._workers))

    def check(self, task: str) -> None:
        if self._stopping or task not in self._batchers:
            raise Unavailable("服务正在启动或停止。请稍后重试。", 2.0)
        self._batchers[task].check()

    async def submit(
        self, task: str, item: Item, seconds: float | None = None, progress: Progress | None = None
    ) -> Any:
        self.check(task)
        return await self._batchers[task].submit(Call(item, progress), seconds)

    async def reload(self, models: Mapping[str, str]) -> None:
        async with self._reloading:
            chosen = dataclasses.replace(self._settings.models, **models)
            settings = dataclasses.replace(self._settings, models=chosen)
            new = await self._start_all(settings)
            old, self._settings = self._workers, settings
            self._take_over(new)
            await asyncio.gather(*(worker.stop() for worker in old))

    def status(self) -> dict[str, Any]:
        return {
            "ready": self.ready,
            "workers": sum(bool(worker.loaded) for worker in self._workers),
            "restarts": self._restarts,
            "waiting": {task: batcher.waiting for task, batcher in self._batchers.items()},
            "pids": [worker.pid for worker in self._workers],
        }

    async def _start_all(self, settings: ServeSettings) -> list[Worker]:
        """As many workers as settings say, or none and an error."""
        workers: list[Worker] = []
        try:
            for number in range(settings.workers):
                workers.append(Worker(settings, number))
                await workers[-1].start()
                await workers[-1].wait_ready()
        except BaseException:
            await asyncio.gather(*(worker.stop(0.0) for worker in workers))
            raise
        return workers

    def _take_over(self, workers: list[Worker]) -> None:
        self._workers = workers
        for worker in workers:
            self._watch(worker)

    def _watch(self, worker: Worker) -> None:
        worker.on_lost = self._lost
        if worker.gone:
            self._lost(worker)

    async def _run(self, task: str, calls: Sequence[Call]) -> Sequence[Any]:
        try:
            return await self._try(task, calls)
        except WorkerLost:
            log.warning("a worker died over a batch of %d for %s", len(calls), task)
        return [outcome for call in calls for outcome in await self._again(task, call)]

    async def _again(self, task: str, call: Call) -> Sequence[Any]:
        try:
            return await self._try(task, [call])
        except WorkerLost:
            return [Unavailable("处理此请求的工作进程意外退出。请稍后重试;若反复出现,请检查这份输入。", 2.0)]
        except PaddleVLMError as error:
            return [error]

    async def _try(self, task: str, calls: Sequence[Call]) -> list[Any]:
        worker = await self._free_worker(task)
        patience = _HUNG * self._settings.limits.seconds
        try:
            return await asyncio.wait_for(worker.run(task, calls), patience)
        except asyncio.TimeoutError as error:
            log.error("worker %s hung over %s: ended", worker.pid, task)
            worker.kill()
            raise TooLate("处理超时,已中止。请减小图片或文本。") from error

    async def _free_worker(self, task: str) -> Worker:
        """The least busy worker that has the task's model; waits for one to come back."""
        until = time.monotonic() + self._settings.limits.seconds
        while True:
            able = [worker for worker in self._workers if task in worker.loaded]
            if able:
                return min(able, key=lambda worker: worker.busy)
            left = until - time.monotonic()
            if left <= 0 or self._stopping:
                raise Unavailable("工作进程正在恢复。请稍后重试。", 2.0)
            await asyncio.sleep(min(0.02, left))

    def _lost(self, worker: Worker) -> None:
        if self._stopping or worker not in self._workers:
            return
        self._restarts += 1
        log.error("worker process %s died; starting another", worker.pid)
        chore = asyncio.get_running_loop().create_task(self._replace(worker))
        self._chores.add(chore)
        chore.add_done_callback(self._chores.discard)

    async def _replace(self, dead: Worker) -> None:
        """Start workers in a dead one's place until one lives; it takes requests for each task whose model it has."""
        pause = 0.1
        while not self._stopping:
            new = Worker(self._settings, dead.number, warm=False)
            try:
                await new.start()
                if dead not in self._workers:  # a reload has brought others meanwhile
                    await new.stop(0.0)
                    return
                self._workers[self._workers.index(dead)] = dead = new
                await new.wait_ready()
                self._watch(new)
                return
            except (PaddleVLMError, OSError, EOFError) as error:
                log.error("worker cannot start: %s", error)
            await asyncio.sleep(pause)
            pause = min(_LONGEST_PAUSE, 2 * pause)
