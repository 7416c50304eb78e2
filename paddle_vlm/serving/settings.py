"""Everything that can be set about the service."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from paddle_vlm.serving.routers import ROUTERS


@dataclass
class Models:
    """Each a bundled name or a folder."""

    classifier: str | None = "classifier"  # None: /v1/classify needs `labels`
    search: str = "search"
    translator: str = "translator"
    ocr: str | None = None  # None: as apps.image_translation chooses
    tagger: str = "lac_msra"
    sentiment: str = "sentiment"
    topic: str = "topic"


@dataclass
class Limits:
    """What one client, and all of them together, may ask for."""

    body_mb: float = 20.0  # of one request
    pending_mb: float = 512.0  # of all requests that are being received or wait
    megapixels: float = 50.0  # of one picture
    pictures: int = 32  # in one request
    characters: int = 20_000  # of one text
    seconds: float = 30.0  # until an answer to one picture or text
    header_seconds: float = 10.0  # to send the request's head
    body_seconds: float = 30.0  # to send its body
    send_seconds: float = 30.0  # to take any part of the answer
    connections: int = 1000
    per_client: int = 0  # requests of one address at a time; 0 is any number


@dataclass
class Batching:
    """See inference.batching.Batcher."""

    max_batch: int = 1
    max_wait_ms: float = 2.0
    queue: int = 16

    def __post_init__(self) -> None:
        if self.max_batch < 1 or self.queue < 1 or self.max_wait_ms < 0:
            raise ValueError("max_batch 和 queue 应是正整数,max_wait_ms 不能是负数。")


def _batching() -> dict[str, Batching]:
    return {
        "translate": Batching(queue=8),
        "search": Batching(queue=64),
        "index": Batching(queue=4),
        "embed": Batching(16, 3.0, 32),
        "classify": Batching(8, 2.0, 16),
        "analyze": Batching(16, 2.0, 64),
    }


@dataclass
class ServeSettings:
    """The service's configuration file.

    Attributes:
        tasks: what is served.
        workers: processes that hold the models; each takes its share of the cores.
        models_folder: holds versions of models for hot reload, as <models_folder>/<a field of `models`>/<name>/.
        index: folder of the search index; without it /v1/search and /v1/index answer that there is none.
        pictures: folder that /v1/index stores pictures in.
        api_key: that clients send as X-API-Key; empty lets everybody in.
        admin_key: for /v1/admin/reload, which does not exist while it is empty.
        drain_seconds: between /readyz saying no and the end of listening, for load balancers to notice.
        one_at_a_time: answer each request before the next is read: what the benchmark compares with.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    tasks: list[str] = field(default_factory=lambda: list(ROUTERS))
    workers: int = 1
    device: str = "auto"
    models: Models = field(default_factory=Models)
    models_folder: Path | None = None
    index: Path | None = None
    pictures: Path | None = None
    api_key: str = field(default_factory=lambda: os.environ.get("PADDLE_VLM_API_KEY", ""))
    admin_key: str = field(default_factory=lambda: os.environ.get("PADDLE_VLM_ADMIN_KEY", ""))
    limits: Limits = field(default_factory=Limits)
    batching: dict[str, Batching] = field(default_factory=_batching)
    drain_seconds: float = 0.0
    one_at_a_time: bool = False

    def __post_init__(self) -> None:
        self.batching = _batching() | self.batching
        if unknown := [task for task in [*self.tasks, *self.batching] if task not in ROUTERS]:
            raise ValueError(f"没有任务 {unknown[0]}。可用:{'、'.join(ROUTERS)}。")
        if self.workers < 1:
            raise ValueError(f"workers 应是正整数,不能是 {self.workers}。")
        if self.index is not None and self.pictures is None:
            self.pictures = self.index / "pictures"
