"""Weights kept in few bytes inside an exported program. Paddle Inference makes them float32 again once, at loading.

A program then holds `weight = cast(stored)` or `weight = cast(stored) * scale`, which are constants: Paddle Inference
3.2 computes them when it loads the program, so that a run costs what it costs with float32 weights. Arithmetic in int8
is not to be had that way: 3.2 has no pass that places oneDNN's int8 operators in a .json program.
"""

from typing import Any, Literal

import numpy as np
import paddle
from paddle import Tensor, nn

Precision = Literal["fp32", "fp16", "int8"]
_WIDE = 16  # numbers in a row of a table from which a scale of its own (four bytes) is worth its room


class Compact(nn.Layer):
    """A layer whose matrices, tables and filters are stored as fp16 or int8; `restore` makes it as it was.

    Vectors (biases, normalisations) stay as they are, and so do the matrices of Paddle's own recurrent layers, which
    keep a second list of their weights.
    """

    def __init__(self, layer: nn.Layer, precision: Literal["fp16", "int8"]) -> None:
        super().__init__()
        self.inner = layer
        self._places: list[tuple[nn.Layer, str, Tensor]] = []
        for sublayer in layer.sublayers(include_self=True):
            if not isinstance(sublayer, nn.layer.rnn.RNNBase):
                for name in [name for name, value in sublayer._parameters.items() if value is not None]:
                    self._store(sublayer, name, precision)

    def forward(self, arguments: list[Any]) -> Any:
        """The inner layer's arguments, in one list -> what it returns."""
        for number, (sublayer, name, _) in enumerate(self._places):
            weight: Tensor = self._buffers[f"stored{number}"].astype("float32")
            scale = self._buffers.get(f"scale{number}")
            sublayer.__dict__[name] = weight if scale is None else weight * scale
        return self.inner(*arguments)

    def restore(self) -> None:
        """Give the layer its weights back."""
        for sublayer, name, parameter in self._places:
            sublayer.__dict__.pop(name, None)
            sublayer._parameters[name] = parameter

    def _store(self, sublayer: nn.Layer, name: str, precision: str) -> None:
        parameter = sublayer._parameters[name]
        if parameter.ndim < 2:
            return
        number, value = len(self._places), parameter.numpy()
        del sublayer._parameters[name]
        self._places.append((sublayer, name, parameter))
        if precision == "fp16":
            self.register_buffer(f"stored{number}", paddle.to_tensor(value.astype(np.float16)))
            return
        table = isinstance(sublayer, nn.Embedding) and value.shape[1] >= _WIDE
        numbers, scale = quantize(value, first=value.ndim == 4 or table)
        self.register_buffer(f"stored{number}", paddle.to_tensor(numbers))
        self.register_buffer(f"scale{number}", paddle.to_tensor(scale))


def quantize(value: np.ndarray, first: bool) -> tuple[np.ndarray, np.ndarray]:
    """float [..., N] -> int8 of that shape and float32 scales, one a channel: symmetric, the largest becomes 127.

    The channels are those of the first axis (filters, rows of a table) or else the last (columns of a matrix).
    """
    others = tuple(range(1, value.ndim)) if first else tuple(range(value.ndim - 1))
    scale = np.maximum(np.abs(value).max(others, keepdims=True), 1e-12).astype(np.float32) / 127
    return np.round(value / scale).astype(np.int8), scale
