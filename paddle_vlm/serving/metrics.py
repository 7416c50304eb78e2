"""What Prometheus reads at /metrics."""

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from paddle_vlm.serving.engine import Engine

_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_SIZES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """The service's figures, in a registry of their own: a process may hold several services."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        name = "paddle_vlm"
        self.requests = Counter(f"{name}_requests", "请求数", ["task", "status"], registry=self.registry)
        self.seconds = Histogram(
            f"{name}_request_seconds", "从收到请求头到答完的秒数", ["task"], buckets=_SECONDS, registry=self.registry
        )
        self.batches = Histogram(f"{name}_batch_size", "一批的请求数", ["task"], buckets=_SIZES, registry=self.registry)
        self.active = Gauge(f"{name}_active_requests", "正在处理的请求数", registry=self.registry)
        self._waiting = Gauge(f"{name}_waiting_requests", "排队的请求数", ["task"], registry=self.registry)
        self._workers = Gauge(f"{name}_workers", "可用的工作进程数", registry=self.registry)
        self._restarts = Gauge(f"{name}_worker_restarts", "工作进程意外退出的次数", registry=self.registry)
        self._ready = Gauge(f"{name}_ready", "1 为就绪", registry=self.registry)

    def observe_batch(self, task: str, size: int) -> None:
        """A batch of `size` went to a worker."""
        self.batches.labels(task).observe(size)

    def text(self, engine: Engine) -> bytes:
        """Everything, in Prometheus's format."""
        status: dict[str, Any] = engine.status()
        self._ready.set(status["ready"])
        self._workers.set(status["workers"])
        self._restarts.set(status["restarts"])
        for task, count in status["waiting"].items():
            self._waiting.labels(task).set(count)
        return generate_latest(self.registry)
