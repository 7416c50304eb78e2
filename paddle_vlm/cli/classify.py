"""`classify`: pictures in, their classes out."""

import argparse
import logging
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paddle_vlm.errors import PaddleVLMError, UsageError
from paddle_vlm.runtime import heavy_imports

if TYPE_CHECKING:
    from paddle_vlm.apps.classification import Classification, Classifier
    from paddle_vlm.apps.zero_shot import ZeroShotClassifier

HELP = "判断图片属于哪一类"
EPILOG = """示例:
  paddle-vlm classify cat.jpg                            自带的模型:CIFAR-10 的十类(飞机、汽车、鸟、猫……)
  paddle-vlm classify cat.jpg --model runs/my_run        自己训练的模型,前 5 个类别
  paddle-vlm classify photos/ --model runs/my_run -k 3 --json out.json       整个文件夹
  paddle-vlm classify cat.jpg --model runs/my_run --heatmap heat.jpg
  paddle-vlm classify photos/ --labels 猫,狗,汽车        不必训练:用搜索模型在这些标签中选
退出码:0 全部完成;1 部分失败(其余已完成);2 用法错误。"""

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of this command."""
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("images", nargs="+", metavar="图片", help="图片文件、文件夹或通配符")
    parser.add_argument("--model", metavar="目录", help="训练所得的文件夹(默认用自带的模型;有 --labels 时为搜索模型)")
    parser.add_argument("--labels", metavar="标签", help="逗号隔开的几个标签,用图文搜索模型判断(零样本)")
    parser.add_argument("-k", type=int, default=5, metavar="个数", help="列出最可能的几类(默认 5)")
    parser.add_argument("-r", "--recursive", action="store_true", help="文件夹连同其子文件夹")
    parser.add_argument("--json", type=Path, metavar="文件", help="另把结果写成 JSON")
    parser.add_argument("--heatmap", type=Path, metavar="路径", help="画出判断的依据(Grad-CAM);多张图片时为文件夹")


def run(args: argparse.Namespace) -> int:
    """Classify what the arguments name; returns the exit code."""
    if args.k < 1:
        raise UsageError(f"-k 至少为 1,不能是 {args.k}。")
    if args.labels is not None and args.heatmap is not None:
        raise UsageError("--labels(零样本)没有 --heatmap。请去掉其中一个。")
    with heavy_imports():
        from paddle_vlm.files import write_json
        from paddle_vlm.vision.image import list_images

    sources = list_images(args.images, recursive=args.recursive)
    heatmaps = plan_heatmaps(sources, args.heatmap)
    classifier = _classifier(args)
    records, failures = [], []
    for source, heatmap in zip(_progress(sources), heatmaps, strict=True):
        try:
            result = _classify_one(classifier, source, args.k, heatmap)
        except PaddleVLMError as error:
            failures.append(str(error))
            continue
        records.append(result.to_dict())
        _show(source, result, alone=len(sources) == 1)
    if args.json is not None:
        write_json(args.json, records)
    for message in failures:
        log.error("失败:%s", message)
    if len(sources) > 1:
        log.info("完成 %d 张,失败 %d 张。", len(records), len(failures))
    return 1 if failures else 0


def _classifier(args: argparse.Namespace) -> "Classifier | ZeroShotClassifier":
    with heavy_imports():
        if args.labels is None:
            from paddle_vlm.apps.classification import Classifier

            return Classifier(args.model or "classifier")
        from paddle_vlm.apps.zero_shot import ZeroShotClassifier

        return ZeroShotClassifier(args.labels.replace(",", ",").split(","), args.model or "search")


def plan_heatmaps(sources: list[Path], output: Path | None) -> list[Path | None]:
    """A name for each heat map. UsageError where one file is named for many pictures or an input would be lost."""
    if output is None:
        return [None] * len(sources)
    if len(sources) == 1 and output.suffix and not output.is_dir():
        names = [output]
    elif output.is_file() or output.suffix:
        raise UsageError(f"共有 {len(sources)} 张图片,但 --heatmap {output} 是一个文件。请指定一个文件夹。")
    else:
        names = [output / name for name in _heatmap_names(sources)]
    if lost := {name.resolve() for name in names} & {source.resolve() for source in sources}:
        raise UsageError(f"--heatmap 会覆盖输入图片 {lost.pop()}。请换一个文件名或文件夹。")
    if names != [output]:
        try:
            output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"无法创建文件夹 {output}:{error.strerror}。请换一个可写的位置。") from error
    return list(names)


def _heatmap_names(sources: list[Path]) -> list[str]:
    """Distinct ones, though pictures of two folders may share a name."""
    names: list[str] = []
    for source in sources:
        name, number = f"{source.stem}_heat.jpg", 2
        while name in names:
            name, number = f"{source.stem}_heat_{number}.jpg", number + 1
        names.append(name)
    return names


def _classify_one(
    classifier: "Classifier | ZeroShotClassifier", source: Path, k: int, heatmap: Path | None
) -> "Classification":
    result = classifier.classify(source, k, explain=heatmap is not None)
    if heatmap is not None:
        result.save(heatmap)
    return result


def _progress(sources: list[Path]) -> Iterable[Path]:
    if len(sources) < 50:
        return sources
    from tqdm import tqdm

    return tqdm(sources, desc="分类", unit="张")


def _show(source: Path, result: Any, alone: bool) -> None:
    if not alone:
        sys.stdout.write(f"{source}\t{'  '.join(f'{g.label} {g.score:.1%}' for g in result.guesses)}\n")
        return
    for guess in result.guesses:
        sys.stdout.write(f"{guess.score:7.1%}  {'█' * round(30 * guess.score):<30}  {guess.label}\n")
