"""What the OpenAPI document says of an operation that reads its body itself."""

from typing import Any

from pydantic import BaseModel

from paddle_vlm.serving.problems import MEANINGS

_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": {"type": "string", "examples": ["bad_image"]},
                "message": {"type": "string", "description": "中文说明", "examples": ["图片是空的(0 字节)。"]},
            },
        }
    },
}
_BINARY = {"type": "string", "format": "binary", "description": "图片文件"}
_BASE64 = {"type": "string", "contentEncoding": "base64", "description": "图片文件的 base64,可带 data: 前缀"}
_FAILURES = (400, 401, 408, 413, 415, 422, 429, 503, 504)


def responses(success: dict[str, Any], failures: tuple[int, ...] = _FAILURES) -> dict[int | str, dict[str, Any]]:
    """For FastAPI: what is answered when all is well (media type -> schema or example), and the errors."""
    answers: dict[int | str, dict[str, Any]] = {200: {"description": "成功", "content": success}}
    for status in failures:
        answers[status] = {"description": MEANINGS[status], "content": {"application/json": {"schema": _ERROR}}}
    return answers


def json_example(example: dict[str, Any]) -> dict[str, Any]:
    """A JSON answer, by an example."""
    return {"application/json": {"schema": {"type": "object"}, "example": example}}


def body(options: type[BaseModel], example: dict[str, Any], images: str = "", texts: bool = False) -> dict[str, Any]:
    """For FastAPI's openapi_extra: a body in JSON and, with pictures, as a form or a bare picture.

    Args:
        images: "" for none, "one", or "many".
        texts: whether text may take a picture's place.
    """
    schema = options.model_json_schema(ref_template="#/components/schemas/{model}")
    properties, needed = schema.get("properties", {}), schema.get("required", [])
    name = "images" if images == "many" else "image"
    if not images:
        content: dict[str, Any] = {"application/json": {"schema": _object(properties, needed), "example": example}}
        return {"requestBody": {"required": True, "content": content}}
    wanted = [*needed] if texts else [*needed, name]

    def with_picture(picture: dict[str, Any]) -> dict[str, Any]:
        several = {"type": "array", "items": picture, "minItems": 1}
        return _object({name: several if images == "many" else picture, **properties}, wanted)

    content = {
        "multipart/form-data": {"schema": with_picture(_BINARY)},
        "application/json": {"schema": with_picture(_BASE64), "example": example},
    }
    for media_type in ("image/jpeg", "image/png"):
        content[media_type] = {"schema": _BINARY}
    parameters = [
        {"name": key, "in": "query", "required": False, "schema": value, "description": _QUERY}
        for key, value in properties.items()
    ]
    return {"requestBody": {"required": True, "content": content}, "parameters": parameters}


_QUERY = "请求体就是图片时,参数写在网址里"


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return schema | ({"required": required} if required else {})
