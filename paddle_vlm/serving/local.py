"""The engine that works in this process: for Ray Serve replicas, which are processes already, and for tests."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from paddle_vlm.errors import Unavailable, UsageError
from paddle_vlm.inference.batching import Batcher
from paddle_vlm.serving.engine import Call, Handler, Item, Progress, make_batcher, run_guarded
from paddle_vlm.serving.settings import ServeSettings


class LocalEngine:
    """Handlers in threads of this process.

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
