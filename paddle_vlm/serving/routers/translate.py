"""POST /v1/translate: the Chinese text in pictures becomes English, in place."""

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any, Literal

from fastapi import FastAPI
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from paddle_vlm.serving import openapi
from paddle_vlm.serving.engine import Item
from paddle_vlm.serving.inputs import options_of
from paddle_vlm.serving.options import TaskOptions
from paddle_vlm.serving.problems import Problem, problem_of
from paddle_vlm.serving.service import Service, answer, lines

TASK = "translate"
EXAMPLE = {
    "image": "<base64>",
    "media_type": "image/jpeg",
    "width": 640,
    "height": 480,
    "regions": [{"polygon": [[10, 10], [90, 10], [90, 30], [10, 30]], "text": "出口", "translation": "Exit",
                 "source": "dictionary", "ocr_score": 0.99, "translation_score": 1.0, "orientation": "horizontal",
                 "font_size": 18.0, "color": "#ffffff"}],
    "seconds": {"total": 0.8},
}  # fmt: skip


class Options(TaskOptions):
    format: Literal["json", "image", "regions"] | None = Field(
        None,
        description="json(默认):译图(base64)和各区域;image:只要译图(Accept 为 image/* 时的默认);regions:只要各区域",
    )


def add_routes(app: FastAPI, service: Service) -> None:
    """Join the service."""

    @app.post(
        "/v1/translate",
        summary="图片翻译",
        description="一张图片得到译图和各区域;多张图片以 NDJSON 逐行返回,完成一张给一行(`index` 是序号)。",
        tags=["图片"],
        responses=openapi.responses(
            openapi.json_example(EXAMPLE)
            | {media: {"schema": {"type": "string", "format": "binary"}} for media in ("image/jpeg", "image/png")}
            | {media: {"schema": {"type": "string", "format": "binary"}} for media in ("image/webp", "image/gif")}
            | {"application/x-ndjson": {"schema": {"type": "string"}}}
        ),
        openapi_extra=openapi.body(Options, {"images": ["<base64>"], "format": "json"}, "many"),
    )
    async def translate(request: Request) -> Response:
        inputs = await service.read(request)
        form = options_of(Options, inputs).format
        if not inputs.images:
            raise Problem(422, "bad_request", "没有图片。请用字段 image 上传一张。")
        if len(inputs.images) > 1:
            if form == "image":
                raise Problem(422, "bad_request", "format=image 一次只能处理一张图片。")
            return lines(_several(service, inputs.images, form or "json"))
        if form is None:
            form = "image" if request.headers.get("accept", "").startswith("image/") else "json"
        result = await service.run(TASK, Item(inputs.images, {"format": form}))
        if form == "image":
            return Response(result["image"], media_type=result["media_type"])
        return answer(_record(result))


def _record(result: dict[str, Any]) -> dict[str, Any]:
    if "image" not in result:
        return result["record"]
    picture = base64.b64encode(result["image"]).decode()
    return {"image": picture, "media_type": result["media_type"], **result["record"]}


async def _several(service: Service, images: list[bytes], form: str) -> AsyncIterator[dict[str, Any]]:
    """A line as each picture is done; no more at once than there are workers, so that others get their turn."""
    free = asyncio.Semaphore(service.settings.workers)

    async def one(number: int, data: bytes) -> dict[str, Any]:
        try:
            async with free:
                result = await service.run_patiently(TASK, Item([data], {"format": form}))
            return {"index": number, "result": _record(result)}
        except Exception as error:  # noqa: BLE001 - one picture must not end the others
            return {"index": number, **problem_of(error).to_dict()}

    tasks = [asyncio.ensure_future(one(number, data)) for number, data in enumerate(images)]
    try:
        for done, task in enumerate(asyncio.as_completed(tasks), 1):
            yield {"done": done, "total": len(images), **await task}
    finally:
        for waiting in tasks:
            waiting.cancel()
