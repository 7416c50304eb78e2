"""Who answers: the interface that the HTTP side sees, and the engine that works in this process."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from paddle_vlm.errors import PaddleVLMError, Unavailable, UsageError
from paddle_vlm.inference.batching import Batcher
from paddle_vlm.serving.settings import Batching, ServeSettings

log = logging.getLogger(__name__)

Progress = Callable[[Any], None]


@dataclass(frozen=True)
class Item:
    """What a client wants of a task: encoded pictures and options."""

    images: list[bytes] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Call:
    """An item, and whom to tell how far it is."""

    item: Item
    progress: Progress | None = None


class Handler(Protocol):
    """What a worker does for a task. One call at a time."""

    def run(self, items: Sequence[Item], progress: Callable[[int, Any], None]) -> Sequence[Any]:
        """For each item its result or a PaddleVLMError; `progress(number of the item, event)` may tell of long work."""

    def probe(self, thorough: bool = False) -> None:
        """Do real work once; `thorough` for every size of batch, so that no client waits for oneDNN to prepare for it.

        Raises PaddleVLMError when the model is no good.
        """


class HandlerFailed(RuntimeError):
    """A handler broke down in a way that nobody foresaw; the details are in the log."""


class Engine(Protocol):
    """Where the HTTP side sends work."""

    @property
    def ready(self) -> bool:
        """Whether every task can be served."""

    async def start(self) -> None:
        """Load the models. Raises PaddleVLMError."""

    async def stop(self) -> None:
        """Finish what was accepted, then let go of everything."""

    def check(self, task: str) -> None:
        """Raises Busy where `submit` would."""

    async def submit(
        self, task: str, item: Item, seconds: float | None = None, progress: Progress | None = None
    ) -> Any:
        """The task's result. Raises PaddleVLMError, of which Busy, Unavailable and TooLate are no fault of the item."""

    async def reload(self, models: Mapping[str, str]) -> None:
        """Go over to other models (field of settings.Models -> folder) without a gap.

        Raises PaddleVLMError with the reason, and keeps the old ones, when the new ones cannot be used.
        """

    def status(self) -> dict[str, Any]:
        """For /readyz and /metrics: workers, restarts, and how many requests of each task wait."""


def make_batcher(
    run: Callable[[Sequence[Call]], Any], batching: Batching, slots: int, observe: Callable[[int], object]
) -> Batcher[Call, Any]:
    """The queue of one task."""
    return Batcher(run, batching.max_batch, batching.max_wait_ms / 1e3, batching.queue, slots, observe)


def run_guarded(handler: Handler, items: Sequence[Item], progress: Callable[[int, Any], None]) -> list[Any]:
    """A handler's outcomes, whatever it does."""
    try:
        return list(handler.run(items, progress))
    except PaddleVLMError as error:
        return [error] * len(items)
    except Exception:
        log.exception("handler %s failed", type(handler).__name__)
        return [HandlerFailed("内部错误,详情见服务日志。")] * len(items)


class LocalEngine:
    """Handlers in threads of this process: for Ray Serve replicas, which are processes already, and for tests.

    Args:
        load: settings -> task -> handler; serving.handlers.load_handlers unless given.
    """

    def __init__(
        self, settings: ServeSettings, load: Callable[[ServeSettings], Mapping[str, Handler]] | None = None
    ) -> None:
        self._settings, self._load = settings, load or _load_handlers
        self._handlers: Mapping[str, Handler] = {}
        self._threads: dict[str, ThreadPoolExecutor] = {}
        self._batchers: dict[str, Batcher[Call, Any]] = {}
        self.ready = False

    async def start(self) -> None:
        self._handlers = await asyncio.to_thread(self._loaded)
        for task in self._settings.tasks:
            self._threads[task] = ThreadPoolExecutor(1, thread_name_prefix=task)
            self._batchers[task] = make_batcher(
                partial(self._run, task), self._settings.batching[task], 1, lambda size: None
            )
        self.ready = True

    async def stop(self) -> None:
        self.ready = False
        for batcher in self._batchers.values():
            await batcher.close()
        for thread in self._threads.values():
            thread.shutdown(wait=False)

    def check(self, task: str) -> None:
        if not self.ready:
            raise Unavailable("服务正在启动。请稍后重试。", 2.0)
        self._batchers[task].check()

    async def submit(
        self, task: str, item: Item, seconds: float | None = None, progress: Progress | None = None
    ) -> Any:
        self.check(task)
        return await self._batchers[task].submit(Call(item, progress), seconds)

    async def reload(self, models: Mapping[str, str]) -> None:
        raise UsageError("此部署方式不支持热更新模型。请滚动重启各副本。")

    def status(self) -> dict[str, Any]:
        waiting = {task: batcher.waiting for task, batcher in self._batchers.items()}
        return {"ready": self.ready, "workers": 1, "restarts": 0, "waiting": waiting}

    def _loaded(self) -> Mapping[str, Handler]:
        handlers = self._load(self._settings)
        for handler in handlers.values():
            handler.probe(thorough=True)
        return handlers

    async def _run(self, task: str, calls: Sequence[Call]) -> list[Any]:
        loop = asyncio.get_running_loop()

        def tell(number: int, event: Any) -> None:
            progress = calls[number].progress
            if progress is not None:
                loop.call_soon_threadsafe(progress, event)

        items = [call.item for call in calls]
        return await loop.run_in_executor(self._threads[task], run_guarded, self._handlers[task], items, tell)


def _load_handlers(settings: ServeSettings) -> Mapping[str, Handler]:
    from paddle_vlm.serving.handlers import load_handlers  # brings in paddle

    return load_handlers(settings)
