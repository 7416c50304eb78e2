"""Routes for those who run the service: health, readiness, metrics, going over to other models."""

import dataclasses
from pathlib import Path

from fastapi import FastAPI
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from paddle_vlm.errors import PaddleVLMError
from paddle_vlm.serving import openapi
from paddle_vlm.serving.inputs import options_of
from paddle_vlm.serving.options import TaskOptions, Text
from paddle_vlm.serving.problems import Problem
from paddle_vlm.serving.service import Service, answer
from paddle_vlm.serving.settings import Models, ServeSettings

_KINDS = [each.name for each in dataclasses.fields(Models)]


class Reload(TaskOptions):
    models: dict[Text, Text] = Field(
        default={},
        description=f"模型种类 -> models_folder 下的文件夹名;种类:{'、'.join(_KINDS)}。空表示重新载入现有模型",
    )


def add_routes(app: FastAPI, service: Service) -> None:
    """/healthz, /readyz, /metrics, /v1/admin/reload."""

    @app.get("/healthz", summary="进程活着", tags=["运维"])
    async def healthz(request: Request) -> Response:
        return answer({"status": "ok"})

    @app.get("/readyz", summary="可以接收请求", tags=["运维"], responses={503: {"description": "尚未就绪或正在退出"}})
    async def readyz(request: Request) -> Response:
        status = service.engine.status()
        ready = status["ready"] and not service.draining
        return answer(status | {"ready": ready, "draining": service.draining}, 200 if ready else 503)

    @app.get("/metrics", summary="Prometheus 指标", tags=["运维"], response_class=Response)
    async def metrics(request: Request) -> Response:
        return Response(service.metrics.text(service.engine), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.post(
        "/v1/admin/reload",
        summary="热更新模型",
        description="新模型载入并试用成功后才切换;失败时继续用原来的模型并说明原因。",
        tags=["运维"],
        responses=openapi.responses(
            openapi.json_example({"models": {"classifier": "v2"}}), (400, 401, 404, 409, 415, 422, 503)
        ),
        openapi_extra=openapi.body(Reload, {"models": {"classifier": "v2"}}),
    )
    async def reload(request: Request) -> Response:
        options = options_of(Reload, await service.read(request))
        chosen = {kind: chosen_folder(service.settings, kind, name) for kind, name in options.models.items()}
        try:
            await service.engine.reload(chosen)
        except PaddleVLMError as error:
            raise Problem(409, "reload_failed", f"新模型不可用,仍在用原来的模型。原因:{error}") from error
        return answer({"models": options.models})


def chosen_folder(settings: ServeSettings, kind: str, name: str) -> str:
    """The folder of a model version: one of those there are, so that no name leads elsewhere. Raises Problem."""
    if kind not in _KINDS:
        raise Problem(422, "unknown_model", f"没有模型种类 {kind[:40]}。可用:{'、'.join(_KINDS)}。")
    there = _versions(settings.models_folder / kind) if settings.models_folder is not None else {}
    if name not in there:
        raise Problem(422, "unknown_model", f"没有 {kind} 的版本 {name[:40]}。可用:{'、'.join(there) or '无'}。")
    return str(there[name])


def _versions(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        return {}
    return {path.name: path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")}
