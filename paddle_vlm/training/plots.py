"""Learning curves and confusion matrices as PNG. matplotlib and a Chinese font come with the extra `train`."""

import contextlib
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from paddle_vlm.errors import MissingDependency
from paddle_vlm.files import write_whole
from paddle_vlm.training.logs import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Where no font comes with Python: what Windows, macOS and Linux have for Chinese.
_SYSTEM_FONTS = ["Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Microsoft YaHei", "PingFang SC", "SimHei"]
_SYSTEM_FONTS += ["Hiragino Sans GB", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "AR PL UMing CN", "Arial Unicode MS"]
_NAMES = {
    "loss": "损失",
    "accuracy": "准确率",
    "train_loss": "训练损失",
    "valid_loss": "验证损失",
    "train_accuracy": "训练准确率",
    "macro_f1": "宏平均 F1",
}


def learning_curves(history: Sequence[Row], path: Path) -> None:
    """One panel for the losses, one a metric. Raises MissingDependency and OutputError."""
    columns = [c for c in dict.fromkeys(k for row in history for k in row) if c not in ("epoch", "lr", "seconds")]
    panels: dict[str, list[str]] = {}
    for column in columns:
        panels.setdefault(column.removeprefix("train_").removeprefix("valid_"), []).append(column)
    with _drawing(path) as figure:
        figure.set_size_inches(5 * len(panels), 4)
        for axes, (title, lines) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
            for line in lines:
                points = [(row["epoch"], row[line]) for row in history if line in row]
                axes.plot(*zip(*points, strict=True), marker="o", markersize=3, label=_NAMES.get(line, line))
            axes.set_title(_NAMES.get(title, title))
            axes.set_xlabel("轮")
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.grid(alpha=0.3)
            if len(lines) > 1:
                axes.legend()


def confusion_matrix(matrix: np.ndarray, names: Sequence[str], path: Path) -> None:
    """Rows are true classes, columns predicted ones; shades are shares of the row. Raises as `learning_curves`."""
    shares = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    side = min(30.0, 3 + 0.5 * len(names))
    with _drawing(path) as figure:
        figure.set_size_inches(side, side)
        axes = figure.subplots()
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        axes.set_xticks(range(len(names)), names, rotation=90)
        axes.set_yticks(range(len(names)), names)
        axes.set_xlabel("预测")
        axes.set_ylabel("真实")
        for row, column in np.argwhere(matrix > 0) if len(names) <= 30 else ():
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(matrix[row, column]), ha="center", va="center", color=colour, fontsize=8)


@contextlib.contextmanager
def _drawing(path: Path) -> Iterator["Figure"]:
    """An empty figure that writes in Chinese, saved at the end: no pyplot, whose global state nobody needs here."""
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependency("没有安装 matplotlib,无法画图。请在项目目录运行:pip install -e '.[train]'") from error
    style = {"font.family": _fonts(), "axes.unicode_minus": False}  # many Chinese fonts lack U+2212
    with mpl.rc_context(style):
        figure = Figure(dpi=120, layout="constrained")
        yield figure
        _save(figure, path)


def _fonts() -> list[str]:
    from matplotlib import font_manager

    fonts = [*_SYSTEM_FONTS]
    with contextlib.suppress(ImportError):
        import pylopdf_fonts_zh_cn

        file = Path(pylopdf_fonts_zh_cn.__file__).parent / "NotoSansSC-Regular.otf"
        font_manager.fontManager.addfont(file)
        fonts.insert(0, font_manager.FontProperties(fname=file).get_name())
    installed = {font.name for font in font_manager.fontManager.ttflist}
    return [*(name for name in fonts if name in installed), "DejaVu Sans"]


def _save(figure: "Figure", path: Path) -> None:
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png")
    write_whole(path, drawn.getvalue())
