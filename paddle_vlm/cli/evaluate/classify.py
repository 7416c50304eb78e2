"""`tools/eval.py classify`: the accuracy of a trained classifier on labelled pictures."""

import argparse
from pathlib import Path

from paddle_vlm.cli.evaluate import add_json_argument, report
from paddle_vlm.runtime import heavy_imports

HELP = "图片分类的准确率"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of this command."""
    parser.add_argument("--config", type=Path, required=True, metavar="YAML", help="训练所用的配置")
    parser.add_argument(
        "--weights", type=Path, required=True, metavar="路径", help="训练输出的文件夹,或其中的 best/model.safetensors"
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="路径",
        help="按类分文件夹的图片或其 .tar.gz,或含 test/、test.tar.gz 的文件夹(默认:配置里数据集的测试部分)",
    )
    parser.add_argument("-o", "--override", action="append", default=[], metavar="键=值", help="改动配置的一项设置")
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Evaluate; returns the exit code."""
    with heavy_imports():
        from paddle_vlm.training.tasks import load_task

        module, config = load_task(args.config, args.override)
    report(module.evaluate_weights(config, args.weights, args.data), args.json)
    return 0
