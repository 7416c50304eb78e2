"""`translate`: pictures in, pictures with English text out."""

import argparse
import json
import logging
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from paddle_vlm.errors import PaddleVLMError, UsageError

if TYPE_CHECKING:
    from paddle_vlm.apps.image_translation import ImageTranslator, TranslatedImage

HELP = "把图片里的中文就地译成英文"
EPILOG = """示例:
  paddle-vlm translate menu.jpg -o out.jpg              单张图片,旁边生成 out.json
  paddle-vlm translate photos/ -o english/              整个文件夹
  paddle-vlm translate "photos/*.png" -o english/ --compare --glossary terms.tsv
退出码:0 全部完成;1 部分失败(其余已完成);2 用法错误。"""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """One picture to translate and the names of what it will leave."""

    source: Path
    picture: Path

    @property
    def record(self) -> Path:
        return self.picture.with_suffix(".json")

    @property
    def comparison(self) -> Path:
        return self.picture.with_name(f"{self.picture.stem}_compare{self.picture.suffix}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of this command."""
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("images", nargs="+", metavar="图片", help="图片文件、文件夹或通配符")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="路径", help="输出图片;多张图片时为文件夹(默认:原名加 _en,写在当前目录)"
    )
    parser.add_argument("-r", "--recursive", action="store_true", help="文件夹连同其子文件夹")
    parser.add_argument("--compare", action="store_true", help="另存一张原图与译图的对照图(<输出名>_compare)")
    parser.add_argument("--json", action="store_true", help="把结果 JSON 打印到标准输出(一行一张图片),代替表格")
    parser.add_argument("--glossary", type=Path, metavar="TSV", help="术语表:中文<Tab>英文,一行一条,必定遵守")
    parser.add_argument("--memory", type=Path, metavar="TSV|TMX", help="翻译记忆:整行相同时直接采用")
    parser.add_argument("--ocr", metavar="名称", help="OCR 权重,如 PP-OCRv4_mobile(见 docs/zh/ocr.md)")
    parser.add_argument("--translator", default="translator", metavar="目录", help="翻译模型目录(默认:自带模型)")
    parser.add_argument("--device", choices=("auto", "cpu", "gpu"), default="auto", help="计算设备(默认 auto)")


def run(args: argparse.Namespace) -> int:
    """Translate what the arguments name; returns the exit code."""
    from paddle_vlm.vision.image import list_images  # after --help has been answered

    jobs = plan_jobs(list_images(args.images, recursive=args.recursive), args.output)
    from paddle_vlm import ImageTranslator

    translator = ImageTranslator(
        ocr=args.ocr, translator=args.translator, glossary=args.glossary, memory=args.memory, device=args.device
    )
    failures = [message for job in _progress(jobs) if (message := _translate_one(translator, job, args))]
    if len(jobs) > 1:
        log.info("完成 %d 张,失败 %d 张。", len(jobs) - len(failures), len(failures))
    for message in failures:
        log.error("失败:%s", message)
    return 1 if failures else 0


def plan_jobs(sources: list[Path], output: Path | None) -> list[Job]:
    """Name every output before any work begins. UsageError when one would overwrite an input or another output."""
    into_folder = output is not None and (len(sources) > 1 or output.is_dir() or not output.suffix)
    if output is not None and len(sources) > 1 and output.is_file():
        raise UsageError(f"共有 {len(sources)} 张图片,但输出 {output} 是一个文件。请用 -o 指定一个文件夹。")
    if output is not None and not into_folder:
        jobs = [Job(sources[0], output)]
    else:
        folder = output or Path()
        suffix = "" if into_folder else "_en"
        jobs = [Job(s, folder / f"{name}{suffix}{s.suffix}") for s, name in zip(sources, _stems(sources), strict=True)]
    inputs = {source.resolve() for source in sources}
    for job in jobs:
        if job.picture.resolve() in inputs:
            raise UsageError(f"输出 {job.picture} 会覆盖输入图片。请用 -o 指定另一个文件名或文件夹。")
    if into_folder and output is not None:
        try:
            output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"无法创建输出文件夹 {output}:{error.strerror}。请换一个可写的位置。") from error
    return jobs


def _stems(sources: list[Path]) -> list[str]:
    """A distinct output stem for each source: photos a.jpg and a.png must not share one a.json."""
    counts = Counter(source.stem for source in sources)
    stems: list[str] = []
    for source in sources:
        stem = source.stem if counts[source.stem] == 1 else f"{source.stem}_{source.suffix.lstrip('.')}"
        unique, number = stem, 2
        while unique in stems:
            unique, number = f"{stem}_{number}", number + 1
        stems.append(unique)
    return stems


def _progress(jobs: list[Job]) -> Iterable[Job]:
    if len(jobs) == 1:
        return jobs
    from tqdm import tqdm

    return tqdm(jobs, desc="翻译图片", unit="张")


def _translate_one(translator: "ImageTranslator", job: Job, args: argparse.Namespace) -> str | None:
    """Returns the failure's message, or None. Nothing that one picture does may stop the others."""
    try:
        result = translator.translate(job.source)
        result.save(job.picture)
        result.save_json(job.record)
        if args.compare:
            result.save_comparison(job.comparison)
    except PaddleVLMError as error:
        return str(error)
    except Exception as error:
        log.debug("unexpected failure on %s", job.source, exc_info=True)
        return f"{job.source}:内部错误 {type(error).__name__}: {error}。请带上这张图片报告此问题。"
    _report(result, job, args)
    return None


def _report(result: "TranslatedImage", job: Job, args: argparse.Namespace) -> None:
    if args.json:
        sys.stdout.write(json.dumps(result.to_dict(), ensure_ascii=False) + "\n")
    elif not _is_batch(args):
        sys.stdout.write(
            result.table() + f"\n{job.source} -> {job.picture}({result.rendering.seconds['total']:.2f} 秒)\n"
        )


def _is_batch(args: argparse.Namespace) -> bool:
    return len(args.images) > 1 or not Path(args.images[0]).is_file()
