"""`index`: make folders of pictures searchable, and keep them so."""

import argparse
import json
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from paddle_vlm.errors import UsageError

if TYPE_CHECKING:
    from paddle_vlm.retrieval.build import IndexReport

HELP = "为图片文件夹建立(或更新)搜索索引"
EPILOG = """示例:
  paddle-vlm index ~/Pictures --index gallery/      首次建立;之后再运行只处理变化(新增、修改、移动、删除)
  paddle-vlm index --demo --index gallery/          没有自己的图片时,用表情符号图片试一试
  paddle-vlm index ~/Pictures --index gallery/ --milvus http://localhost:19530
可随时中断,再次运行会接着做。退出码:0 完成;1 失败;2 用法错误。无法读取的文件会列出,不影响其余。"""
_LISTED = 20  # unreadable files shown; all of them are in --json

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of this command."""
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("folders", nargs="*", type=Path, metavar="文件夹", help="图片文件夹(连同子文件夹),可以多个")
    parser.add_argument("--index", type=Path, required=True, metavar="文件夹", help="索引存放处;不存在时新建")
    parser.add_argument("--demo", action="store_true", help="索引表情符号图片(约 1900 张),供试用")
    parser.add_argument("--model", default="search", metavar="名称或目录", help="搜索模型(默认:自带模型)")
    parser.add_argument("--milvus", metavar="地址", help="向量存入 Milvus:.db 文件或 http://主机:端口(默认:本机 FAISS)")
    parser.add_argument("--rebuild", action="store_true", help="丢弃已有索引,从头建立")
    parser.add_argument("--json", action="store_true", help="把结果以 JSON 打印到标准输出")
    parser.add_argument("--device", choices=("auto", "cpu", "gpu"), default="auto", help="计算设备(默认 auto)")


def run(args: argparse.Namespace) -> int:
    """Index what the arguments name; returns the exit code."""
    if not args.folders and not args.demo:
        raise UsageError("请指定图片文件夹,例如:paddle-vlm index ~/Pictures --index gallery/(或用 --demo 试用)。")
    missing = next((folder for folder in args.folders if not folder.expanduser().is_dir()), None)
    if missing is not None:  # before anything is loaded
        raise UsageError(f"找不到文件夹 {missing}。请检查路径;移动硬盘或网络盘请先挂载。")
    from paddle_vlm.runtime import heavy_imports

    with heavy_imports():
        from tqdm import tqdm

        from paddle_vlm.apps.demo_gallery import draw_emoji
        from paddle_vlm.apps.image_search import index_pictures

    captions: dict[str, str] = {}
    folders = list(args.folders)
    if args.demo:
        folder, captions = draw_emoji()
        folders.append(folder)
    with tqdm(total=None, desc="建立索引", unit="张", disable=None) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        report = index_pictures(
            folders,
            args.index,
            model=args.model,
            milvus=args.milvus,
            rebuild=args.rebuild,
            captions=captions,
            progress=show,
            device=args.device,
        )
    _print(report, args)
    return 0


def _print(report: "IndexReport", args: argparse.Namespace) -> None:
    for path, reason in list(report.unreadable.items())[:_LISTED]:
        log.warning("无法读取:%s", reason if path in reason else f"{path}:{reason}")
    if len(report.unreadable) > _LISTED:
        log.warning("……共 %d 个文件无法读取,用 --json 可全部列出。", len(report.unreadable))
    if args.json:
        sys.stdout.write(json.dumps(report.to_dict(), ensure_ascii=False, indent=1) + "\n")
    else:
        sys.stdout.write(f"{report.summary()}\n索引结构:{report.structure}\n")
        sys.stdout.write(f"现在可以搜索:paddle-vlm search 红苹果 --index {args.index} -o hits.jpg\n")
