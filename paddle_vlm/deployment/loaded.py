"""An exported folder, verified and ready to run: arrays by name in, arrays by name out."""

import difflib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from paddle_vlm.deployment.manifest import Manifest, Port, ProgramEntry
from paddle_vlm.errors import UsageError
from paddle_vlm.inference.pool import PredictorPool
from paddle_vlm.inference.predictor import Gpu, Predictor


class LoadedProgram:
    """One program of an exported model. Safe to call from several threads."""

    def __init__(self, entry: ProgramEntry, runner: Predictor | PredictorPool) -> None:
        self.entry, self._runner = entry, runner

    def run(self, **arrays: np.ndarray) -> dict[str, np.ndarray]:
        """One array for each input of the manifest -> the outputs by name.

        Raises UsageError for an unknown or missing name, and for an array of another type or shape; Busy where the
        program has a pool and its queue is full.
        """
        names = [port.name for port in self.entry.inputs]
        if unknown := [name for name in arrays if name not in names]:
            near = difflib.get_close_matches(unknown[0], names, n=1, cutoff=0.5)
            remedy = f"是否想写 {near[0]}?" if near else f"可用:{'、'.join(names)}。"
            raise UsageError(f"该程序没有输入 {unknown[0]}。{remedy}")
        if missing := [name for name in names if name not in arrays]:
            raise UsageError(f"缺少输入 {'、'.join(missing)}。")
        found = self._runner.run(*(_checked(port, arrays[port.name]) for port in self.entry.inputs))
        return dict(zip((port.name for port in self.entry.outputs), found, strict=True))


@dataclass(frozen=True)
class Exported:
    """A model: `exported["image"].run(pixels=…)`."""

    manifest: Manifest
    programs: dict[str, LoadedProgram]

    def __getitem__(self, name: str) -> LoadedProgram:
        if name not in self.programs:
            raise UsageError(f"该模型没有程序 {name}。可用:{'、'.join(self.programs)}。")
        return self.programs[name]


def load_exported(
    folder: str | Path, device: str = "auto", threads: int | None = None, *, size: int = 1, waiting: int = 16,
    gpu: Gpu | None = None,
) -> Exported:  # fmt: skip
    """What `build.export_model` wrote, after checking every file.

    Args:
        device: "auto", "cpu" or "gpu"; a card computes in fp16 where the model was exported so, unless `gpu` says else.
        threads: of one call; all cores unless given.
        size: calls of a program that run at once; with more than one, others wait in a queue.
        waiting: calls that may wait.

    Raises MissingWeights for anything missing or changed.
    """
    folder = Path(folder)
    manifest = Manifest.load(folder)
    manifest.verify(folder)
    gpu = gpu or Gpu(half=manifest.precision == "fp16")
    programs = {}
    for name, entry in manifest.programs.items():
        runner: Predictor | PredictorPool
        if size > 1:
            runner = PredictorPool(
                folder / name, size, waiting=waiting, device=device, threads=threads, onednn=entry.onednn, gpu=gpu
            )
        else:
            runner = Predictor(folder / name, device, threads, entry.onednn, gpu)
        programs[name] = LoadedProgram(entry, runner)
    return Exported(manifest, programs)


def _checked(port: Port, array: np.ndarray) -> np.ndarray:
    """The array, if the port takes it."""
    fits = array.ndim == len(port.shape) and all(
        wanted in (None, given) for wanted, given in zip(port.shape, array.shape, strict=True)
    )
    if not fits or str(array.dtype) != port.dtype:
        shape = "、".join("任意" if size is None else str(size) for size in port.shape)
        raise UsageError(
            f"输入 {port.name} 应是 {port.dtype}、形状 [{shape}],给出的是 {array.dtype}、形状 {list(array.shape)}。"
        )
    return array
