"""`export`: a trained model in, a folder that Paddle Inference runs out."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from paddle_vlm.runtime import heavy_imports

if TYPE_CHECKING:
    from paddle_vlm.deployment.manifest import Manifest

HELP = "把模型导出为 Paddle Inference 格式"
EPILOG = """示例:
  paddle-vlm export -c configs/export/search.yaml --out exported/search
  paddle-vlm export -c configs/classify/compact.yaml --weights runs/compact --out exported/classify --precision fp16
  paddle-vlm export -c configs/export/sentiment.yaml --out exported/sentiment --precision int8 --data 评论.csv.gz
配置可以是 configs/export/ 里的文件,也可以是训练所用的文件。输出文件夹要么完整写成,要么不变。"""
LARGE = 1 << 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of this command."""
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("-c", "--config", type=Path, required=True, metavar="YAML", help="导出哪种模型")
    parser.add_argument("--weights", metavar="名称", help="自带模型的名称,或训练所得的文件夹(默认:配置里的 weights)")
    parser.add_argument("--out", type=Path, required=True, metavar="文件夹", help="写入此文件夹")
    parser.add_argument(
        "--precision",
        choices=["fp32", "fp16", "int8"],
        help="权重的存储精度(默认:配置里的 precision,否则 fp32);CPU 上计算总是 fp32",
    )
    parser.add_argument("--data", type=Path, metavar="路径", help="在这份数据上比较压缩前后的指标")
    parser.add_argument(
        "-o", "--override", action="append", default=[], metavar="键=值", help="改动一项设置,可多次给出"
    )


def run(args: argparse.Namespace) -> int:
    """Export; returns the exit code."""
    with heavy_imports():
        from paddle_vlm.deployment.build import export_model, read_config

    config = read_config(args.config, args.override)
    config.weights = args.weights or config.weights
    config.precision = args.precision or config.precision
    config.data = args.data or config.data
    sys.stdout.write(describe(export_model(config, args.out), args.out) + "\n")
    return 0


def describe(manifest: "Manifest", folder: Path) -> str:
    """For the terminal: the programs, their errors, and what the precision costs."""
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    rows = [f"{folder}:{manifest.task},{manifest.precision},{size / LARGE:.1f} MB"]
    for name, entry in manifest.programs.items():
        inputs = "、".join(port.name for port in entry.inputs[:6]) + ("……" if len(entry.inputs) > 6 else "")
        rows.append(f"  {name}({inputs}):与动态图的最大误差 {entry.parity:.1e}(fp32)")
        if cost := manifest.cost.get("programs", {}).get(name):
            rows.append(
                f"    {manifest.precision}:输出误差 {entry.error:.1e},体积为 fp32 的 {cost['size_ratio']:.0%},"
                f"耗时为 fp32 的 {cost['time_ratio']:.2f} 倍"
            )
    for precision, scores in manifest.cost.get("scores", {}).items():
        figures = "、".join(f"{name} {value:.2f}" for name, value in scores.items())
        rows.append(f"  {manifest.cost['data']} 上 {precision}:{figures}")
    return "\n".join(rows)
