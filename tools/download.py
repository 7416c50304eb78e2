"""Fetch weights into the cache ahead of time: python tools/download.py --all | NAME… | --list"""

import argparse
import logging
import sys

from paddle_vlm.cli import Parser
from paddle_vlm.errors import MissingWeights
from paddle_vlm.runtime import cache_folder
from paddle_vlm.weights import fetch, names, state


def main() -> int:
    """Fetch what the arguments name; returns 1 when something could not be had."""
    parser = Parser(
        description="把模型权重取到缓存,之后可断网使用;整个缓存文件夹可复制到别的机器。",
        epilog=f"缓存:{cache_folder()}(用环境变量 PADDLE_VLM_HOME 更改)",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="名称", help="权重名称;也可用 PaddleOCR 官方模型的名称")
    parser.add_argument("--all", action="store_true", help="取得本项目用到的全部权重")
    parser.add_argument("--list", action="store_true", help="列出名称和状态")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if args.list:
        for name in names():
            print(f"{name:28} {state(name)}")
        return 0
    if not args.all and not args.names:
        parser.error("请给出权重名称,或用 --all、--list")
    failed = 0
    for name in [*(names() if args.all else []), *args.names]:
        try:
            print(f"{name} -> {fetch(name)}")
        except MissingWeights as error:
            failed += 1
            print(f"错误:{error}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
