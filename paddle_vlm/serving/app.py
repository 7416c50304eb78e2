"""The application: the tasks' routes, health, metrics and administration behind one gate. Does not import paddle."""

import importlib
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

import paddle_vlm
from paddle_vlm.serving import operations
from paddle_vlm.serving.engine import Engine
from paddle_vlm.serving.gate import Gate
from paddle_vlm.serving.metrics import Metrics
from paddle_vlm.serving.problems import MEANINGS, Problem
from paddle_vlm.serving.routers import ROUTERS
from paddle_vlm.serving.service import Service
from paddle_vlm.serving.settings import ServeSettings

DESCRIPTION = """离线的中文视觉语言服务:图片翻译、图文搜索、分类、向量、文本分析。

图片可以三种方式发送:`multipart/form-data` 的字段 `image`;JSON 里的 base64 字段 `image`;或请求体直接是图片
(`Content-Type: image/jpeg`,参数写在网址里,最快)。服务从不读取网址或服务器上的路径。
出错时返回 `{"error": {"code": "…", "message": "中文说明"}}`;
`503` 带有 `Retry-After`。每个响应都有 `X-Request-ID`,可自己指定。"""


def create_app(settings: ServeSettings, engine: Engine, metrics: Metrics | None = None) -> FastAPI:
    """The ASGI application. Its lifespan starts and stops the engine."""
    service = Service(settings, engine, metrics or Metrics())

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await engine.start()
        yield
        await engine.stop()

    app = FastAPI(title="paddle_vlm 服务", version=paddle_vlm.__version__, description=DESCRIPTION, lifespan=lifespan)
    app.router.route_class = _Direct
    app.state.service = service
    app.add_middleware(Gate, service=service)
    app.add_exception_handler(HTTPException, _unknown_address)
    for task in settings.tasks:
        importlib.import_module(ROUTERS[task]).add_routes(app, service)
    operations.add_routes(app, service)
    return app


class _Direct(APIRoute):
    """Every endpoint here takes the request itself: FastAPI need not look for parameters and dependencies."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        return self.endpoint


async def _unknown_address(request: Request, error: Exception) -> Response:
    """404 and 405, which the router raises."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    problem = Problem(status, "not_found" if status == 404 else "bad_request", f"{MEANINGS.get(status, '请求有误')}。")
    headers = error.headers if isinstance(error, HTTPException) else None
    return Response(problem.body(), status, headers, media_type="application/json")
