"""Paddle Inference on CPU or GPU: arrays in, arrays out. The only place that touches `paddle.inference`."""

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np
import paddle
from paddle import Tensor, inference

from paddle_vlm import runtime
from paddle_vlm.errors import MissingWeights, UsageError
from paddle_vlm.inference import openvino
from paddle_vlm.inference.export import PROGRAM, WEIGHTS
from paddle_vlm.inference.openvino import has_bfloat16

_SILENCING = Lock()  # file descriptor 1 belongs to the whole process


@dataclass(frozen=True)
class Gpu:
    """How a graphics card is used."""

    card: int = 0
    memory: int = 512  # MB taken from the card at the start; more is taken when needed
    half: bool = False  # compute in fp16 what can be

    def arguments(self) -> tuple[int, int, "inference.PrecisionType"]:
        """What Paddle Inference's `enable_use_gpu` takes."""
        precision = inference.PrecisionType.Half if self.half else inference.PrecisionType.Float32
        return self.memory, self.card, precision


@dataclass(frozen=True)
class OneDNN:
    """How oneDNN is used on the processor.

    Attributes:
        shapes: for how many shapes of the inputs it keeps what it has compiled. 0: for each operator it keeps all
            sizes that the operator has met, whatever the shapes of the inputs, which suits those of few sizes.
        half: multiply in bfloat16 where the processor has instructions for it.
    """

    shapes: int = 16  # without a bound memory grows with each new one
    half: bool = False


def make_config(
    folder: Path, device: str, threads: int | None = None, onednn: bool | OneDNN = True, gpu: Gpu | None = None
) -> "inference.Config":
    """Paddle Inference's settings for an exported folder; `device` is "cpu" or "gpu". Raises MissingWeights."""
    program = openvino.PROGRAM if (folder / openvino.PROGRAM).is_file() else PROGRAM
    for name in (program, WEIGHTS):
        if not (folder / name).is_file():
            raise MissingWeights(f"推理模型文件夹 {folder} 中缺少 {name}。请重新导出,或检查路径。")
    config = inference.Config(str(folder / program), str(folder / WEIGHTS))
    config.disable_glog_info()
    if device == "gpu":
        config.enable_use_gpu(*(gpu or Gpu()).arguments())
        config.disable_mkldnn()
        return config
    config.disable_gpu()
    config.set_cpu_math_library_num_threads(threads or runtime.cores())
    if program == openvino.PROGRAM:
        precision = inference.PrecisionType
        config.enable_openvino_engine(precision.Bfloat16 if has_bfloat16() else precision.Float32)
        config.set_optim_cache_dir(str(folder / "compiled"))  # or else OpenVINO fills the current folder
    elif onednn and runtime.onednn_works():
        settings = onednn if isinstance(onednn, OneDNN) else OneDNN()
        config.enable_mkldnn()
        config.set_mkldnn_cache_capacity(settings.shapes)
        if settings.half and has_bfloat16():
            config.enable_mkldnn_bfloat16()
            config.delete_pass("cpu_special_ops_bf16_pass")  # concat in bfloat16 fails on an empty tensor
    else:
        config.disable_mkldnn()
    return config


class Predictor:
    """One exported model. Calls from several threads run one after another.

    Args:
        folder: what `export` wrote.
        device: "auto", "cpu" or "gpu".
        threads: of one call; all cores unless given.
        onednn: False for models that run faster or only without it, or how it is used; the CPU alone knows it. Programs
            for OpenVINO take no notice.
        gpu: how a graphics card is used, if one is.
    """

    def __init__(
        self, folder: str | Path, device: str = "auto", threads: int | None = None, onednn: bool | OneDNN = True,
        gpu: Gpu | None = None,
    ) -> None:  # fmt: skip
        device = runtime.device(device)
        config = make_config(Path(folder), device, threads, onednn, gpu)
        self.place = paddle.CUDAPlace(gpu.card if gpu else 0) if device == "gpu" else paddle.CPUPlace()
        try:
            self._attach(inference.create_predictor(config))
        except (RuntimeError, ValueError, OSError) as error:
            raise MissingWeights(f"无法载入推理模型 {folder}:文件已损坏或由别的飞桨版本导出。请重新导出。") from error

    def _attach(self, predictor: "inference.Predictor") -> None:
        self._predictor = predictor
        self._inputs = [self._predictor.get_input_handle(name) for name in self._predictor.get_input_names()]
        self._outputs = [self._predictor.get_output_handle(name) for name in self._predictor.get_output_names()]
        self._lock, self._ran = Lock(), False

    def clone(self) -> "Predictor":
        """Another one that shares this one's weights, and may run in another thread at the same time."""
        twin = object.__new__(Predictor)
        twin.place = self.place
        with self._lock:
            twin._attach(self._predictor.clone())
        return twin

    @property
    def outputs(self) -> int:
        """How many arrays `run` returns."""
        return len(self._outputs)

    def run(self, *arrays: np.ndarray) -> list[np.ndarray]:
        """The outputs for one array an input, in the order of the exported layer's arguments."""
        self._check(arrays)
        with self._lock, self._silent_at_first():
            for handle, array in zip(self._inputs, arrays, strict=True):
                handle.copy_from_cpu(np.ascontiguousarray(array))
            self._predictor.run()
            return [handle.copy_to_cpu() for handle in self._outputs]

    def run_tensors(self, *tensors: Tensor) -> list[Tensor]:
        """As `run`, from tensors at `place` to tensors there, without a copy: the next call writes to the same memory,
        so that what is to be given back must be copied first."""
        self._check(tensors)
        with self._lock, self._silent_at_first():
            return self._predictor.run(list(tensors))

    def _check(self, given: Sequence[object]) -> None:
        if len(given) != len(self._inputs):
            raise UsageError(f"该模型需要 {len(self._inputs)} 个输入,给了 {len(given)} 个。")

    @contextlib.contextmanager
    def _silent_at_first(self) -> Iterator[None]:
        with contextlib.nullcontext() if self._ran else _silent_output():
            yield
        self._ran = True


@contextlib.contextmanager
def _silent_output() -> Iterator[None]:
    """Around a first run: Paddle then writes a line of its own to standard output ("ReduceMean…"), where JSON goes."""
    with _SILENCING, Path(os.devnull).open("w") as nowhere:
        sys.stdout.flush()
        try:
            kept = os.dup(1)
        except OSError:  # there is no standard output
            yield
            return
        os.dup2(nowhere.fileno(), 1)
        try:
            yield
        finally:
            os.dup2(kept, 1)
            os.close(kept)
