"""Where a convolutional network looks (Grad-CAM, Selvaraju et al. 2017)."""

from typing import Any

import numpy as np
from paddle import Tensor, nn
from paddle.nn import functional as F


def grad_cam(network: nn.Layer, image: Tensor, label: int) -> np.ndarray:
    """What speaks for a class: image [1, 3, H, W] -> float32 [h, w] in 0..1, h x w being the size of the last maps.

    The maps A of the last layer that still has places are weighted by the mean gradient of the class's logit:
    max(0, sum over k of mean(d logit / d A_k) A_k), divided by its maximum; all zero where nothing speaks for it.
    """
    kept: list[tuple[Tensor, bool]] = []

    def keep(layer: nn.Layer, inputs: Any, output: Any) -> None:
        if not isinstance(output, Tensor) or output.ndim != 4:
            return
        last = getattr(layer, "_data_format", "NCHW") == "NHWC"
        if min(output.shape[1:3] if last else output.shape[2:]) > 1:
            output.retain_grads()
            kept.append((output, last))

    leaves = [layer for layer in network.sublayers() if not layer.sublayers()]
    hooks = [layer.register_forward_post_hook(keep) for layer in leaves]
    try:
        logit = network(image)[0, label]
    finally:
        for hook in hooks:
            hook.remove()
    if not kept:
        raise ValueError("the network has no layer with a map of places")
    maps, channels_last = kept[-1]
    logit.backward()  # not paddle.grad: the layers of `layers.py` would have to leave out the gradients of weights
    active, gradient = F.relu(maps)[0].numpy(), maps.grad[0].numpy()
    for parameter in network.parameters():
        parameter.clear_gradient()
    if channels_last:
        active, gradient = active.transpose(2, 0, 1), gradient.transpose(2, 0, 1)
    heat = np.maximum(np.tensordot(gradient.mean(axis=(1, 2)), active, 1), 0)
    return (heat / max(float(heat.max()), 1e-12)).astype(np.float32)
