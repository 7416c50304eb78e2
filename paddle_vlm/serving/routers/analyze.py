"""POST /v1/analyze: words, names, sentiment, topic, keywords and summary of a Chinese text."""

from typing import Annotated, Literal, get_args

from fastapi import FastAPI
from pydantic import BeforeValidator, Field
from starlette.requests import Request
from starlette.responses import Response

from paddle_vlm.serving import openapi
from paddle_vlm.serving.engine import Item
from paddle_vlm.serving.inputs import options_of
from paddle_vlm.serving.options import TaskOptions, Text, Whole, separated
from paddle_vlm.serving.service import Service, answer

TASK = "analyze"
Part = Literal["words", "sentiment", "topic", "keywords", "summary"]
PARTS: list[Part] = list(get_args(Part))
EXAMPLE = {
    "text": "张三昨天在北京大学听了报告",
    "words": [{"word": "张三", "tag": "PER", "start": 0, "end": 2}],
    "names": [{"word": "张三", "tag": "PER", "start": 0, "end": 2}],
    "sentiment": {"label": "正面", "probability": 0.8, "probabilities": {"正面": 0.8, "负面": 0.2}},
}


class Options(TaskOptions):
    text: Text = Field(description="中文文本")
    parts: Annotated[list[Part], BeforeValidator(separated)] = Field(PARTS, min_length=1, description="要分析的项目")
    keywords: Whole = Field(5, ge=1, le=100, description="关键词个数")
    sentences: Whole = Field(3, ge=1, le=100, description="摘要句数")


def add_routes(app: FastAPI, service: Service) -> None:
    """Join the service."""

    @app.post(
        "/v1/analyze",
        summary="文本分析",
        description="词、词性、人名地名机构名、情感、主题、关键词、摘要。",
        tags=["文本"],
        responses=openapi.responses(openapi.json_example(EXAMPLE)),
        openapi_extra=openapi.body(Options, {"text": "张三昨天在北京大学听了报告", "parts": ["words"]}),
    )
    async def analyze(request: Request) -> Response:
        options = options_of(Options, await service.read(request))
        service.check_text(options.text)
        return answer(await service.run(TASK, Item(options=options.model_dump())))
