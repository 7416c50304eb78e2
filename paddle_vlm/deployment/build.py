"""A model as a folder that Paddle Inference runs: programs, vocabularies and a manifest, whole or not at all."""

import contextlib
import dataclasses
import difflib
import hashlib
import logging
import shutil
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import paddle
import yaml

import paddle_vlm
from paddle_vlm.config import load_config
from paddle_vlm.deployment.exports import EXPORTS, Exportable, Part
from paddle_vlm.deployment.manifest import FILE, Manifest, Port, ProgramEntry
from paddle_vlm.errors import BadConfig, OutputError, UsageError
from paddle_vlm.inference.export import export_program, flat
from paddle_vlm.inference.predictor import Predictor
from paddle_vlm.inference.stored import Precision
from paddle_vlm.inference.tensorrt import Shapes, to_tensorrt
from paddle_vlm.package_index import sha256_of
from paddle_vlm.training.tasks import TASKS, load_task
from paddle_vlm.weights import fetch

log = logging.getLogger(__name__)

PARITY = 1e-4  # a program whose outputs differ more from the network's is not written
_REPEATS = 9


@dataclass
class ExportConfig:
    """What to export.

    Attributes:
        weights: name or folder of the model; `--weights` takes its place.
        parts: programs of the model, all unless given.
        data: a data set on which to measure what the precision costs.
        tensorrt: for each input of each program (`program.input`) its smallest, usual and largest shape.
    """

    task: str
    weights: str | None = None
    parts: list[str] = field(default_factory=list)
    precision: Precision = "fp32"
    data: Path | None = None
    tensorrt: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.task not in EXPORTS:
            near = difflib.get_close_matches(self.task, EXPORTS, n=1, cutoff=0.5)
            remedy = f"是否想写 {near[0]}?" if near else f"可用:{'、'.join(EXPORTS)}。"
            raise ValueError(f"没有可导出的任务 {self.task}。{remedy}")


def read_config(file: Path, overrides: Sequence[str] = ()) -> ExportConfig:
    """From a file of configs/export/, or from the file that the model was trained with. Raises BadConfig."""
    own = {each.name for each in dataclasses.fields(ExportConfig)}
    with contextlib.suppress(OSError, UnicodeDecodeError, yaml.YAMLError):  # load_config explains these
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
        if isinstance(values, dict) and values.get("task") in TASKS and not values.keys() <= own:
            _, training = load_task(file)
            return load_config(ExportConfig, overrides=[f"task={training.task}", *overrides])
    return load_config(ExportConfig, file, overrides)


def export_model(config: ExportConfig, out: Path) -> Manifest:
    """Write the folder `out` anew; an earlier export there is replaced once the new one is whole.

    Raises UsageError, BadConfig, MissingWeights, and OutputError, also for a program that does not compute what its
    network computes.
    """
    if config.weights is None:
        raise UsageError("没有写明权重。请用 --weights 给出模型的名称,或训练所得的文件夹。")
    if out.exists() and not (out / FILE).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise OutputError(f"{out} 已存在,而且不是先前的导出。为免覆盖您的文件,请换一个文件夹。")
    model = EXPORTS[config.task](fetch(config.weights))
    parts = _chosen(config, model)
    if config.data is not None and model.score is None:
        raise UsageError(f"任务 {config.task} 没有按数据集计算的指标。请去掉 --data,改看输出误差。")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as temporary:
            manifest = _write(config, model, parts, Path(temporary))
            _replace(Path(temporary) / "whole", out)
    except OSError as error:
        raise OutputError(f"无法写入 {out}:{error.strerror or error}。请检查写权限和剩余空间。") from error
    return manifest


def _chosen(config: ExportConfig, model: Exportable) -> dict[str, Part]:
    if unknown := [name for name in config.parts if name not in model.parts]:
        raise BadConfig(f"任务 {config.task} 没有程序 {unknown[0]}。可用:{'、'.join(model.parts)}。")
    if config.parts and config.data is not None:
        raise UsageError("--data 要用到模型的全部程序。请去掉 parts 设置。")
    return {name: part for name, part in model.parts.items() if not config.parts or name in config.parts}


def _write(config: ExportConfig, model: Exportable, parts: dict[str, Part], work: Path) -> Manifest:
    """Fill `work`/whole. `work`/plain gets the fp32 programs that a smaller precision is compared with."""
    whole = work / "whole"
    plain = whole if config.precision == "fp32" else work / "plain"
    entries, costs = {}, {}
    for name, part in parts.items():
        log.info("导出 %s……", name)
        wanted = _reference(part)
        example = list(flat(part.example))
        first = Predictor(export_program(part.program, plain / name), "cpu", onednn=part.onednn)
        parity = difference(first.run(*example), wanted)
        if parity > PARITY:
            raise OutputError(f"程序 {name} 的输出与网络相差 {parity:.1e}(上限 {PARITY:.0e}),没有写出。请报告此问题。")
        error = parity
        if config.precision != "fp32":
            folder = export_program(part.program, whole / name, config.precision)
            second = Predictor(folder, "cpu", onednn=part.onednn)
            error = difference(second.run(*example), wanted)
            costs[name] = _compare(plain / name, folder, first, second, example) | {"error": error}
        ports = [[_port(spec.name, spec.dtype, spec.shape) for spec in part.program.specs()]]
        ports.append([_output(*pair) for pair in zip(part.program.outputs, wanted, strict=True)])
        entries[name] = ProgramEntry(ports[0], ports[1], part.onednn, parity, error)
    cost: dict[str, Any] = {"programs": costs} if costs else {}
    if config.data is not None and model.score is not None:
        cost["data"] = str(config.data.name)
        folders = {"fp32": plain, config.precision: whole}
        cost["scores"] = {precision: dict(model.score(folder, config.data)) for precision, folder in folders.items()}
    _build_engines(config, entries, whole)
    return _finish(config, model, entries, cost, whole)


def _finish(
    config: ExportConfig, model: Exportable, entries: dict[str, ProgramEntry], cost: dict[str, Any], whole: Path
) -> Manifest:
    digest = hashlib.sha256()
    for path in model.files:
        shutil.copy(path, whole)
        digest.update(path.read_bytes())
    files = {path.relative_to(whole).as_posix(): sha256_of(path) for path in sorted(whole.rglob("*")) if path.is_file()}
    manifest = Manifest(
        config.task, config.precision, entries, model.preprocessing, digest.hexdigest() if model.files else None,
        paddle_vlm.__version__, paddle.__version__, files, cost,
    )  # fmt: skip
    manifest.save(whole)
    return manifest


def _build_engines(config: ExportConfig, entries: dict[str, ProgramEntry], whole: Path) -> None:
    """Replace the programs for which shapes are given by ones with TensorRT engines."""
    given: dict[str, dict[str, Shapes]] = {}
    for key, shapes in config.tensorrt.items():
        program, _, name = key.partition(".")
        given.setdefault(program, {})[name] = shapes
    for program, shapes in given.items():
        dtypes = {port.name: port.dtype for port in entries[program].inputs} if program in entries else {}
        if not dtypes or shapes.keys() != dtypes.keys():
            raise BadConfig(f"tensorrt.{program} 应为该程序的每个输入({'、'.join(dtypes)})各给出三个形状。")
        to_tensorrt(whole / program, whole / f"{program}.new", shapes, dtypes, half=config.precision == "fp16")
        shutil.rmtree(whole / program)
        (whole / f"{program}.new").replace(whole / program)


@paddle.no_grad()
def _reference(part: Part) -> list[np.ndarray]:
    """What the network itself makes of the example."""
    if part.reference is not None:
        return list(part.reference(*part.example))
    part.program.layer.eval()
    found = part.program.layer(*map(_tensors, part.example))
    return [tensor.numpy() for tensor in flat(found if isinstance(found, list | tuple) else [found])]


def _tensors(argument: Any) -> Any:
    return [paddle.to_tensor(each) for each in argument] if isinstance(argument, list) else paddle.to_tensor(argument)


def difference(found: Sequence[np.ndarray], wanted: Sequence[np.ndarray]) -> float:
    """The largest difference of any two numbers; of whole numbers the share that differs; 1 for other shapes."""
    worst = 0.0
    for one, other in zip(found, wanted, strict=True):
        if one.shape != other.shape:
            return 1.0
        if np.issubdtype(other.dtype, np.floating):
            worst = max(worst, float(np.abs(one - other).max(initial=0.0)))
        else:
            worst = max(worst, float((one != other).mean()))
    return worst


def _compare(
    plain: Path, small: Path, first: Predictor, second: Predictor, example: Sequence[np.ndarray]
) -> dict[str, float]:
    """Bytes of the files and times of a run, smaller precision over fp32; the two take turns."""
    seconds: list[list[float]] = [[], []]
    for _ in range(_REPEATS):
        for times, predictor in zip(seconds, (first, second), strict=True):
            begun = perf_counter()
            predictor.run(*example)
            times.append(perf_counter() - begun)
    sizes = [sum(path.stat().st_size for path in folder.iterdir()) for folder in (plain, small)]
    times = [statistics.median(each) for each in seconds]
    return {"bytes": sizes[1], "size_ratio": round(sizes[1] / sizes[0], 3), "time_ratio": round(times[1] / times[0], 3)}


def _port(name: str, dtype: Any, shape: Sequence[int]) -> Port:
    return Port(name, str(dtype).removeprefix("paddle."), [None if size in (None, -1) else int(size) for size in shape])


def _output(name: str, value: np.ndarray) -> Port:
    # The rows vary; whatever else does, the reader of the array sees from its shape.
    return Port(name, str(value.dtype), [None] * value.ndim)


def _replace(new: Path, out: Path) -> None:
    """Put the finished folder where an earlier one may lie."""
    new.chmod(0o755)
    if out.exists():
        old = new.with_name("old")
        out.replace(old)
    new.replace(out)
