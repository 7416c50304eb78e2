"""What a report says, and that the run can be repeated from it."""

from dataclasses import dataclass, field
from pathlib import Path

from paddle_vlm.config import load_config
from paddle_vlm.training.config import TrainConfig
from paddle_vlm.training.loop import FitResult
from paddle_vlm.training.report import differences, write_report


@dataclass
class Config:
    folder: Path | None = None
    sizes: tuple[int, int] = (1, 2)
    options: dict[str, int] = field(default_factory=dict)
    train: TrainConfig = field(default_factory=TrainConfig)


CHANGED = Config(Path("data/x"), (3, 4), {"宽": 5}, TrainConfig(lr=0.5, early_stopping=3))


def test_only_what_differs_from_the_defaults_is_listed():
    assert differences(Config()) == {}
    wanted = {"folder": "data/x", "sizes": [3, 4], "options": {"宽": 5}, "train": {"lr": 0.5, "early_stopping": 3}}
    assert differences(CHANGED) == wanted


def test_the_report_tells_the_result_and_its_config_repeats_the_run(tmp_path):
    history = [{"epoch": 1, "train_loss": 2.0}, {"epoch": 2, "train_loss": 1.0, "accuracy": 0.75}]
    result = FitResult(history, 0.75, 2, Path("best"), 120.0, "完成 2 轮")
    write_report(tmp_path / "report.md", "标题", CHANGED, result, {"数据": "三类"})
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    for part in (
        "# 标题",
        "0.7500(第 2 轮)",
        "完成 2 轮",
        "2.0 分钟",
        "## 数据\n\n三类",
        "| 1 | 2 |  |",
        "| 2 | 1 | 0.75 |",
    ):
        assert part in text
    assert load_config(Config, tmp_path / "config.yaml") == CHANGED
