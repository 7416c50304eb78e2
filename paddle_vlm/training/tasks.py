"""What can be trained: the name under `task:` in a YAML file -> its module with `Config` and `run`."""

import difflib
import importlib
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

from paddle_vlm.config import load_config
from paddle_vlm.errors import BadConfig

# imported only when asked for
TASKS = {
    "classify": "paddle_vlm.training.classify",
    "text_classify": "paddle_vlm.training.text_classify",
    "tagging": "paddle_vlm.training.tagging",
    "translate": "paddle_vlm.training.translate",
    "search": "paddle_vlm.training.search",
    "matching": "paddle_vlm.training.matching",
    "distil": "paddle_vlm.training.distil",
}


def load_task(file: Path, overrides: Sequence[str] = ()) -> tuple[ModuleType, Any]:
    """The task's module and its Config from a YAML file and `key=value` overrides. Raises BadConfig."""
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        values = load_config(Any, file)  # explains what is wrong with the file
    name = values.get("task") if isinstance(values, dict) else None
    if name is None:
        raise BadConfig(f"{file} 没有写明任务。请在最外层加一行,如 task: classify(可用:{'、'.join(TASKS)})。")
    if name not in TASKS:
        near = difflib.get_close_matches(str(name), TASKS, n=1)
        raise BadConfig(
            f"{file}:没有任务 {name}。" + (f"是否想写 {near[0]}?" if near else f"可用:{'、'.join(TASKS)}。")
        )
    module = importlib.import_module(TASKS[name])
    return module, load_config(module.Config, file, overrides)
