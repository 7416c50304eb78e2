"""A Paddle layer as a program that Paddle Inference runs."""

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paddle
from paddle import nn
from paddle.static import InputSpec

import paddle_vlm
from paddle_vlm.errors import OutputError
from paddle_vlm.inference import openvino
from paddle_vlm.inference.stored import Compact, Precision

PROGRAM, WEIGHTS = "inference.json", "inference.pdiparams"  # the names PaddleX and PaddleOCR use too

# Our layers are recorded as they run. Rewriting the source of each function first, Paddle's default, takes twice as
# long and serves only those whose control flow depends on a tensor's values.
paddle.jit.ignore_module([paddle_vlm])


@dataclass(frozen=True)
class Program:
    """What there is to know of a layer to export it.

    Attributes:
        inputs: a named spec for each argument of `layer.forward`, or a list of them for an argument that is a list.
        outputs: names, in the order in which `layer.forward` returns them.
    """

    layer: nn.Layer
    inputs: Sequence[Any]
    outputs: tuple[str, ...]

    def specs(self) -> list[InputSpec]:
        """All inputs in the order in which the program takes them."""
        return list(flat(self.inputs))


def flat(arguments: Sequence[Any]) -> Iterator[Any]:
    """The items of nested lists and tuples, from left to right."""
    for argument in arguments:
        if isinstance(argument, list | tuple):
            yield from flat(argument)
        else:
            yield argument


def export_program(program: Program, folder: Path, precision: Precision = "fp32") -> Path:
    """`export` with the weights stored as `precision` says."""
    if precision == "fp32":
        return export(program.layer, program.inputs, folder)
    compact = Compact(program.layer, precision)
    try:
        return export(compact, [list(program.inputs)], folder)
    finally:
        compact.restore()


def export(layer: nn.Layer, specs: Sequence[Any], folder: Path, for_openvino: bool = False) -> Path:
    """Write `layer.forward` as `folder`/inference.json and inference.pdiparams; a None in a spec's shape may vary.

    `for_openvino`: as inference.pdmodel instead of inference.json; `Predictor` then runs it by OpenVINO.
    The folder gets both files or neither. The layer ends in evaluation mode. Raises OutputError.
    """
    layer.eval()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            with openvino.old_programs() if for_openvino else contextlib.nullcontext():
                paddle.jit.save(layer, f"{temporary}/inference", input_spec=list(specs))
            for name in (WEIGHTS, openvino.PROGRAM if for_openvino else PROGRAM):  # a folder with a program is complete
                (Path(temporary) / name).replace(folder / name)
    except OSError as error:
        if error.errno is None:  # not a matter of files: Paddle could not trace the layer
            raise
        raise OutputError(f"无法写入 {folder}:{error.strerror}。请检查写权限和剩余空间。") from error
    return folder
