"""Programs for OpenVINO, which Paddle's Linux wheels carry: Paddle Inference runs them as one operator, on a processor.

OpenVINO fuses the whole network, and computes in bfloat16 throughout where the processor can, so that small operators
cost next to nothing (docs/zh/export.md). It reads Paddle's programs in the form of before 3.0 only, and not all
operators.
"""

import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import paddle
from paddle import Tensor, nn
from paddle.base.layer_helper import LayerHelper
from paddle.nn import functional as F

PROGRAM = "inference.pdmodel"  # of an old program; the weights are called as in new ones
_CODES = 127  # the greatest int8
_SWITCHING = Lock()  # which form Paddle writes is a setting of the whole process


@functools.cache
def has_openvino() -> bool:
    """Whether the installed Paddle carries OpenVINO."""
    return any((Path(paddle.__file__).parent / "libs").glob("libopenvino_paddle_frontend*"))


def can_decode() -> bool:
    """Whether OpenVINO can attend from one query: in Paddle 3.2.2 that is wrong in float32, from 16 keys on."""
    return has_openvino() and has_bfloat16()


@functools.cache
def has_bfloat16() -> bool:
    """Whether the processor multiplies in bfloat16; known on Linux only."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


@contextlib.contextmanager
def old_programs() -> Iterator[None]:
    """Within it, `paddle.jit.save` writes programs as before Paddle 3.0, of operators that OpenVINO reads."""
    with _SWITCHING, paddle.pir_utils.OldIrGuard(), contextlib.ExitStack() as stack:
        paddle.disable_static()  # the guard has enabled it; layers are recorded from dynamic mode
        for place, name, function in _REPLACED:
            stack.callback(setattr, place, name, getattr(place, name))
            setattr(place, name, function)
        yield


class Int8Projection(nn.Layer):
    """`models.layers.Projection` with both factors in int8, for a table that it is made with; in old programs only.

    The columns have a scale each, x has one: what lies beyond `most` is cut off (Jacob et al. 2018, symmetric).
    """

    def __init__(self, table: np.ndarray, most: float) -> None:
        """table float32 [V, dim]; `most` is the greatest absolute value that x is expected to have."""
        super().__init__()
        scale = np.maximum(np.abs(table).max(1), 1e-12).astype(np.float32)
        codes = np.round(table / scale[:, None] * _CODES).astype(np.int8)
        for name, value in {
            "codes": np.ascontiguousarray(codes.T), "scale": scale, "zeros": np.zeros_like(scale),
            "most": np.array([most], np.float32), "zero": np.zeros(1, np.float32),
        }.items():  # fmt: skip
            self.register_buffer(name, paddle.to_tensor(value))

    def forward(self, x: Tensor, table: Tensor, bias: Tensor) -> Tensor:
        """x [..., dim], bias [V] -> [..., V]; `table` is the one that is already known."""
        scale = {"Scale": self.most, "ZeroPoint": self.zero}
        rounded = _quantizing("quantize_linear", {"X": x, **scale}, -1)
        x = _quantizing("dequantize_linear", {"X": rounded, **scale}, -1)
        known = {"X": self.codes, "Scale": self.scale, "ZeroPoint": self.zeros}
        return _matmul(x, _quantizing("dequantize_linear", known, 1)) + bias


def _quantizing(kind: str, inputs: dict[str, Tensor], axis: int) -> Tensor:
    helper = LayerHelper(kind)
    out = helper.create_variable_for_type_inference(paddle.float32)
    helper.append_op(type=kind, inputs=inputs, outputs={"Y": out}, attrs={"quant_axis": axis, "bit_length": 8})
    return out


def _operator(kind: str, inputs: dict[str, Tensor], **attributes: Any) -> Tensor:
    """One operator appended to the program that is being recorded."""
    helper = LayerHelper(kind)
    out = helper.create_variable_for_type_inference(next(iter(inputs.values())).dtype)
    helper.append_op(type=kind, inputs=inputs, outputs={"Out": out}, attrs=attributes)
    return out


def _matmul(x: Tensor, y: Tensor, transpose_x: bool = False, transpose_y: bool = False) -> Tensor:
    return _operator("matmul_v2", {"X": x, "Y": y}, trans_x=transpose_x, trans_y=transpose_y)


def _log(x: Tensor) -> Tensor:
    return _operator("log", {"X": x})


def _normalize(x: Tensor, axis: int) -> Tensor:
    squares = _operator("reduce_sum", {"X": x * x}, dim=[axis], keep_dim=True)
    return x / _operator("sqrt", {"X": squares + 1e-24})


# What Paddle 3.2 records in new programs only.
_REPLACED = [
    (paddle, "matmul", _matmul),
    (paddle, "log", _log),
    (F, "normalize", _normalize),
]
