"""`train`: a YAML file in, a trained model and a report out."""

import argparse
from pathlib import Path

from paddle_vlm.runtime import heavy_imports

HELP = "按一个 YAML 配置训练模型"
EPILOG = """示例:
  paddle-vlm train -c configs/classify/quickstart.yaml
  paddle-vlm train -c configs/classify/quickstart.yaml -o train.epochs=5 -o train.lr=0.002 --out runs/first
中断后再次运行同一命令即从断点继续。输出目录里有 report.md、曲线、最佳权重和可直接使用的 model/。"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of this command."""
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("-c", "--config", type=Path, required=True, metavar="YAML", help="配置文件")
    parser.add_argument(
        "-o", "--override", action="append", default=[], metavar="键=值", help="改动一项设置,可多次给出"
    )
    parser.add_argument("--out", type=Path, metavar="文件夹", help="输出文件夹(默认:runs/配置文件名)")


def run(args: argparse.Namespace) -> int:
    """Train; returns the exit code."""
    with heavy_imports():
        from paddle_vlm.training.tasks import load_task

        module, config = load_task(args.config, args.override)
    module.run(config, args.out or Path("runs") / args.config.stem)
    return 0
