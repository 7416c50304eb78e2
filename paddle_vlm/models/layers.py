"""Paddle's own layers, same arguments and weights, faster at training on a CPU; `docs/zh/cpu_training.md` tells why.

On a CPU, outside static programs, pictures are convolved, pooled and normalised by oneDNN (`onednn_ops.py`), and the
bias of `Linear` gets its gradient from a matrix product. Elsewhere each layer is exactly Paddle's.

oneDNN is fastest on pictures that lie channels-last in memory. A network that has only these layers between its first
and its last convolution passes its input through `channels_last`: from there on, the layers return [B, C, H, W]
tensors whose strides say so (like PyTorch's channels_last) and pass them on without a copy. Given tensors in the usual
order, each layer returns the usual order, so that any other operator of Paddle may come between.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import paddle
from paddle import Tensor, nn
from paddle.autograd import PyLayer
from paddle.nn import functional as F

from paddle_vlm.models import onednn, onednn_ops

_convolution = functools.lru_cache(maxsize=256)(onednn_ops.Convolution)
_max_pooling = functools.lru_cache(maxsize=256)(onednn_ops.MaxPooling)
_batch_norm = functools.lru_cache(maxsize=256)(onednn_ops.BatchNorm)

_SMALL = 1 << 16  # results of a Linear below which Paddle's own is faster


def _on_cpu(x: Tensor) -> bool:
    return paddle.in_dynamic_mode() and x.place.is_cpu_place() and x.dtype == paddle.float32


def _has_onednn(x: Tensor, layer: nn.Layer) -> bool:
    return _on_cpu(x) and onednn.find() is not None and getattr(layer, "_data_format", "NCHW") == "NCHW"


def _last(x: Tensor) -> Tensor:
    """[B, C, H, W] -> [B, H, W, C], without a copy."""
    return x.transpose([0, 2, 3, 1])


def _back(y: Tensor, usual: bool) -> Tensor:
    """[B, H, W, C] -> [B, C, H, W], in the usual memory order if wanted."""
    return _Packed.apply(_first(y)) if usual else _first(y)


def _first(x: Tensor) -> Tensor:
    """[B, H, W, C] -> [B, C, H, W], without a copy."""
    return x.transpose([0, 3, 1, 2])


class Dropout(nn.Dropout):
    """Paddle's, which leaves an operator in exported programs; this leaves none."""

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape -> the same shape."""
        return super().forward(x) if self.training else x


class Projection(nn.Layer):
    """The product with the turned table of an embedding, for logits; without weights of its own."""

    def forward(self, x: Tensor, table: Tensor, bias: Tensor) -> Tensor:
        """x [..., dim], table [V, dim], bias [V] -> [..., V].

        A program turns the table when it is loaded: oneDNN then packs it once, not in every call, which takes four
        times as long for one row.
        """
        if paddle.in_dynamic_mode():
            return paddle.matmul(x, table, transpose_y=True) + bias
        return paddle.matmul(x, table.t()) + bias


class _Linear(PyLayer):
    """x [N, inputs] @ weight + bias. Paddle sums the bias's gradient up column by column, slower than the product."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return paddle.matmul(x, weight) + bias

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensor()
        ones = paddle.ones([1, gradient.shape[0]])
        return (
            None if x.stop_gradient else paddle.matmul(gradient, weight, transpose_y=True),
            None if weight.stop_gradient else paddle.matmul(x, gradient, transpose_x=True),
            paddle.matmul(ones, gradient)[0],
        )


class _Conv2D(PyLayer):
    """oneDNN's convolution of [B, H, W, C]."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, convolution: onednn_ops.Convolution
    ) -> Tensor:
        pictures = onednn_ops.packed(x)
        ctx.convolution, ctx.wanted = convolution, not x.stop_gradient
        ctx.save_for_backward(pictures, weight)
        return convolution.forward(pictures, weight, bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensor()
        gradient = onednn_ops.packed(gradient)
        pictures = ctx.convolution.input_gradient(gradient, weight) if ctx.wanted else None
        if weight.stop_gradient:
            return pictures, None
        weight_gradient, bias_gradient = ctx.convolution.weight_gradient(x, gradient)
        return (pictures, weight_gradient) if bias_gradient is None else (pictures, weight_gradient, bias_gradient)


class _MaxPool2D(PyLayer):
    """oneDNN's max pooling of [B, H, W, C]."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, pooling: onednn_ops.MaxPooling) -> Tensor:
        result, places = pooling.forward(onednn_ops.packed(x))
        ctx.pooling, ctx.places = pooling, places
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return ctx.pooling.gradient(onednn_ops.packed(gradient), ctx.places)


class _BatchNorm2D(PyLayer):
    """oneDNN's batch normalisation of [B, H, W, C] by the batch's own statistics."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, norm: onednn_ops.BatchNorm, track: Callable[..., None]
    ) -> Tensor:
        x = onednn_ops.packed(x)
        result, kept = norm.forward(x, weight, bias)
        track(*kept[:2])
        ctx.norm, ctx.kept = norm, kept
        ctx.save_for_backward(x, weight)
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensor()
        return ctx.norm.gradient(x, weight, onednn_ops.packed(gradient), ctx.kept)


class _Packed(PyLayer):
    """The same tensor, contiguous."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return onednn_ops.packed(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


class Linear(nn.Linear):
    """`paddle.nn.Linear`: weight [inputs, outputs], bias [outputs]."""

    def forward(self, x: Tensor) -> Tensor:
        """x [..., inputs] -> [..., outputs]."""
        rows = x.size // x.shape[-1] if _on_cpu(x) else 0
        if self.bias is None or self.bias.stop_gradient or rows * self.weight.shape[1] < _SMALL:
            return super().forward(x)
        return _Linear.apply(x.reshape([-1, x.shape[-1]]), self.weight, self.bias).reshape([*x.shape[:-1], -1])


class Conv2D(nn.Conv2D):
    """`paddle.nn.Conv2D`: weight [outputs, inputs / groups, kernel, kernel], bias [outputs]."""

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, H, W] -> [B, outputs, H, W]."""
        padding = self._updated_padding
        plain = self._padding_mode == "zeros" and self._padding_algorithm == "EXPLICIT" and len(padding) == 2
        if not plain or not _has_onednn(x, self):
            return super().forward(x)
        x, usual = _last(x), x.is_contiguous()
        convolution = _convolution(
            tuple(x.shape), tuple(self.weight.shape), self.bias is not None,
            tuple(self._stride), tuple(padding), tuple(self._dilation), self._groups,
        )  # fmt: skip
        return _back(_Conv2D.apply(x, self.weight, self.bias, convolution), usual)


class MaxPool2D(nn.MaxPool2D):
    """`paddle.nn.MaxPool2D`."""

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C, H', W']."""
        plain = not (self.return_mask or self.ceil_mode) and not isinstance(self.padding, str)
        if not plain or self.data_format != "NCHW" or not _has_onednn(x, self):
            return super().forward(x)
        x, kernel, usual = _last(x), _pair(self.ksize), x.is_contiguous()
        pooling = _max_pooling(tuple(x.shape), kernel, _pair(self.stride or kernel), _pair(self.padding))
        return _back(_MaxPool2D.apply(x, pooling), usual)


class BatchNorm2D(nn.BatchNorm2D):
    """`paddle.nn.BatchNorm2D`; with `relu` a ReLU follows, which costs nothing while training on a CPU."""

    def __init__(self, channels: int, *arguments: Any, relu: bool = False, **options: Any) -> None:
        super().__init__(channels, *arguments, **options)
        self._relu = relu

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> the same shape."""
        if not self.training or not _has_onednn(x, self):
            y = super().forward(x)
            return relu(y) if self._relu else y
        x, usual = _last(x), x.is_contiguous()
        norm = _batch_norm(tuple(x.shape), self._epsilon, self._relu)
        return _back(_BatchNorm2D.apply(x, self.weight, self.bias, norm, self._track), usual)

    @paddle.no_grad()
    def _track(self, mean: Tensor, variance: Tensor) -> None:
        for running, now in ((self._mean, mean), (self._variance, variance)):
            running.lerp_(now, 1 - self._momentum)


def channels_last(x: Tensor) -> Tensor:
    """The same [B, C, H, W], in memory with the channels last where that makes our layers faster."""
    if not _on_cpu(x) or onednn.find() is None:
        return x
    return _first(_Packed.apply(_last(x)))


def relu(x: Tensor) -> Tensor:
    """`F.relu` of [B, C, H, W] in whichever order it lies."""
    if not _on_cpu(x) or x.is_contiguous():
        return F.relu(x)
    return _first(F.relu(_last(x)))


def flatten(x: Tensor) -> Tensor:
    """[B, C, H, W] in whichever order it lies -> [B, C * H * W]."""
    if _on_cpu(x) and not x.is_contiguous() and onednn.find() is not None:
        x = _Packed.apply(x)
    return x.flatten(1)


def _pair(value: int | Sequence[int]) -> onednn_ops.Pair:
    height, width = (value, value) if isinstance(value, int) else value
    return height, width
