"""Errors as HTTP answers: a status, a code for programs, a Chinese message for people."""

import json
import math
from dataclasses import dataclass, field
from http import HTTPStatus

from paddle_vlm.errors import (
    BadImage,
    BadIndex,
    BadText,
    Busy,
    ImageTooLarge,
    MissingDependency,
    MissingWeights,
    OutputError,
    PaddleVLMError,
    TooLate,
    UsageError,
)


@dataclass
class Problem(Exception):
    """What a client is told in place of a result."""

    status: int
    code: str
    message: str
    headers: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, dict[str, str]]:
        """The body."""
        return {"error": {"code": self.code, "message": self.message}}

    def body(self) -> bytes:
        """The body as JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False).encode()


# The first that fits counts.
_STATUS: tuple[tuple[type[Exception], int, str], ...] = (
    (ImageTooLarge, 413, "image_too_large"),
    (BadImage, 422, "bad_image"),
    (BadText, 422, "bad_text"),
    (UsageError, 422, "bad_request"),
    (Busy, 503, "busy"),
    (TooLate, 504, "timeout"),
    (BadIndex, 503, "index_unavailable"),
    (MissingWeights, 503, "model_unavailable"),
    (MissingDependency, 503, "model_unavailable"),
    (OutputError, 507, "cannot_write"),
)


def problem_of(error: Exception) -> Problem:
    """The answer for an error; 500 for one that nobody foresaw."""
    if isinstance(error, Problem):
        return error
    for kind, status, code in _STATUS:
        if isinstance(error, kind):
            return Problem(status, code, str(error), _retry_after(error, status))
    if isinstance(error, PaddleVLMError):
        return Problem(422, "bad_request", str(error))
    return Problem(500, "internal", "内部错误。请把响应头 X-Request-ID 的值告诉管理员。")


def _retry_after(error: Exception, status: int) -> dict[str, str]:
    if status != HTTPStatus.SERVICE_UNAVAILABLE:
        return {}
    return {"Retry-After": str(math.ceil(error.retry_after if isinstance(error, Busy) else 5))}


# status -> what it means, for the errors that HTTP itself knows
MEANINGS = {
    400: "请求格式有误",
    401: "缺少或错误的 X-API-Key",
    404: "没有这个地址",
    405: "此地址不支持这种方法",
    408: "请求发送得太慢",
    409: "新模型不可用,仍在用原来的模型",
    413: "请求或图片太大",
    415: "不支持的内容类型",
    422: "内容有误:图片无法读取、缺少参数或参数不合要求",
    429: "同一客户端的并发请求太多",
    503: "服务繁忙或正在恢复,请按 Retry-After 重试",
    504: "处理超时",
    507: "服务器磁盘已满",
}
