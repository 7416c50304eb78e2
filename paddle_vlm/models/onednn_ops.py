"""Convolution, max pooling and batch normalisation by oneDNN, forwards and backwards.

All tensors are float32 on the CPU, contiguous; pictures are [B, H, W, C]. Each object is for pictures of one shape.
"""

import functools
from ctypes import c_float, c_int, c_uint

import paddle
from paddle import Tensor

from paddle_vlm.models import onednn
from paddle_vlm.models.onednn import Dims, Primitive, Shape

# From dnnl_types.h.
_TRAINING, _BACKWARD = 64, 128
_DIRECT, _MAX = 0x1, 0x1FF  # algorithms of convolution and of pooling
_SCALE, _SHIFT, _FUSE_RELU = 2, 4, 8  # flags of batch normalisation
_WEIGHTS_LAYOUT, _DIFF_WEIGHTS_LAYOUT, _WORKSPACE_LAYOUT = 131, 132, 135  # what a descriptor has chosen
_WEIGHTS, _BIAS, _MEAN, _VARIANCE, _GAMMA, _BETA, _WORKSPACE = 33, 41, 49, 50, 51, 52, 64  # roles of an argument
_DIFF_SRC, _DIFF_DST, _DIFF_WEIGHTS, _DIFF_BIAS, _DIFF_GAMMA, _DIFF_BETA = 129, 145, 161, 169, 255, 256

Pair = tuple[int, int]  # for height and width


@functools.lru_cache(maxsize=256)
def _copier(shape: tuple[int, ...], strides: tuple[int, ...], to_strides: tuple[int, ...]) -> Primitive:
    dnn = onednn.get()
    source, target = dnn.layout(shape, strides), dnn.layout(shape, to_strides)
    return Primitive(dnn.reorder(source, target), {onednn.SRC: source, onednn.DST: target})


def packed(x: Tensor) -> Tensor:
    """A contiguous tensor: itself, or a copy. Paddle's `contiguous` takes ten times as long."""
    if x.is_contiguous():
        return x
    result = paddle.empty(x.shape)
    _copier(tuple(x.shape), tuple(x.strides), tuple(result.strides))(x, result)
    return result


class Convolution:
    """A convolution of pictures of one shape, and its gradients. Weights are [outputs, inputs / groups, h, w].

    Raises NotImplementedError for what oneDNN cannot do.
    """

    def __init__(
        self, pictures: Shape, weight: Shape, bias: bool, stride: Pair, padding: Pair, dilation: Pair, groups: int
    ) -> None:
        dnn = onednn.get()
        height, width = (
            (size + 2 * pad - step * (kernel - 1) - 1) // jump + 1
            for size, pad, step, kernel, jump in zip(pictures[1:3], padding, dilation, weight[2:], stride, strict=True)
        )
        self.pictures, self.weight, self.result = list(pictures), list(weight), [pictures[0], height, width, weight[0]]
        named = list(weight) if groups == 1 else [groups, weight[0] // groups, *weight[1:]]
        self._src, self._dst = dnn.pictures(self.pictures), dnn.pictures(self.result)
        self._plain, self._any = dnn.layout(named), dnn.any_layout(named)
        self._bias = dnn.layout([weight[0]]) if bias else None
        self._geometry = [
            Dims(*stride), Dims(*(step - 1 for step in dilation)), Dims(*padding), Dims(*padding)
        ]  # fmt: skip
        self._descriptor = dnn.make(
            "convolution_forward_primitive_desc_create", dnn.engine, c_int(_TRAINING), c_int(_DIRECT),
            self._src, self._any, self._bias, self._dst, *self._geometry, None,
        )  # fmt: skip
        packed = dnn.chosen(self._descriptor, _WEIGHTS_LAYOUT)
        self._packed = dnn.memory(packed, onednn.OWN_DATA)
        self._pack_forward = Primitive(
            dnn.reorder(self._plain, packed), {onednn.SRC: self._plain}, {onednn.DST: self._packed}
        )
        roles = {onednn.SRC: self._src, **({_BIAS: self._bias} if self._bias else {}), onednn.DST: self._dst}
        self._forward = Primitive(self._descriptor, roles, {_WEIGHTS: self._packed})

    def forward(self, pictures: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The convolved pictures."""
        result = paddle.empty(self.result)
        with onednn.get().lock:  # layers of the same shape share the packed weight
            self._pack_forward(weight)
            self._forward(pictures, *([] if bias is None else [bias]), result)
        return result

    @functools.cached_property
    def _input_gradient(self) -> tuple[Primitive, Primitive]:
        dnn = onednn.get()
        descriptor = dnn.make(
            "convolution_backward_data_primitive_desc_create", dnn.engine, c_int(_DIRECT),
            self._src, self._any, self._dst, *self._geometry, self._descriptor, None,
        )  # fmt: skip
        packed = dnn.chosen(descriptor, _WEIGHTS_LAYOUT)
        weight = dnn.memory(packed, onednn.OWN_DATA)
        pack = Primitive(dnn.reorder(self._plain, packed), {onednn.SRC: self._plain}, {onednn.DST: weight})
        return pack, Primitive(descriptor, {_DIFF_DST: self._dst, _DIFF_SRC: self._src}, {_WEIGHTS: weight})

    def input_gradient(self, gradient: Tensor, weight: Tensor) -> Tensor:
        """The gradient of the pictures from that of the result."""
        pack, backward = self._input_gradient
        result = paddle.empty(self.pictures)
        with onednn.get().lock:
            pack(weight)
            backward(gradient, result)
        return result

    @functools.cached_property
    def _weight_gradient(self) -> tuple[Primitive, Primitive]:
        dnn = onednn.get()
        descriptor = dnn.make(
            "convolution_backward_weights_primitive_desc_create", dnn.engine, c_int(_DIRECT),
            self._src, self._any, self._bias, self._dst, *self._geometry, self._descriptor, None,
        )  # fmt: skip
        packed = dnn.chosen(descriptor, _DIFF_WEIGHTS_LAYOUT)
        gradient = dnn.memory(packed, onednn.OWN_DATA)
        roles = {onednn.SRC: self._src, _DIFF_DST: self._dst, **({_DIFF_BIAS: self._bias} if self._bias else {})}
        unpack = Primitive(dnn.reorder(packed, self._plain), {onednn.DST: self._plain}, {onednn.SRC: gradient})
        return Primitive(descriptor, roles, {_DIFF_WEIGHTS: gradient}), unpack

    def weight_gradient(self, pictures: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor | None]:
        """The gradients of the weight and of the bias (None without one) from that of the result."""
        backward, unpack = self._weight_gradient
        weight = paddle.empty(self.weight)
        bias = paddle.empty(self.result[3:]) if self._bias else None
        with onednn.get().lock:
            backward(pictures, gradient, *([] if bias is None else [bias]))
            unpack(weight)
        return weight, bias


class MaxPooling:
    """Max pooling of pictures of one shape, and its gradient. Raises NotImplementedError."""

    def __init__(self, pictures: Shape, kernel: Pair, stride: Pair, padding: Pair) -> None:
        dnn = onednn.get()
        height, width = (
            (size + 2 * pad - window) // jump + 1
            for size, pad, window, jump in zip(pictures[1:3], padding, kernel, stride, strict=True)
        )
        self.pictures, self.result = list(pictures), [pictures[0], height, width, pictures[3]]
        src, dst = dnn.pictures(self.pictures), dnn.pictures(self.result)
        # oneDNN wants the padding that the last window needs; what is left over makes it smaller, even negative.
        end = [
            (count - 1) * jump + window - size - pad
            for count, jump, window, size, pad in zip(
                (height, width), stride, kernel, pictures[1:3], padding, strict=True
            )
        ]
        geometry = [Dims(*stride), Dims(*kernel), Dims(0, 0), Dims(*padding), Dims(*end)]
        forward = dnn.make(
            "pooling_forward_primitive_desc_create",
            dnn.engine,
            c_int(_TRAINING),
            c_int(_MAX),
            src,
            dst,
            *geometry,
            None,
        )
        backward = dnn.make(
            "pooling_backward_primitive_desc_create", dnn.engine, c_int(_MAX), src, dst, *geometry, forward, None
        )
        workspace = dnn.chosen(forward, _WORKSPACE_LAYOUT)
        self._workspace = [dnn.c.dnnl_memory_desc_get_size(workspace)]
        self._forward = Primitive(forward, {onednn.SRC: src, onednn.DST: dst, _WORKSPACE: workspace})
        self._backward = Primitive(backward, {_DIFF_DST: dst, _WORKSPACE: workspace, _DIFF_SRC: src})

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """The pooled pictures and where each maximum was, for the gradient."""
        result, places = paddle.empty(self.result), paddle.empty(self._workspace, "uint8")
        self._forward(pictures, result, places)
        return result, places

    def gradient(self, gradient: Tensor, places: Tensor) -> Tensor:
        """The gradient of the pictures from that of the result."""
        result = paddle.empty(self.pictures)
        self._backward(gradient, places, result)
        return result


class BatchNorm:
    """Batch normalisation of pictures of one shape by their own mean and variance, then ReLU if wanted.

    Raises NotImplementedError.
    """

    def __init__(self, pictures: Shape, epsilon: float, relu: bool) -> None:
        dnn = onednn.get()
        self.pictures, self.channels = list(pictures), [pictures[3]]
        src, line = dnn.pictures(self.pictures), dnn.layout(self.channels)
        options = [c_float(epsilon), c_uint(_SCALE | _SHIFT | (_FUSE_RELU if relu else 0))]
        forward = dnn.make(
            "batch_normalization_forward_primitive_desc_create", dnn.engine, c_int(_TRAINING), src, src, *options, None
        )
        backward = dnn.make(
            "batch_normalization_backward_primitive_desc_create", dnn.engine, c_int(_BACKWARD), src, src, src, *options,
            forward, None,
        )  # fmt: skip
        workspace = dnn.chosen(forward, _WORKSPACE_LAYOUT)
        self._workspace = [max(1, dnn.c.dnnl_memory_desc_get_size(workspace))] if relu else None
        signs = {_WORKSPACE: workspace} if relu else {}
        statistics = {_MEAN: line, _VARIANCE: line}
        self._forward = Primitive(
            forward, {onednn.SRC: src, _GAMMA: line, _BETA: line, onednn.DST: src, **statistics, **signs}
        )
        self._backward = Primitive(
            backward,
            {onednn.SRC: src, _GAMMA: line, _DIFF_DST: src, _DIFF_SRC: src, _DIFF_GAMMA: line, _DIFF_BETA: line}
            | statistics
            | signs,
        )

    def forward(self, pictures: Tensor, gamma: Tensor, beta: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The normalised pictures, and [mean, variance (and signs)] of the batch for the gradient."""
        result = paddle.empty(self.pictures)
        kept = [paddle.empty(self.channels), paddle.empty(self.channels)]
        kept += [paddle.empty(self._workspace, "uint8")] if self._workspace else []
        self._forward(pictures, gamma, beta, result, *kept)
        return result, kept

    def gradient(
        self, pictures: Tensor, gamma: Tensor, gradient: Tensor, kept: list[Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The gradients of the pictures, of gamma and of beta from that of the result."""
        result, scale, shift = (paddle.empty(shape) for shape in (self.pictures, self.channels, self.channels))
        self._backward(pictures, gamma, gradient, result, scale, shift, *kept)
        return result, scale, shift
