"""POST /v1/index: add pictures to the index."""

from fastapi import FastAPI
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from paddle_vlm.serving import openapi
from paddle_vlm.serving.engine import Item
from paddle_vlm.serving.inputs import options_of
from paddle_vlm.serving.options import TaskOptions
from paddle_vlm.serving.problems import Problem
from paddle_vlm.serving.service import Service, answer, lines

TASK = "index"
EXAMPLE = {"pictures": [{"name": "0a1b.jpg", "width": 640, "height": 480}], "added": 1, "total": 1901}


class Options(TaskOptions):
    stream: bool = Field(False, description="true:以 NDJSON 逐行返回进度,最后一行是结果")


def add_routes(app: FastAPI, service: Service) -> None:
    """Join the service."""

    @app.post(
        "/v1/index",
        summary="把图片加入索引",
        description="图片按内容命名存放,重复上传不会重复入库;读不了的图片单独列出原因,不影响其余。",
        tags=["搜索"],
        responses=openapi.responses(
            openapi.json_example(EXAMPLE) | {"application/x-ndjson": {"schema": {"type": "string"}}},
            (400, 401, 408, 413, 415, 422, 429, 503, 504, 507),
        ),
        openapi_extra=openapi.body(Options, {"images": ["<base64>", "<base64>"]}, "many"),
    )
    async def index(request: Request) -> Response:
        inputs = await service.read(request)
        options = options_of(Options, inputs)
        if not inputs.images:
            raise Problem(422, "bad_request", "没有图片。请用字段 images 上传至少一张。")
        item, seconds = Item(inputs.images), service.settings.limits.seconds * (1 + len(inputs.images))
        if options.stream:
            return lines(service.watch(TASK, item, seconds))
        return answer(await service.engine.submit(TASK, item, seconds))
