"""How fast batch jobs are, and what a second worker brings: `python benchmarks/batch_jobs.py --json F`.

Each task runs through `deploy/batch.py`'s own code on Ray, with one worker and with two, of one thread each, on copies
of the pictures of --data (six photographs of this repository unless given). A rate is that of the middle half of the
parts, so that the start of Ray and of the models does not count; `wall_seconds` is all of it.
  speedup_two_workers         the rate of two workers over that of one, for the first of --tasks
  pictures_per_core_second    the rate of one worker, by task
  speedups                    by task
"""

import argparse
import json
import os
import platform
import shutil
import tempfile
from datetime import date
from pathlib import Path
from time import perf_counter
from typing import Any

from paddle_vlm import runtime

with runtime.heavy_imports():
    from paddle_vlm.deployment.batch import Job, Workers, read_plan, run_job
    from paddle_vlm.deployment.batch_tasks import Options
    from paddle_vlm.deployment.storage import Place
    from paddle_vlm.vision.image import SUFFIXES

PHOTOS = ("label", "menu", "park", "shop", "station", "warning")  # of docs/images
# task -> pictures of a run, pictures of a part, options
TASKS: dict[str, tuple[int, int, Options]] = {
    "embed": (480, 16, Options()),
    "classify": (480, 16, Options(labels=("街道", "食物", "动物", "文字"))),
    "translate": (48, 2, Options()),
}


def sources(folder: Path | None) -> list[Path]:
    """The pictures to copy."""
    if folder is None:
        images = Path(__file__).resolve().parent.parent / "docs" / "images"
        return [images / f"{name}.jpg" for name in PHOTOS]
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not found:
        raise SystemExit(f"{folder} 里没有图片。")
    return found


def rate_of(out: Path) -> float:
    """Pictures a second over the middle half of the parts: all workers have begun, and none has run out of work."""
    plan = read_plan(Place(str(out)))
    ends = sorted((path.stat().st_mtime, int(path.stem.rpartition("-")[2])) for path in (out / "parts").iterdir())
    middle = ends[len(ends) // 4 : len(ends) - len(ends) // 4]
    return sum(len(plan[part]) for _, part in middle[1:]) / (middle[-1][0] - middle[0][0])


def measure(task: str, pictures: list[Path], scale: float, counts: tuple[int, ...] = (1, 2)) -> dict[str, Any]:
    """Rates and seconds with these numbers of workers."""
    count, chunk, options = TASKS[task]
    count = max(8 * chunk, round(count * scale))
    figures: dict[str, Any] = {"pictures": count, "rate": {}, "wall_seconds": {}}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "pictures"
        folder.mkdir()
        for number in range(count):
            picture = pictures[number % len(pictures)]
            shutil.copy(picture, folder / f"{number:05d}{picture.suffix}")
        for workers in counts:
            out, begun = Path(temporary) / f"out{workers}", perf_counter()
            run_job(Job(task, str(folder), str(out), options, chunk), Workers(workers))
            figures["wall_seconds"][str(workers)] = round(perf_counter() - begun, 1)
            figures["rate"][str(workers)] = round(rate_of(out), 2)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description="批处理的速度,以及两个进程比一个快多少")
    parser.add_argument("--data", type=Path, help="图片文件夹(默认:本仓库的六张照片)")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=["embed"], help="哪些任务(默认 embed)")
    parser.add_argument("--scale", type=float, default=1.0, help="图片数的倍数(默认 1)")
    parser.add_argument("--json", type=Path, help="把结果写入此 JSON 文件")
    options = parser.parse_args()

    pictures = sources(options.data)
    found = {task: measure(task, pictures, options.scale) for task in options.tasks}
    speedups = {task: round(figures["rate"]["2"] / figures["rate"]["1"], 3) for task, figures in found.items()}
    record = {
        "speedup_two_workers": speedups[options.tasks[0]],
        "pictures_per_core_second": {task: figures["rate"]["1"] for task, figures in found.items()},
        "speedups": speedups,
        "tasks": found,
        "cores": os.cpu_count(),
        "machine": platform.processor() or platform.machine(),
        "date": date.today().isoformat(),
    }
    text = json.dumps(record, ensure_ascii=False, indent=1)
    print(text)
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
