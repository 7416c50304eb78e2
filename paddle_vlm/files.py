"""Files written whole or not at all."""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from paddle_vlm.errors import OutputError


def write_whole(path: Path, content: bytes, parents: bool = True) -> None:
    """Replace `path` by `content`; a failure leaves the old file. Raises OutputError.

    `parents` makes missing folders; without it they are an error, as for a name that a user may have mistyped.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if parents:
            path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # else a power cut could leave the new name with no content
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise OutputError(
            f"无法写入 {path}:{error.strerror or error}。请检查目录、写权限和剩余空间;此前保存的内容仍完好。"
        ) from error


def write_json(path: Path, value: Any, parents: bool = True) -> None:
    """Replace `path` by `value` as UTF-8 JSON, as `write_whole` does. Raises OutputError."""
    write_whole(path, (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode(), parents)
