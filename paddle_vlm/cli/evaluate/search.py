"""`tools/eval.py search`: how well Chinese sentences and pictures find each other, and how honest the scores are."""

import argparse
from pathlib import Path

from paddle_vlm.cli.evaluate import add_json_argument, report
from paddle_vlm.runtime import heavy_imports

HELP = "图文检索的召回率与概率校准"
FONT = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")  # where Debian and Ubuntu put it


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of this command."""
    parser.add_argument("--data", type=Path, required=True, metavar="文件夹", help="与 Flickr8k-CN 布局相同的图文数据")
    parser.add_argument("--split", default="val", metavar="名称", help="用 <名称>.jsonl 和 <名称>.tar(默认 val)")
    parser.add_argument("--kind", default="zh", choices=["zh", "zh_mt"], help="人写的还是机器翻译的描述(默认 zh)")
    parser.add_argument("--model", default="search", metavar="名称", help="模型名称或文件夹(默认:自带模型)")
    parser.add_argument("--limit", type=int, metavar="N", help="只用前 N 张图片(快速检查用)")
    parser.add_argument("--no-rerank", action="store_true", help="不做重排(只评估双编码器时用)")
    parser.add_argument(
        "--emoji",
        nargs="?",
        const=FONT,
        type=Path,
        metavar="字体",
        help=f"另测 emoji:用训练中没有的画风,由名称找图(默认字体 {FONT})",
    )
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Evaluate; returns the exit code."""
    with heavy_imports():
        from paddle_vlm.retrieval import evaluation
        from paddle_vlm.retrieval.encoder import SearchModel

        model = SearchModel.load(args.model)
        figures = evaluation.evaluate(model, args.data, args.split, args.kind, args.limit, not args.no_rerank)
        if args.emoji is not None:
            figures |= evaluation.evaluate_emoji(model, args.emoji)
    report(figures, args.json)
    return 0
