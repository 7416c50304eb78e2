"""Who answers: the interface that the HTTP side sees, and what its engines share."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from paddle_vlm.errors import PaddleVLMError
from paddle_vlm.inference.batching import Batcher
from paddle_vlm.serving.settings import Batching

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


def attempt(function: Callable[..., Any], *arguments: Any) -> Any:
    """The result, or the error that belongs to this item alone."""
    try:
        return function(*arguments)
    except PaddleVLMError as error:
        return error
