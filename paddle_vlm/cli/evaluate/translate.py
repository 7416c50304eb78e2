"""`tools/eval.py translate`: BLEU and chrF of a translator on a parallel file."""

import argparse
from pathlib import Path

from paddle_vlm.cli.evaluate import add_json_argument, report
from paddle_vlm.runtime import heavy_imports

HELP = "译文的 BLEU 和 chrF"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of this command."""
    parser.add_argument(
        "--data", type=Path, required=True, metavar="TSV", help="中文<Tab>英文[<Tab>OCR 读出的中文],可以是 .gz"
    )
    parser.add_argument("--model", default="translator", metavar="名称", help="模型名称或文件夹(默认:自带模型)")
    parser.add_argument("--limit", type=int, metavar="行数", help="只用前这么多行")
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Evaluate; returns the exit code."""
    with heavy_imports():
        from paddle_vlm.translation import evaluation
        from paddle_vlm.translation.translator import Translator
        from paddle_vlm.weights import fetch

        rows = evaluation.read_pairs(args.data)[: args.limit]
        seen = fetch(args.model) / evaluation.SEEN
        report(evaluation.evaluate(Translator(args.model), rows, seen), args.json)
    return 0
