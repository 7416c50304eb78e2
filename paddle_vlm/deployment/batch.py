"""Batch jobs over a folder or an object store, on Ray Data: resumable, each picture once, the same names every time.

A job's output holds `_job/job.json` (what is done), `_job/plan-*.json` (which pictures make up which part), `parts/`
(a file a part; it appears last, whole, and says that the part is done), `pictures/` and `failed/`. The plan only ever
grows, so that a start after a kill goes on with the same parts, and new pictures become new parts.
"""

import json
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import cv2
from tqdm import tqdm

from paddle_vlm import runtime
from paddle_vlm.deployment.batch_tasks import TASKS, Options
from paddle_vlm.deployment.storage import Place
from paddle_vlm.errors import MissingDependency, PaddleVLMError, UsageError
from paddle_vlm.package_index import sha256_of
from paddle_vlm.weights import fetch

log = logging.getLogger(__name__)

CHUNK = 64  # pictures of a part
_SETTINGS, _PLANS, _PARTS, _FAILED = "_job/job.json", "_job/plan", "parts", "failed"
_DEFAULT_MODELS = {"translate": "translator", "classify": "classifier", "embed": "search"}


@dataclass(frozen=True)
class Job:
    """What is to be done with which pictures."""

    task: str
    source: str
    out: str
    options: Options = field(default_factory=Options)
    chunk: int = CHUNK

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise UsageError(f"没有批处理任务 {self.task}。可用:{'、'.join(TASKS)}。")
        if self.chunk < 1:
            raise UsageError(f"每份图片数 chunk 至少为 1,不能是 {self.chunk}。")


@dataclass(frozen=True)
class Workers:
    """Where it is done.

    Attributes:
        count: processes, on this machine or all over the cluster.
        threads: of each.
        gpus: cards of each; a fraction shares one.
        address: of a Ray cluster; None starts Ray here and ends it afterwards.
    """

    count: int = 1
    threads: int = 1
    gpus: float = 0.0
    address: str | None = None

    def __post_init__(self) -> None:
        if self.count < 1 or self.threads < 1:
            raise UsageError(f"进程数和线程数至少为 1,不能是 {self.count} 和 {self.threads}。")


@dataclass(frozen=True)
class Report:
    """What a start did.

    Attributes:
        pictures: that were worked on.
        skipped: that an earlier start had done.
        failures: name -> reason, those of earlier starts included.
    """

    pictures: int
    skipped: int
    failures: dict[str, str]


class Worker:
    """One process: loads the models once and does one part after the other."""

    def __init__(self, job: Job) -> None:
        cv2.setNumThreads(runtime.cores())  # it would take all of the machine's, which other workers share
        self._source, self._out = Place(job.source), Place(job.out)
        self._plan = read_plan(self._out)
        self._task = TASKS[job.task](job.options)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Numbers of parts in `item` -> the same, after their files are written."""
        for part in batch["item"]:
            self.do(int(part))
        return {"item": batch["item"]}

    def do(self, part: int) -> None:
        """Everything of one part; its own file comes last."""
        contents = self._source.read(self._plan[part])
        pictures = {name: content for name, content in contents.items() if isinstance(content, bytes)}
        outcome = self._task.run(pictures)
        outcome.failures.update({name: f"无法读取:{e}" for name, e in contents.items() if not isinstance(e, bytes)})
        for name, content in outcome.pictures.items():
            self._out.write(name, content)
        if outcome.failures:
            text = json.dumps(outcome.failures, ensure_ascii=False, indent=1, sort_keys=True)
            self._out.write(f"{_FAILED}/{part_name(part)}.json", f"{text}\n".encode())
        self._out.write(f"{_PARTS}/{part_name(part)}{self._task.suffix}", outcome.content)


def run_job(job: Job, workers: Workers) -> Report:
    """Do what is not done yet. Only one `run_job` at a time may write to `job.out`.

    Raises UsageError, also where the output belongs to another job; MissingWeights; MissingDependency; OutputError.
    """
    source, out = Place(job.source), Place(job.out)
    if source.holds(out):
        raise UsageError(f"输出 {job.out} 在来源 {job.source} 之内,下次会被当作新图片。请换一个文件夹。")
    names = source.pictures()
    _claim(job, out)
    plan = extend_plan(out, names, job.chunk)
    out.remove_partial(out.names())
    finished = {name.rpartition("/")[2].partition(".")[0] for name in out.names(_PARTS)}
    waiting = [part for part in range(len(plan)) if part_name(part) not in finished]
    pictures = sum(len(plan[part]) for part in waiting)
    total = sum(map(len, plan))
    log.info("共 %d 张图片,已完成 %d 张,本次处理 %d 张(%d 份)。", total, total - pictures, pictures, len(waiting))
    if waiting:
        progress = tqdm(total=pictures, unit="张", desc=job.task, disable=None)
        for part in _run_on_ray(job, waiting, workers):
            progress.update(len(plan[part]))
        progress.close()
    return Report(pictures, total - pictures, _failures(out))


def part_name(part: int) -> str:
    """Of a part's file, without its suffix."""
    return f"part-{part:06d}"


def read_plan(out: Place) -> list[list[str]]:
    """The pictures of each part. Raises UsageError for a damaged plan."""
    files = [name for name in out.names("_job") if name.startswith(_PLANS)]
    try:
        return [part for content in out.read(files).values() for part in json.loads(content)]  # type: ignore[arg-type]
    except (ValueError, TypeError) as error:
        raise UsageError(f"{out.uri}/_job 中的计划已损坏({error})。请换一个输出文件夹。") from error


def extend_plan(out: Place, names: Sequence[str], chunk: int) -> list[list[str]]:
    """The plan with parts for pictures that it did not have yet."""
    plan = read_plan(out)
    known = {name for part in plan for name in part}
    fresh = [name for name in names if name not in known]
    if fresh:
        added = [fresh[first : first + chunk] for first in range(0, len(fresh), chunk)]
        number = sum(name.startswith(_PLANS) for name in out.names("_job"))
        out.write(f"{_PLANS}-{number:06d}.json", json.dumps(added, ensure_ascii=False, indent=0).encode())
        plan += added
    return plan


def _claim(job: Job, out: Place) -> None:
    """Note what the output is made with, or compare. Raises UsageError."""
    wanted = {"task": job.task, "chunk": job.chunk, "options": job.options.given(), "weights": _weights(job)}
    wanted = json.loads(json.dumps(wanted))  # as it will be read back
    stored = out.read([_SETTINGS])[_SETTINGS]
    if isinstance(stored, FileNotFoundError):
        out.write(_SETTINGS, (json.dumps(wanted, ensure_ascii=False, indent=1) + "\n").encode())
        return
    if isinstance(stored, Exception):
        raise UsageError(f"无法读取 {out.uri}/{_SETTINGS}:{stored}。请检查权限。")
    try:
        earlier = json.loads(stored)
    except ValueError as error:
        raise UsageError(f"{out.uri}/{_SETTINGS} 已损坏。请换一个输出文件夹。") from error
    if other := [key for key in wanted if earlier.get(key) != wanted[key]]:
        raise UsageError(
            f"{out.uri} 属于另一个任务:{other[0]} 当时是 {earlier.get(other[0])},现在是 {wanted[other[0]]}。"
            "请用当时的选项接着做,或换一个输出文件夹。"
        )


def _weights(job: Job) -> str | None:
    """SHA-256 of the model's weights, so that no output is made half with one model and half with another."""
    chosen = job.options.translator if job.task == "translate" else job.options.model
    name = chosen or ("search" if job.options.labels else _DEFAULT_MODELS[job.task])
    folder = fetch(name)
    files = (folder / name for name in ("model.safetensors", "model/model.safetensors", "pytorch_model.bin"))
    return next((sha256_of(path) for path in files if path.is_file()), None)


def _failures(out: Place) -> dict[str, str]:
    found: dict[str, str] = {}
    for content in out.read(out.names(_FAILED)).values():
        if isinstance(content, bytes):
            found |= json.loads(content)
    return dict(sorted(found.items()))


def _start_ray(workers: Workers) -> ModuleType:
    """Ray, with every worker kept to its threads. Raises MissingDependency and PaddleVLMError."""
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # Ray's own remarks, in English
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MissingDependency('批处理需要 Ray。请运行:pip install "paddle_vlm[scale]"') from error
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    environment = {"PADDLE_VLM_CORES": str(workers.threads), "OMP_NUM_THREADS": str(workers.threads)}
    try:
        ray.init(
            address=workers.address,
            num_cpus=None if workers.address else workers.count,
            include_dashboard=None if workers.address else False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            ignore_reinit_error=True,
            runtime_env={"env_vars": environment},
        )
    except Exception as error:  # Ray raises bare Exception where its processes start too slowly, and others
        remedy = "请检查地址" if workers.address else "请在机器较空闲时再试"
        raise PaddleVLMError(f"无法启动或连接 Ray:{error}。{remedy}。") from error
    return ray


def _run_on_ray(job: Job, parts: Sequence[int], workers: Workers) -> Iterator[int]:
    """The numbers of the parts as they are done."""
    ray = _start_ray(workers)
    try:
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        blocks = min(len(parts), 16 * workers.count)
        data = ray.data.from_items(list(parts), override_num_blocks=blocks).map_batches(
            Worker, fn_constructor_args=(job,), batch_size=1, num_cpus=1, num_gpus=workers.gpus or None,
            compute=ray.data.ActorPoolStrategy(size=workers.count),
        )  # fmt: skip
        for row in data.iter_rows():
            yield int(row["item"])
    except ray.exceptions.RayError as error:
        cause = getattr(error, "cause", None)
        if isinstance(cause, PaddleVLMError):
            raise cause from error
        raise PaddleVLMError(f"批处理中断:{error}。已完成的部分都已保存;再次运行同一命令即接着做。") from error
    finally:
        ray.shutdown()
