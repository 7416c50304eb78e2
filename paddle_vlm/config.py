"""A YAML file and `-o a.b=c` overrides -> nested dataclasses, every key and value checked and named when wrong."""

import dataclasses
import difflib
import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

from paddle_vlm.errors import BadConfig

T = TypeVar("T")
# "train.epochs" -> "configs/x.yaml 第 3 行", for messages
Origins = dict[str, str]


def load_config(kind: type[T], file: str | Path | None = None, overrides: Iterable[str] = ()) -> T:
    """Build the dataclass `kind` from a YAML file, then `key.key=value` overrides (values are YAML too).

    A file holds only what differs from the dataclass's defaults. Numbers are converted to the field's type, a string to
    Path. Raises BadConfig with file and line for unknown keys (naming the nearest known one), wrong types and values
    that the dataclass's own __post_init__ rejects with ValueError.
    """
    values, origins = _read(Path(file)) if file is not None else ({}, {})
    for override in overrides:
        _override(values, origins, override)
    return _build(kind, values, origins, "")


def build_config(kind: type[T], values: Mapping[str, Any], name: str) -> T:
    """Build the dataclass `kind` from a mapping, checked as a file is; `name` says in messages where it came from."""
    return _build(kind, values, {}, name)


def _read(file: Path) -> tuple[dict[str, Any], Origins]:
    try:
        text = file.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text)
    except FileNotFoundError as error:
        raise BadConfig(f"找不到配置文件 {file}。请检查路径。") from error
    except (OSError, UnicodeDecodeError) as error:
        raise BadConfig(f"无法读取配置文件 {file}:{error}。请检查权限,并以 UTF-8 保存。") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" 第 {mark.line + 1} 行" if mark else ""
        raise BadConfig(
            f"{file}{line}:YAML 语法错误({getattr(error, 'problem', error)})。请检查缩进和冒号。"
        ) from error
    if values is None:
        return {}, {}
    if not isinstance(values, dict):
        raise BadConfig(f"{file}:最外层应是“键: 值”。")
    origins: Origins = {}
    for key, number in _lines(node, ""):
        if key in origins:
            raise BadConfig(f"{file} 第 {number} 行:{key} 重复({origins[key]} 已有)。请删去一处。")
        origins[key] = f"{file} 第 {number} 行"
    return values, origins


def _lines(node: yaml.Node | None, prefix: str) -> Iterator[tuple[str, int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            path = _join(prefix, str(key.value))
            yield path, key.start_mark.line + 1
            yield from _lines(value, path)


def _join(prefix: str, key: str) -> str:
    return f"{prefix}.{key}" if prefix else key


def _override(values: dict[str, Any], origins: Origins, text: str) -> None:
    key, equals, value = text.partition("=")
    parts = [part.strip() for part in key.split(".")]
    if not equals or not all(parts):
        raise BadConfig(f"-o {text}:应写作 -o 键=值,例如 -o train.epochs=3。")
    try:
        parsed = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise BadConfig(f"-o {text}:值不是合法的 YAML({error})。必要时给它加引号。") from error
    for part in parts[:-1]:
        inner = values.setdefault(part, {})
        if not isinstance(inner, dict):
            inner = values[part] = {}
        values = inner
    values[parts[-1]] = parsed
    origins[".".join(parts)] = f"-o {text}"


def _build(kind: Any, values: Mapping[str, Any], origins: Origins, prefix: str) -> Any:
    fields = {field.name: field for field in dataclasses.fields(kind) if field.init}
    hints = typing.get_type_hints(kind)
    arguments = {}
    for name, value in values.items():
        path = _join(prefix, str(name))
        if name not in fields:
            near = difflib.get_close_matches(str(name), fields, n=1, cutoff=0.5)
            remedy = f"是否想写 {near[0]}?" if near else f"可用的键:{'、'.join(fields)}。"
            raise BadConfig(f"{origins.get(path, path)}:不认识的设置 {path}。{remedy}")
        arguments[name] = _convert(value, hints[name], origins, path)
    missing = [
        name
        for name, field in fields.items()
        if name not in arguments
        and field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise BadConfig(
            f"{origins.get(prefix, '配置')}:缺少必需的设置 {'、'.join(_join(prefix, m) for m in missing)}。"
        )
    try:
        return kind(**arguments)
    except ValueError as error:
        raise BadConfig(f"{origins.get(prefix, prefix or '配置')}:{error}") from error


def _convert(value: Any, hint: Any, origins: Origins, path: str) -> Any:
    """`value` as the type `hint` says, or BadConfig."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if dataclasses.is_dataclass(hint):
        if value is None or isinstance(value, Mapping):
            return _build(hint, value or {}, origins, path)
    elif origin in (typing.Union, types.UnionType):
        return _convert_union(value, inner, origins, path)
    elif origin is typing.Literal:
        if value in inner:
            return value
        raise BadConfig(f"{origins.get(path, path)}:{path} 不能是 {value!r}。可用:{'、'.join(map(str, inner))}。")
    elif origin in (list, tuple):
        if isinstance(value, Sequence) and not isinstance(value, str):
            return _convert_items(value, hint, origins, path)
    elif origin is dict:
        if isinstance(value, Mapping):
            return {key: _convert(item, inner[1], origins, _join(path, str(key))) for key, item in value.items()}
    elif (scalar := _scalar(value, hint)) is not None or (value is None and hint is type(None)):
        return scalar
    raise BadConfig(f"{origins.get(path, path)}:{path} 应是{_name(hint)},不能是 {value!r}。")


def _convert_union(value: Any, arms: tuple[Any, ...], origins: Origins, path: str) -> Any:
    exact = [arm for arm in arms if isinstance(arm, type) and type(value) is arm]
    failure: BadConfig | None = None
    for arm in exact or arms:
        try:
            return _convert(value, arm, origins, path)
        except BadConfig as error:
            failure = failure or error
    raise failure or BadConfig(f"{path}:没有可用的类型")


def _convert_items(value: Sequence[Any], hint: Any, origins: Origins, path: str) -> Any:
    kind, inner = typing.get_origin(hint), typing.get_args(hint)
    if kind is tuple and inner[-1] is not Ellipsis:
        if len(inner) != len(value):
            raise BadConfig(f"{origins.get(path, path)}:{path} 应有 {len(inner)} 项,给了 {len(value)} 项。")
        kinds = inner
    else:
        kinds = (inner[0],) * len(value)
    return kind(_convert(item, each, origins, path) for item, each in zip(value, kinds, strict=True))


def _scalar(value: Any, hint: Any) -> Any:
    """The value as bool, int, float, str or Path; None where that would change its meaning."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if hint is bool:
        return value if isinstance(value, bool) else None
    if hint is int:
        return int(value) if number and value == int(value) else None
    if hint is float:
        try:
            return float(value) if number or isinstance(value, str) else None  # YAML 1.1 reads 1e-4 as a string
        except ValueError:
            return None
    if hint is str:
        return str(value) if number or isinstance(value, str) else None
    if hint is Path:
        return Path(value) if isinstance(value, str) else None
    return value if isinstance(hint, type) and isinstance(value, hint) else None


def _name(hint: Any) -> str:
    names = {bool: "true 或 false", int: "整数", float: "数", str: "文字(必要时加引号)", Path: "路径", type(None): "空"}
    if hint in names:
        return names[hint]
    if dataclasses.is_dataclass(hint):
        return "一组“键: 值”"
    return "一组“键: 值”" if typing.get_origin(hint) is dict else "一个列表,如 [1, 2]"
