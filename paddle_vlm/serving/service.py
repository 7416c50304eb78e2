"""What every route needs: reading a request within limits, sending work to the engine, streaming progress."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from paddle_vlm.errors import Busy
from paddle_vlm.serving.engine import Engine, Item
from paddle_vlm.serving.inputs import Inputs, parse
from paddle_vlm.serving.metrics import Metrics
from paddle_vlm.serving.problems import Problem, problem_of
from paddle_vlm.serving.settings import ServeSettings

_MB = 1 << 20


@dataclass
class Service:
    """The settings, the engine and the state of one service.

    Attributes:
        draining: whether it is about to end: /readyz says no, requests are still answered.
        held: bytes of all bodies that are in memory.
    """

    settings: ServeSettings
    engine: Engine
    metrics: Metrics = field(default_factory=Metrics)
    draining: bool = False
    held: int = 0

    async def read(self, request: Request) -> Inputs:
        """The pictures and fields of a request. Raises Problem, and Busy when memory for bodies runs out."""
        body = await self._body(request)
        inputs = parse(body, request.headers.get("content-type", ""), request.scope["query_string"])
        if len(inputs.images) > self.settings.limits.pictures:
            raise Problem(
                413,
                "too_many_images",
                f"一个请求最多 {self.settings.limits.pictures} 张图片,给了 {len(inputs.images)} 张。请分几次发送。",
            )
        return inputs

    def check_text(self, text: str) -> str:
        """The text, when it is not too long. Raises Problem."""
        longest = self.settings.limits.characters
        if len(text) > longest:
            raise Problem(413, "text_too_long", f"文本有 {len(text)} 字,超过上限 {longest} 字。请分段发送。")
        return text

    async def run(self, task: str, item: Item) -> Any:
        """The task's result within the time limit. Raises PaddleVLMError."""
        return await self.engine.submit(task, item, self.settings.limits.seconds)

    async def run_patiently(self, task: str, item: Item) -> Any:
        """As `run`, for a part of a request that is being answered: waits while the queue is full."""
        until = asyncio.get_running_loop().time() + self.settings.limits.seconds
        while True:
            try:
                return await self.run(task, item)
            except Busy as error:
                if asyncio.get_running_loop().time() + error.retry_after > until:
                    raise
                await asyncio.sleep(error.retry_after)

    async def watch(self, task: str, item: Item, seconds: float) -> AsyncIterator[dict[str, Any]]:
        """The progress events of one item, and at the end its result or error."""
        events: asyncio.Queue[Any] = asyncio.Queue()
        work = asyncio.ensure_future(self.engine.submit(task, item, seconds, events.put_nowait))
        work.add_done_callback(lambda done: events.put_nowait(None))
        try:
            while (event := await events.get()) is not None:
                yield {"event": "progress", **event}
            yield {"event": "finished", "result": work.result()}
        except Exception as error:  # noqa: BLE001 - the answer has begun: the error becomes its last line
            yield {"event": "failed", **problem_of(error).to_dict()}
        finally:
            work.cancel()

    async def _body(self, request: Request) -> bytes:
        limit = int(self.settings.limits.body_mb * _MB)
        parts: list[bytes] = []
        size, more = 0, True
        while more:
            message = await request.receive()
            if message["type"] == "http.disconnect":
                raise Problem(408, "disconnected", "连接在请求发送完之前断开。")
            part = message.get("body", b"")
            more = message.get("more_body", False)
            size += len(part)
            if size > limit:
                raise too_large(self.settings)
            self._hold(request, len(part))
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _hold(self, request: Request, size: int) -> None:
        if self.held + size > self.settings.limits.pending_mb * _MB:
            raise Busy("服务繁忙:正在接收的数据太多。请稍后重试。", 2.0)
        self.held += size
        request.scope["state"]["held"] += size


def too_large(settings: ServeSettings) -> Problem:
    """The answer to a body over the limit."""
    return Problem(413, "body_too_large", f"请求体超过上限 {settings.limits.body_mb:g} MB。请压缩图片或分几次发送。")


def answer(content: Any, status: int = 200) -> Response:
    """JSON; NumPy arrays are written as lists."""
    return Response(orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY), status, media_type="application/json")


def lines(events: AsyncIterator[dict[str, Any]]) -> StreamingResponse:
    """NDJSON: each event a line, sent as it comes."""

    async def encoded() -> AsyncIterator[bytes]:
        async for event in events:
            yield json.dumps(event, ensure_ascii=False).encode() + b"\n"

    return StreamingResponse(encoded(), media_type="application/x-ndjson")
