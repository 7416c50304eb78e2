"""POST /v1/embed: a picture or a text as a vector of the search model's space."""

from fastapi import FastAPI
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from paddle_vlm.serving import openapi
from paddle_vlm.serving.engine import Item
from paddle_vlm.serving.inputs import options_of, the_image
from paddle_vlm.serving.options import TaskOptions, Text
from paddle_vlm.serving.problems import Problem
from paddle_vlm.serving.service import Service, answer

TASK = "embed"
EXAMPLE = {"vector": [0.012, -0.034], "dim": 256, "model": "0123456789abcdef"}


class Options(TaskOptions):
    text: Text | None = Field(None, min_length=1, description="一句中文;与图片二选一")


def add_routes(app: FastAPI, service: Service) -> None:
    """Join the service."""

    @app.post(
        "/v1/embed",
        summary="图片或文本的向量",
        description="返回长度为 1 的向量;图片与文本在同一空间,余弦即相似度。只有 `model` 相同的向量才能比较。",
        tags=["搜索"],
        responses=openapi.responses(openapi.json_example(EXAMPLE)),
        openapi_extra=openapi.body(Options, {"text": "桌上的红苹果"}, "one", texts=True),
    )
    async def embed(request: Request) -> Response:
        inputs = await service.read(request)
        options = options_of(Options, inputs)
        if options.text is None:
            return answer(await service.run(TASK, Item([the_image(inputs)])))
        if inputs.images:
            raise Problem(422, "bad_request", "image 与 text 只能给一个。")
        return answer(await service.run(TASK, Item(options={"text": service.check_text(options.text)})))
