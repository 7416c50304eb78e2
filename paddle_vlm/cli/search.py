"""`search`: pictures of an index by a Chinese sentence or by another picture."""

import argparse
import json
import sys
from datetime import datetime
from pathlib import Path

from paddle_vlm.errors import UsageError

HELP = "用一句中文(或一张图片)搜索自己的图片"
EPILOG = """示例:
  paddle-vlm search 红苹果 --index gallery/ -k 9 -o hits.jpg      列表,另存拼图 hits.jpg 与 hits.json
  paddle-vlm search --image query.jpg --index gallery/            以图搜图
  paddle-vlm search 海边的孩子 --index gallery/ --under ~/Pictures/2024 --after 2024-05-01
先用 paddle-vlm index 建立索引。百分数是这张图片符合描述的概率。退出码:0 完成;1 失败;2 用法错误。"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of this command."""
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("text", nargs="?", metavar="描述", help="要找的内容,一个词或一句话")
    parser.add_argument("--image", type=Path, metavar="图片", help="以图搜图")
    parser.add_argument("--index", type=Path, required=True, metavar="文件夹", help="paddle-vlm index 建立的索引")
    parser.add_argument("-k", type=_positive, default=9, metavar="张数", help="返回多少张(默认 9)")
    parser.add_argument("-o", "--output", type=Path, metavar="图片", help="把结果拼成一张图;旁边另存同名 .json")
    parser.add_argument("--json", action="store_true", help="打印 JSON,代替表格")
    parser.add_argument("--min", type=float, default=0.0, metavar="概率", help="只要概率不低于此值的图片(0 到 1)")
    parser.add_argument("--under", type=Path, metavar="文件夹", help="只在此文件夹中找")
    parser.add_argument("--after", type=_day, metavar="日期", help="只要这天及之后拍摄的(如 2024-05-01)")
    parser.add_argument("--before", type=_day, metavar="日期", help="只要这天之前拍摄的")
    parser.add_argument("--fast", action="store_true", help="不对前 20 张复核:更快,略逊")
    parser.add_argument("--device", choices=("auto", "cpu", "gpu"), default="auto", help="计算设备(默认 auto)")


def run(args: argparse.Namespace) -> int:
    """Search and show; returns the exit code."""
    if (args.text is None) == (args.image is None):
        raise UsageError("请给出一句描述,或用 --image 给出一张图片(二者之一)。")
    if args.text is not None and not args.text.strip():
        raise UsageError("查询是空的。请写出要找什么,例如:红苹果。")
    if not 0 <= args.min <= 1:
        raise UsageError(f"--min 应在 0 到 1 之间,不能是 {args.min}。")
    from paddle_vlm.runtime import heavy_imports

    with heavy_imports():
        from paddle_vlm.apps.image_search import ImageSearch
        from paddle_vlm.retrieval.catalog import Filter

    search = ImageSearch.open(args.index, args.device)
    where = None
    if args.under or args.after or args.before:
        under = args.under.expanduser().resolve().as_posix() if args.under else None
        where = Filter(under=under, after=args.after, before=args.before)
    if args.image is not None:
        result = search.search_image(args.image, args.k, where=where)
    else:
        result = search.search(args.text, args.k, min_probability=args.min, where=where, rerank=not args.fast)
    if args.output is not None:
        result.save(args.output)
    if args.json:
        sys.stdout.write(json.dumps(result.to_dict(), ensure_ascii=False, indent=1) + "\n")
    else:
        note = f" -> {args.output}" if args.output else ""
        seconds = sum(result.seconds.values())
        sys.stdout.write(f"{result.table()}\n共 {result.total} 张图片,用时 {seconds * 1000:.0f} 毫秒{note}\n")
    return 0


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"应是正整数,不能是 {text}")
    return number


def _day(text: str) -> float:
    try:
        return datetime.strptime(text, "%Y-%m-%d").timestamp()
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"日期应写作 2024-05-01,不能是 {text}") from error
