"""uvicorn's HTTP protocol with the time limits that it lacks: for a request's head, its body, and taking the answer."""

import asyncio
from types import SimpleNamespace
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from paddle_vlm.errors import Busy
from paddle_vlm.serving.gate import request_id
from paddle_vlm.serving.problems import Problem, problem_of
from paddle_vlm.serving.service import Service


class GuardedProtocol(HttpToolsProtocol):
    """One connection. A client that dawdles gets 408, one that does not read its answer is cut off.

    When a task's queue is full, its requests are refused right here: it takes a fraction of the application's time,
    which the requests that were accepted need.
    """

    def __init__(self, service: Service, **options: Any) -> None:
        super().__init__(**options)
        self._service, self._limits = service, service.settings.limits
        self._receiving: asyncio.TimerHandle | None = None
        self._sending: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self._limits.connections:
            self._end(Problem(503, "busy", "服务繁忙:连接太多。请稍后重试。", {"Retry-After": "2"}))
            return
        self._await("请求头", self._limits.header_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._received()
        self._sent()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._receiving is None:
            self._await("请求头", self._limits.header_seconds)

    def on_headers_complete(self) -> None:
        self._received()
        if not self._refused():
            super().on_headers_complete()
        self._await("请求体", self._limits.body_seconds)

    def on_message_complete(self) -> None:
        self._received()
        super().on_message_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._sending is None:
            self._sending = self.loop.call_later(self._limits.send_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        self._sent()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        self._end(Problem(400, "bad_request", "这不是合法的 HTTP/1.1 请求。"))

    def _refused(self) -> bool:
        """Whether the task is too busy, which then has been answered."""
        under_way = self.cycle is not None and not self.cycle.response_complete
        task = self.url.partition(b"?")[0].removeprefix(b"/v1/").decode("latin-1")
        if under_way or self.parser.get_method() != b"POST" or task not in self._service.settings.tasks:
            return False
        try:
            self._service.engine.check(task)
            return False
        except Busy as error:
            problem = problem_of(error)
        self._service.metrics.requests.labels(task, str(problem.status)).inc()
        problem.headers["X-Request-ID"] = request_id(dict(self.headers))
        self.cycle = _answered()
        self._write(problem)
        self.on_response_complete()
        return True

    def _await(self, what: str, seconds: float) -> None:
        self._receiving = self.loop.call_later(seconds, self._late, what, seconds)

    def _received(self) -> None:
        if self._receiving is not None:
            self._receiving.cancel()
            self._receiving = None

    def _sent(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
            self._sending = None

    def _late(self, what: str, seconds: float) -> None:
        self._receiving = None
        if self.transport.is_closing():
            return
        if self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete:
            self.transport.abort()
            return
        self._end(Problem(408, "too_slow", f"{seconds:g} 秒内没有收完{what}。请检查网络后重试。"))

    def _end(self, problem: Problem) -> None:
        """Answer and close."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True  # whoever reads the body hears of it
            self.cycle.message_event.set()
        problem.headers["Connection"] = "close"
        self._write(problem)
        self.transport.close()

    def _write(self, problem: Problem) -> None:
        body = problem.body()
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), **problem.headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.transport.write(STATUS_LINE[problem.status] + head.encode() + b"\r\n" + body)


def _answered() -> Any:
    """In place of uvicorn's cycle for a request that the application never sees: its body is read and dropped."""
    return SimpleNamespace(
        response_started=True, response_complete=True, disconnected=False, message_event=asyncio.Event()
    )
