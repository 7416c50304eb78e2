"""`dedup`: pictures that are there twice."""

import argparse
import json
import logging
import sys
from pathlib import Path

HELP = "找出文件夹里重复和近似重复的图片"
EPILOG = """示例:
  paddle-vlm dedup ~/Pictures                            列出各组,每组把最好的一张排在最前
  paddle-vlm dedup ~/Pictures -o groups.jpg              另存拼图与 groups.json
  paddle-vlm dedup ~/Pictures --list > redundant.txt     每行一个多余的文件,交给您自己的脚本处理
本命令不删除任何文件。退出码:0 完成;1 失败;2 用法错误。"""

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of this command."""
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("folders", nargs="+", type=Path, metavar="文件夹", help="图片文件夹(连同子文件夹),可以多个")
    parser.add_argument("-o", "--output", type=Path, metavar="图片", help="把各组拼成一张图;旁边另存同名 .json")
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--json", action="store_true", help="打印 JSON,代替表格")
    shown.add_argument("--list", action="store_true", help="只打印多余文件的路径,每行一个")
    parser.add_argument("--model", default="search", metavar="名称或目录", help="搜索模型(默认:自带模型)")
    parser.add_argument("--device", choices=("auto", "cpu", "gpu"), default="auto", help="计算设备(默认 auto)")


def run(args: argparse.Namespace) -> int:
    """Look for duplicates and show them; returns the exit code."""
    from paddle_vlm.runtime import heavy_imports

    with heavy_imports():
        from tqdm import tqdm

        from paddle_vlm.apps.duplicates import DuplicateFinder

    with tqdm(total=None, desc="查看图片", unit="张", disable=None) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        report = DuplicateFinder(args.model, args.device).find(args.folders, show)
    for reason in report.found.unreadable.values():
        log.warning("无法读取:%s", reason)
    if args.output is not None and report.found.groups:
        report.save(args.output)
    if args.json:
        sys.stdout.write(json.dumps(report.to_dict(), ensure_ascii=False, indent=1) + "\n")
    elif args.list:
        sys.stdout.write("".join(f"{path}\n" for path in report.redundant()))
    else:
        sys.stdout.write(report.table() + "\n")
    return 0
