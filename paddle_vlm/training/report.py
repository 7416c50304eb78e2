"""report.md and config.yaml: what a run was told, how it went and how to repeat it."""

import dataclasses
import logging
import platform
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import paddle
import yaml

from paddle_vlm import runtime
from paddle_vlm.errors import MissingDependency
from paddle_vlm.training.logs import Row, write_text
from paddle_vlm.training.loop import FitResult

log = logging.getLogger(__name__)


def write_report(path: Path, title: str, config: Any, result: FitResult, sections: Mapping[str, str]) -> None:
    """A run's report.md with config.yaml beside it.

    Args:
        config: the task's dataclass, with a `train` of its own.
        sections: heading -> Markdown, between the summary and the history.

    Raises OutputError.
    """
    train = config.train
    rows = [("结束", result.stopped), ("用时", f"{result.seconds / 60:.1f} 分钟"), ("随机种子", str(train.seed))]
    if result.best_metric is not None:
        rows.insert(0, (f"最佳 {train.monitor}(验证集)", f"{result.best_metric:.4f}(第 {result.best_epoch} 轮)"))
    rows += [("环境", environment()), ("日期", date.today().isoformat())]
    parts = [f"# {title}", table(("项目", "值"), rows)]
    parts += [f"## {heading}\n\n{text}" for heading, text in sections.items()]
    parts.append(f"## 训练过程\n\n{history_table(result.history)}")
    save_config(config, path.parent)
    again = f"python tools/train.py -c {path.parent / 'config.yaml'} --out 新文件夹"
    parts.append(
        f"## 重做这次训练\n\n```bash\n{again}\n```\n\n与默认值不同的设置:\n\n```yaml\n{_yaml(differences(config))}```"
    )
    write_text(path, "\n\n".join(parts) + "\n")


def save_config(config: Any, folder: Path) -> None:
    """Write every setting, defaults included, as `folder`/config.yaml. Raises OutputError."""
    write_text(folder / "config.yaml", _yaml(_plain(dataclasses.asdict(config))))


def differences(config: Any) -> dict[str, Any]:
    """The settings of a dataclass that are not its defaults."""
    changed: dict[str, Any] = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            inner = differences(value)
            changed |= {field.name: inner} if inner else {}
        elif field.default_factory is not dataclasses.MISSING:
            changed |= {field.name: _plain(value)} if value != field.default_factory() else {}
        elif value != field.default:
            changed[field.name] = _plain(value)
    return changed


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def history_table(history: Sequence[Row]) -> str:
    """A row an epoch."""
    columns = list(dict.fromkeys(name for row in history for name in row))
    return table(columns, [[f"{row[c]:.4g}" if c in row else "" for c in columns] for row in history])


def environment() -> str:
    """Paddle's version, the processor and how many cores are used."""
    name = next(
        (line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")), platform.processor()
    )
    return f"飞桨 {paddle.__version__},{name},{runtime.cores()} 核"


def draw(picture: Callable[[], None]) -> bool:
    """Draw a picture of the report; False, and a hint in the log, where matplotlib is not installed."""
    try:
        picture()
    except MissingDependency as error:
        log.warning("%s", error)
        return False
    return True


def _cpuinfo() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:  # not Linux
        return []


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _yaml(value: Any) -> str:
    return yaml.safe_dump(value, allow_unicode=True, sort_keys=False)
