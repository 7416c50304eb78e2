"""What every request passes first: a request id, the keys, the queue, the log and the figures.

It stands before routing, so that refusing a request costs almost nothing when there are too many.
"""

import asyncio
import hmac
import logging
import re
import uuid
from collections import Counter
from collections.abc import Mapping
from contextlib import nullcontext
from time import perf_counter
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from paddle_vlm.errors import Busy
from paddle_vlm.serving.problems import Problem, problem_of
from paddle_vlm.serving.service import Service, too_large

log = logging.getLogger(__name__)

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_ADMIN = "/v1/admin/"
_CROWDED = (429, 503)


class Gate:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service = app, service
        self._tasks = {f"/v1/{task}": task for task in service.settings.tasks}
        self._active: Counter[str] = Counter()  # requests of each client
        self._silent_until, self._unlogged = 0.0, 0
        self._turn = asyncio.Lock() if service.settings.one_at_a_time else nullcontext()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = perf_counter()
        headers = dict(scope["headers"])
        name = request_id(headers)
        state = scope.setdefault("state", {})
        state |= {"held": 0, "request_id": name}
        status = 0

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", name.encode())]
            await send(message)

        client = (scope.get("client") or ("",))[0]
        self._active[client] += 1
        self._service.metrics.active.inc()
        try:
            async with self._turn:
                self._refuse(scope, headers, client)
                await self._app(scope, receive, send_on)
        except Exception as error:
            problem = problem_of(error)
            if problem.status == 500:
                log.exception("request %s failed", name)
            if not status:
                await _say(problem, send_on)
        finally:
            self._service.held -= state["held"]
            self._active[client] -= 1
            if not self._active[client]:
                del self._active[client]
            self._service.metrics.active.dec()
            self._note(scope, status, name, client, perf_counter() - begun)

    def _refuse(self, scope: Scope, headers: dict[bytes, bytes], client: str) -> None:
        """Raises Problem or Busy for a request that is not worth reading."""
        settings, path = self._service.settings, scope["path"]
        if path.startswith(_ADMIN):
            if not settings.admin_key:
                raise Problem(404, "not_found", "没有这个地址。")
            _check_key(settings.admin_key, headers)
        elif settings.api_key and path.startswith("/v1/"):
            _check_key(settings.api_key, headers)
        task = self._tasks.get(path)
        if task is None or scope["method"] != "POST":
            return
        if settings.limits.per_client and self._active[client] > settings.limits.per_client:
            raise Problem(
                429,
                "too_many_requests",
                f"同一客户端最多 {settings.limits.per_client} 个并发请求。请等前面的请求答完再发。",
                {"Retry-After": "1"},
            )
        length = headers.get(b"content-length", b"")
        if length.isdigit() and int(length) > settings.limits.body_mb * (1 << 20):
            raise too_large(settings)
        if self._service.held > settings.limits.pending_mb * (1 << 20):
            raise Busy("服务繁忙:正在接收的数据太多。请稍后重试。", 2.0)
        self._service.engine.check(task)

    def _note(self, scope: Scope, status: int, name: str, client: str, seconds: float) -> None:
        task = self._tasks.get(scope["path"])
        if task is None and not scope["path"].startswith("/v1/"):
            return  # health checks come every few seconds
        metrics = self._service.metrics
        metrics.requests.labels(task or "other", str(status)).inc()
        metrics.seconds.labels(task or "other").observe(seconds)
        if status in _CROWDED and not self._may_log_refusal():
            return
        event: dict[str, Any] = {
            "request_id": name,
            "method": scope["method"],
            "path": scope["path"],
            "status": status,
            "client": client,
            "ms": round(1e3 * seconds, 1),
        }
        if status in _CROWDED and self._unlogged:
            event["refusals_not_logged"], self._unlogged = self._unlogged, 0
        log.info("request", extra={"event": event})

    def _may_log_refusal(self) -> bool:
        """Once a second: thousands of lines would cost more than the refusals themselves."""
        now = perf_counter()
        if now < self._silent_until:
            self._unlogged += 1
            return False
        self._silent_until = now + 1
        return True


def request_id(headers: Mapping[bytes, bytes]) -> str:
    """The client's, when it is a sane one, or a new one."""
    given = headers.get(b"x-request-id", b"")
    return given.decode() if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex[:16]


def _check_key(key: str, headers: dict[bytes, bytes]) -> None:
    if not hmac.compare_digest(headers.get(b"x-api-key", b""), key.encode()):
        raise Problem(401, "unauthorized", "缺少或错误的 X-API-Key 请求头。请向管理员索取密钥。")


async def _say(problem: Problem, send: Send) -> None:
    body = problem.body()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in problem.headers.items()]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
