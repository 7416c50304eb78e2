"""POST /v1/search: the pictures of the index that fit a sentence, or look like a picture."""

from fastapi import FastAPI
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from paddle_vlm.serving import openapi
from paddle_vlm.serving.engine import Item
from paddle_vlm.serving.inputs import options_of, the_image
from paddle_vlm.serving.options import TaskOptions, Text, Whole
from paddle_vlm.serving.problems import Problem
from paddle_vlm.serving.service import Service, answer

TASK = "search"
EXAMPLE = {
    "query": "红苹果",
    "total": 1900,
    "nothing_fits": False,
    "hits": [{"rank": 1, "score": 0.41, "probability": 0.83, "caption": None, "width": 640, "height": 480,
              "taken": 1760000000.0, "name": "0a1b.jpg"}],
    "seconds": {"encode": 0.004, "search": 0.001},
}  # fmt: skip


class Options(TaskOptions):
    text: Text | None = Field(None, min_length=1, description="要找什么,如 红苹果;与图片二选一")
    k: Whole = Field(9, ge=1, le=1000, description="最多几张")
    min_probability: float = Field(0.0, ge=0, le=1, description="略去把握更小的")
    rerank: bool = Field(False, description="让重排网络再看一遍最好的几张:更准、更慢")


def add_routes(app: FastAPI, service: Service) -> None:
    """Join the service."""

    @app.post(
        "/v1/search",
        summary="搜索图片",
        description="用一句中文找图,或以图找图。`name` 是 /v1/index 返回的文件名。",
        tags=["搜索"],
        responses=openapi.responses(openapi.json_example(EXAMPLE)),
        openapi_extra=openapi.body(Options, {"text": "红苹果", "k": 9}, "one", texts=True),
    )
    async def search(request: Request) -> Response:
        inputs = await service.read(request)
        options = options_of(Options, inputs)
        if (options.text is None) == (not inputs.images):
            raise Problem(422, "bad_request", "请给出 text 或 image,只能给一个。")
        if options.text is not None:
            service.check_text(options.text)
        images = [the_image(inputs)] if inputs.images else []
        return answer(await service.run(TASK, Item(images, options.model_dump())))
