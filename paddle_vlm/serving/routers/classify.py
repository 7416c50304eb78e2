"""POST /v1/classify: what is in a picture."""

from typing import Annotated

from fastapi import FastAPI
from pydantic import AfterValidator, Field
from starlette.requests import Request
from starlette.responses import Response

from paddle_vlm.serving import openapi
from paddle_vlm.serving.engine import Item
from paddle_vlm.serving.inputs import options_of, the_image
from paddle_vlm.serving.options import TaskOptions, Texts, Whole
from paddle_vlm.serving.service import Service, answer

TASK = "classify"
EXAMPLE = {"classes": [{"label": "猫", "score": 0.93}, {"label": "狗", "score": 0.05}]}


def _distinct(labels: list[str]) -> list[str]:
    names = [label.strip() for label in labels]
    if not all(names) or len(set(names)) < len(names) or any(len(name) > 50 for name in names):
        raise ValueError(" 里的标签不能为空、重复或超过 50 个字")
    return names


class Options(TaskOptions):
    k: Whole = Field(5, ge=1, le=1000, description="列出最可能的几类")
    labels: Annotated[Texts, AfterValidator(_distinct)] | None = Field(
        None, min_length=2, max_length=100, description="候选标签,如 猫,狗,汽车:不用训练,由图文搜索模型判断"
    )


def add_routes(app: FastAPI, service: Service) -> None:
    """Join the service."""

    @app.post(
        "/v1/classify",
        summary="图片分类",
        description="按训练好的分类器判断;给出 `labels` 时在这些标签里选(零样本)。",
        tags=["图片"],
        responses=openapi.responses(openapi.json_example(EXAMPLE)),
        openapi_extra=openapi.body(Options, {"image": "<base64>", "k": 3, "labels": ["猫", "狗", "汽车"]}, "one"),
    )
    async def classify(request: Request) -> Response:
        inputs = await service.read(request)
        options = options_of(Options, inputs)
        return answer(await service.run(TASK, Item([the_image(inputs)], options.model_dump())))
