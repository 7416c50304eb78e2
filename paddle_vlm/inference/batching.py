"""Dynamic batching: requests that come one by one are answered together, within a bounded delay and a bounded queue."""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from paddle_vlm.errors import Busy, TooLate

Item = TypeVar("Item")
Result = TypeVar("Result")

log = logging.getLogger(__name__)

_RATE_WINDOW = 10.0  # seconds over which the speed of answering is taken
_LONGEST_WAIT = 60.0  # seconds that a refused caller is asked to wait at most


@dataclass(eq=False)
class _Waiting(Generic[Item, Result]):
    item: Item
    answer: "asyncio.Future[Result]"
    arrived: float


@dataclass
class Batcher(Generic[Item, Result]):
    """Collects items for `run` in one event loop.

    Whenever a slot is free, everything that waits goes out together, up to `max_batch`. A batch that is not full waits
    for more, at most `max_wait` seconds after its first item came, and only while requests do come together: after a
    batch of one nothing is waited for, so that a lone client loses no time.

    Attributes:
        run: items -> for each its result, or the exception that its caller gets.
        max_queue: items that may be here at a time, waiting or running; more are refused.
        slots: batches that run at once.
    """

    run: Callable[[Sequence[Item]], Awaitable[Sequence[Result | Exception]]]
    max_batch: int = 16
    max_wait: float = 0.002
    max_queue: int = 64
    slots: int = 1
    observe: Callable[[int], object] = lambda size: None
    _queue: deque[_Waiting[Item, Result]] = field(default_factory=deque, init=False)
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set, init=False)
    _timer: asyncio.TimerHandle | None = field(default=None, init=False)
    _last: int = field(default=0, init=False)  # size of the last batch
    _pending: int = field(default=0, init=False)  # callers that wait for an answer
    _answered: deque[tuple[float, int]] = field(default_factory=deque, init=False)

    @property
    def waiting(self) -> int:
        """Items that wait for a slot."""
        return len(self._queue)

    def check(self) -> None:
        """Raises Busy where `submit` would."""
        if self._pending >= self.max_queue:
            seconds = self._retry_after()
            raise Busy(f"服务繁忙:已有 {self._pending} 个请求在处理或排队。请在 {seconds:.0f} 秒后重试。", seconds)

    async def submit(self, item: Item, seconds: float | None = None) -> Result:
        """The result for `item`. Raises Busy when the queue is full, TooLate after `seconds`, or what `run` gave.

        An item whose caller no longer waits is dropped unrun.
        """
        self.check()
        loop = asyncio.get_running_loop()
        waiting: _Waiting[Item, Result] = _Waiting(item, loop.create_future(), loop.time())
        self._queue.append(waiting)
        self._pending += 1
        self._pump()
        try:
            return await asyncio.wait_for(waiting.answer, seconds)
        except asyncio.TimeoutError as error:
            raise TooLate(f"{seconds:g} 秒内没有得出结果。请稍后重试,或减小图片、文本。") from error
        finally:
            self._pending -= 1
            if waiting in self._queue:
                self._queue.remove(waiting)

    async def close(self) -> None:
        """Wait until everything that was accepted is answered."""
        while self._queue or self._tasks:
            self._pump()
            if self._tasks:
                await asyncio.wait(set(self._tasks))
            else:
                await asyncio.sleep(self.max_wait)

    def _pump(self) -> None:
        while self._queue and len(self._tasks) < self.slots:
            if len(self._queue) < self.max_batch and self._last > 1:
                loop = asyncio.get_running_loop()
                left = self._queue[0].arrived + self.max_wait - loop.time()
                if left > 0:
                    self._timer = self._timer or loop.call_later(left, self._waited)
                    return
            self._dispatch()

    def _waited(self) -> None:
        self._timer = None
        self._pump()

    def _dispatch(self) -> None:
        batch: list[_Waiting[Item, Result]] = []
        while self._queue and len(batch) < self.max_batch:
            waiting = self._queue.popleft()
            if not waiting.answer.done():  # else its caller has given up
                batch.append(waiting)
        if not batch:
            return
        self._last = len(batch)
        self.observe(len(batch))
        task = asyncio.get_running_loop().create_task(self._run(batch))
        self._tasks.add(task)

    async def _run(self, batch: list[_Waiting[Item, Result]]) -> None:
        results: Sequence[Result | Exception]
        try:
            results = await self.run([waiting.item for waiting in batch])
        except Exception as error:  # noqa: BLE001 - whatever it is belongs to those who wait for this batch
            results = [error] * len(batch)
        for waiting, result in zip(batch, results, strict=True):
            if waiting.answer.done():
                continue
            if isinstance(result, Exception):
                waiting.answer.set_exception(result)
            else:
                waiting.answer.set_result(result)
        now = asyncio.get_running_loop().time()
        self._answered.append((now, len(batch)))
        while self._answered[0][0] < now - _RATE_WINDOW:
            self._answered.popleft()
        task = asyncio.current_task()
        if task is not None:
            self._tasks.discard(task)
        self._pump()

    def _retry_after(self) -> float:
        """Whole seconds until the queue will have been worked off, at the speed of the last seconds."""
        if not self._answered:
            return 1.0
        passed = max(1.0, asyncio.get_running_loop().time() - self._answered[0][0])
        speed = sum(count for _, count in self._answered) / passed
        return float(min(_LONGEST_WAIT, max(1, math.ceil(self._pending / speed))))
