"""`tools/eval.py TASK …`: how good a model is on a data set. Each task is a module here, as in `paddle_vlm.cli`."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# name -> module; imported only when called
COMMANDS = {
    "classify": "paddle_vlm.cli.evaluate.classify",
    "text": "paddle_vlm.cli.evaluate.text",
    "translate": "paddle_vlm.cli.evaluate.translate",
    "search": "paddle_vlm.cli.evaluate.search",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Evaluate one model. Returns the exit code, as `paddle_vlm.cli.main`."""
    from paddle_vlm import cli

    return cli.main(argv, COMMANDS, prog="tools/eval.py", description="在数据集上评估模型,结果写成 JSON。")


def add_json_argument(parser: argparse.ArgumentParser) -> None:
    """The option that every task has."""
    parser.add_argument("--json", type=Path, metavar="文件", help="把结果另存为此 JSON 文件")


def report(figures: Mapping[str, Any], path: Path | None) -> None:
    """Print the figures as JSON and write them to `path` where given. Raises OutputError."""
    sys.stdout.write(json.dumps(figures, ensure_ascii=False, indent=1) + "\n")
    if path is not None:
        from paddle_vlm.files import write_json

        write_json(path, figures)
