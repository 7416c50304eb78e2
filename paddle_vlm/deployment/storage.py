"""A folder on this machine or a prefix of an object store (`s3://…`), by way of fsspec."""

import contextlib
import posixpath
import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from paddle_vlm.errors import MissingDependency, OutputError, UsageError
from paddle_vlm.vision.image import SUFFIXES

_PARTIAL = ".partial"  # of files that are being written
_WHOLE_WRITES = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "oss"}  # an object appears whole or not at all


class Place:
    """Files below one address; names are relative to it, with "/". Can be sent to another process.

    Raises MissingDependency where fsspec or the package for this kind of address is missing, and UsageError for an
    unknown kind.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri
        try:
            from fsspec.core import url_to_fs

            self._files, self._root = url_to_fs(uri)
        except ImportError as error:
            raise MissingDependency(
                f'无法打开 {uri}:{error}。请运行:pip install "paddle_vlm[scale]",并按提示安装该存储的软件包。'
            ) from error
        except ValueError as error:
            raise UsageError(f"无法打开 {uri}:{error}。请给出文件夹,或 s3:// 之类的地址。") from error

    def pictures(self) -> list[str]:
        """The names of all pictures, sorted; hidden ones are left out. Raises UsageError where there are none."""
        if not self._files.isdir(self._root):
            raise UsageError(f"找不到文件夹 {self.uri}。请检查路径或地址,以及访问权限。")
        found = [name for name in self.names() if posixpath.splitext(name)[1].lower() in SUFFIXES and not _hidden(name)]
        if not found:
            raise UsageError(f"{self.uri} 里没有图片。请检查路径;移动硬盘或网络盘请先挂载。")
        return found

    def holds(self, other: "Place") -> bool:
        """Whether the other place is this one or lies below it."""
        same = type(self._files) is type(other._files)
        return same and (f"{other._root.rstrip('/')}/").startswith(f"{self._root.rstrip('/')}/")

    def names(self, below: str = "") -> list[str]:
        """The names of all files below a folder, sorted; none where there is no folder."""
        folder = posixpath.join(self._root, below) if below else self._root
        found = self._files.find(folder) if self._files.exists(folder) else []
        return sorted(path[len(self._root) :].lstrip("/") for path in found)

    def read(self, names: Sequence[str]) -> dict[str, bytes | Exception]:
        """The content of each file, or why it cannot be read."""
        paths = [posixpath.join(self._root, name) for name in names]
        found: dict[str, Any] = self._files.cat(paths, on_error="return") if paths else {}
        return {name: found[path] for name, path in zip(names, paths, strict=True)}

    def write(self, name: str, content: bytes) -> None:
        """Replace a file, whole or not at all. Raises OutputError."""
        path = posixpath.join(self._root, name)
        protocol = self._files.protocol
        whole = not _WHOLE_WRITES.isdisjoint([protocol] if isinstance(protocol, str) else protocol)
        folder, own = posixpath.split(path)
        target = path if whole else posixpath.join(folder, f".{own}.{uuid.uuid4().hex[:8]}{_PARTIAL}")
        try:
            self._files.makedirs(folder, exist_ok=True)
            self._files.pipe_file(target, content)
            if target != path:
                self._files.mv(target, path)
        except OSError as error:
            with contextlib.suppress(OSError):
                self._files.rm_file(target)
            raise OutputError(
                f"无法写入 {self.uri}/{name}:{error.strerror or error}。请检查写权限和剩余空间。"
            ) from error

    def remove_partial(self, names: Iterable[str]) -> None:
        """Remove what a killed process was writing, of the files named."""
        for name in names:
            if name.endswith(_PARTIAL):
                self._files.rm_file(posixpath.join(self._root, name))


def _hidden(name: str) -> bool:
    return any(part.startswith(".") for part in name.split("/"))
