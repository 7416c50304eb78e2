"""From a request's body to pictures and options. All is taken from the body itself: no URL or path is followed."""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.message import Message
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from paddle_vlm.serving.problems import Problem

Options = TypeVar("Options", bound=BaseModel)

_PICTURES = ("image", "images", "file", "files")  # fields that hold pictures
_MAX_FIELDS = 1000


@dataclass
class Inputs:
    """What a client has sent."""

    images: list[bytes] = field(default_factory=list)
    fields: dict[str, Any] = field(default_factory=dict)


def parse(body: bytes, content_type: str, query: bytes) -> Inputs:
    """The pictures and fields of a request; fields of the query too. Raises Problem."""
    inputs = Inputs(fields=_query_fields(query))
    kind, _, _ = content_type.partition(";")
    kind = kind.strip().lower()
    if kind == "application/json":
        _parse_json(body, inputs)
    elif kind == "multipart/form-data":
        _parse_form(body, content_type, inputs)
    elif kind.startswith("image/") or kind == "application/octet-stream":
        if body:
            inputs.images.append(body)
    elif body or kind:
        raise Problem(
            415,
            "unsupported_media_type",
            f"不支持的 Content-Type“{kind[:60]}”。请用 multipart/form-data、application/json 或图片类型。",
        )
    return inputs


def options_of(kind: type[Options], inputs: Inputs) -> Options:
    """The fields as the options of a task. Raises Problem that names every wrong field."""
    try:
        return kind.model_validate(inputs.fields)
    except ValidationError as error:
        reasons = ";".join(_explain(each) for each in error.errors(include_url=False)[:5])
        raise Problem(422, "bad_request", f"参数有误:{reasons}。") from error


def the_image(inputs: Inputs) -> bytes:
    """The one picture of a request. Raises Problem."""
    if len(inputs.images) != 1:
        many = f"给了 {len(inputs.images)} 张" if inputs.images else "没有图片"
        raise Problem(422, "bad_request", f"此接口一次处理一张图片,{many}。请用字段 image 上传一张。")
    return inputs.images[0]


def _query_fields(query: bytes) -> dict[str, Any]:
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="strict")
    except (ValueError, UnicodeError) as error:
        raise Problem(400, "bad_request", "网址中的查询参数无法解析。请用 UTF-8 百分号编码。") from error
    return _gathered(pairs)


def _gathered(pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """A field that is given several times becomes a list."""
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if name not in fields:
            fields[name] = value
        elif isinstance(fields[name], list):
            fields[name].append(value)
        else:
            fields[name] = [fields[name], value]
    return fields


def _parse_json(body: bytes, inputs: Inputs) -> None:
    try:
        values = json.loads(body)
    except (ValueError, RecursionError) as error:  # bytes that are no UTF-8 and overlong numbers are ValueErrors too
        raise Problem(400, "bad_json", "请求体不是合法的 JSON(UTF-8)。") from error
    if not isinstance(values, dict):
        raise Problem(422, "bad_json", '请求体应是一个 JSON 对象,如 {"image": "<base64>"}。')
    for name in _PICTURES:
        given = values.pop(name, None)
        pictures = given if isinstance(given, list) else [] if given is None else [given]
        inputs.images += [_from_base64(picture, name) for picture in pictures]
    inputs.fields |= values


def _from_base64(text: Any, name: str) -> bytes:
    if not isinstance(text, str):
        raise Problem(422, "bad_base64", f"{name} 应是 base64 字符串。")
    if text[:5].lower() == "data:":
        text = text.partition(",")[2]
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Problem(
            422, "bad_base64", f"{name} 不是合法的 base64。服务不会读取网址或文件路径,请发送图片内容本身。"
        ) from error


def _parse_form(body: bytes, content_type: str, inputs: Inputs) -> None:
    boundary = _parameters(content_type).get("boundary", "")
    if not boundary:
        raise Problem(400, "bad_form", "multipart/form-data 缺少 boundary。")
    form = _Form()
    try:
        parser = MultipartParser(boundary.encode("latin-1"), form.callbacks())
        parser.write(body)
        parser.finalize()
        texts = [(name, value.decode("utf-8")) for name, value in form.texts]
    except (FormParserError, UnicodeError) as error:
        raise Problem(400, "bad_form", "无法解析 multipart/form-data。请检查 boundary 与 UTF-8 编码。") from error
    if not form.ended:
        raise Problem(400, "bad_form", "multipart/form-data 请求体不完整。")
    inputs.images += form.pictures
    inputs.fields |= _gathered(texts)


def _parameters(header: str) -> Mapping[str, str]:
    message = Message()
    message["content-type"] = header.replace("\r", "").replace("\n", "")
    return {name.lower(): value for name, value in message.get_params(failobj=[])[1:]}


class _Form:
    """Gathers the parts of a form."""

    def __init__(self) -> None:
        self.pictures: list[bytes] = []
        self.texts: list[tuple[str, bytes]] = []
        self.ended = False
        self._name, self._value, self._data = bytearray(), bytearray(), bytearray()
        self._field = ""

    def callbacks(self) -> Any:
        """As MultipartParser wants them."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._name.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._header,
            "on_part_data": lambda data, start, end: self._data.extend(memoryview(data)[start:end]),
            "on_part_end": self._end,
            "on_end": self._finish,
        }

    def _begin(self) -> None:
        self._field, self._data = "", bytearray()

    def _header(self) -> None:
        if bytes(self._name).lower() == b"content-disposition":
            self._field = _parameters(self._value.decode("utf-8", "replace")).get("name", "")
        self._name, self._value = bytearray(), bytearray()

    def _end(self) -> None:
        if len(self.pictures) + len(self.texts) >= _MAX_FIELDS:
            raise FormParserError("too many fields")
        if self._field in _PICTURES:
            self.pictures.append(bytes(self._data))
        elif self._field:
            self.texts.append((self._field, bytes(self._data)))

    def _finish(self) -> None:
        self.ended = True


_REASONS = {
    "missing": "必须给出",
    "int_parsing": "应是整数",
    "int_type": "应是整数",
    "int_from_float": "应是整数",
    "float_parsing": "应是数",
    "float_type": "应是数",
    "finite_number": "应是有限的数",
    "bool_parsing": "应是 true 或 false",
    "bool_type": "应是 true 或 false",
    "string_type": "应是文字",
    "list_type": "应是列表",
    "extra_forbidden": "没有这个参数",
    "greater_than_equal": "不能小于 {ge}",
    "less_than_equal": "不能大于 {le}",
    "string_too_short": "不能少于 {min_length} 个字",
    "string_too_long": "不能超过 {max_length} 个字",
    "too_short": "至少要有 {min_length} 项",
    "too_long": "最多 {max_length} 项",
    "literal_error": "只能是 {expected}",
}


def _explain(error: Any) -> str:
    place = ".".join(str(part) for part in error["loc"])[:80]
    if error["type"] == "value_error":
        return f"{place}{error['ctx']['error']}"
    reason = _REASONS.get(error["type"], "不合要求")
    return f"{place} {reason.format(**error.get('ctx', {}))}"
