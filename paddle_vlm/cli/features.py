"""`features`: a picture in, a drawing of its classical features out; two pictures in, what they share."""

import argparse
import json
import sys
from pathlib import Path

from paddle_vlm.errors import UsageError
from paddle_vlm.runtime import heavy_imports

HELP = "画出图片的传统视觉特征(SIFT、HOG、分割、视觉词);两张图片时画出匹配"
EPILOG = """示例:
  paddle-vlm features photo.jpg -o sift.jpg                   SIFT 特征点
  paddle-vlm features photo.jpg -o hog.jpg --kind hog         边缘方向直方图
  paddle-vlm features photo.jpg -o parts.jpg --kind segment   超像素、分水岭、抠出主体
  paddle-vlm features a.jpg b.jpg -o match.jpg                两张图片的相同之处
退出码:0 完成;1 失败;2 用法错误。"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of this command."""
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("images", nargs="+", metavar="图片", help="一张图片,或要比较的两张")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="路径", help="画出的图片")
    parser.add_argument(
        "--kind", choices=("sift", "hog", "segment", "words"), default="sift", help="画哪一种特征(默认 sift)"
    )
    parser.add_argument("--json", action="store_true", help="把结果 JSON 打印到标准输出,代替文字")


def run(args: argparse.Namespace) -> int:
    """Draw what the arguments ask for; returns the exit code."""
    if len(args.images) > 2:
        raise UsageError(f"给了 {len(args.images)} 张图片。请给一张,或要比较的两张。")
    if len(args.images) == 2 and args.kind != "sift":
        raise UsageError(f"两张图片只能用 SIFT 比较,不能用 --kind {args.kind}。")
    with heavy_imports():
        from paddle_vlm.apps.features import find_features, match_pictures

    if len(args.images) == 2:
        match = match_pictures(*args.images)
        match.save(args.output)
        record, verdict = match.to_dict(), "是同一场景" if match.same_scene else "看不出是同一场景"
        told = f"{match.result.inliers} 处相同(候选 {match.result.candidates}),{verdict}"
    else:
        found = find_features(args.images[0], args.kind)
        found.save(args.output)
        record, told = found.to_dict(), ",".join(f"{name} {value}" for name, value in found.figures.items())
    text = json.dumps(record, ensure_ascii=False) if args.json else f"{told}\n{args.images[0]} -> {args.output}"
    sys.stdout.write(text + "\n")
    return 0
