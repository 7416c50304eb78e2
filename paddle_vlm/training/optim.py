"""Optimizers and learning-rate schedules; a schedule is a plain function of the update's number."""

import math

import paddle
from paddle import nn

from paddle_vlm.training.config import TrainConfig

_START, _END = 1 / 25, 1e-4  # of one_cycle: shares of the highest rate (Smith & Topin 2018; fastai's values)


def learning_rate(config: TrainConfig, update: int, updates: int) -> float:
    """The rate of update number `update` (from 0) of `updates`.

    After the warm-up "constant" stays, "linear" and "cosine" (Loshchilov & Hutter 2017) fall to 0, "one_cycle" falls
    along a cosine to a ten-thousandth. "one_cycle" rises along a cosine for 30 % of the updates unless `warmup` says
    otherwise; the others rise along a line.
    """
    share = config.warmup
    if config.schedule == "one_cycle" and not share:
        share = 0.3
    warmup = round(share * updates) if share < 1 else min(round(share), updates)
    if update < warmup:
        if config.schedule == "one_cycle":
            return config.lr * _between(_START, 1.0, update / warmup)
        return config.lr * (update + 1) / (warmup + 1)
    if config.schedule == "constant":
        return config.lr
    done = (update - warmup) / max(1, updates - warmup)
    if config.schedule == "linear":
        return config.lr * (1 - done)
    return config.lr * _between(1.0, _END if config.schedule == "one_cycle" else 0.0, done)


def _between(first: float, last: float, share: float) -> float:
    return last + (first - last) * (1 + math.cos(math.pi * share)) / 2


class _Adam(paddle.optimizer.Adam):
    """Adam that updates all parameters in one operator, several times faster on a CPU for small networks.

    Paddle pairs parameters with gradients by position there, so one without a gradient gets zeros.
    """

    def step(self) -> None:
        for parameter in self._parameter_list:
            if parameter.grad is None:
                parameter.grad = paddle.zeros_like(parameter)
        super().step()


def make_optimizer(config: TrainConfig, model: nn.Layer) -> paddle.optimizer.Optimizer:
    """The optimizer over the model's trainable parameters, clipping included.

    Adam (Kingma & Ba 2015), AdamW (Loshchilov & Hutter 2019; spares biases and norms), SGD with Nesterov momentum.
    L1, and L2 for adam and sgd, are `regularize.add_penalties`'s work.
    """
    trainable = [(name, parameter) for name, parameter in model.named_parameters() if parameter.trainable]
    common = {
        "learning_rate": config.lr,
        "parameters": [parameter for _, parameter in trainable],
        "grad_clip": None if config.clip_norm is None else nn.ClipGradByGlobalNorm(config.clip_norm),
    }
    if config.optimizer == "sgd":
        return paddle.optimizer.Momentum(**common, momentum=config.momentum, use_nesterov=config.momentum > 0)
    first, second = config.betas
    if config.optimizer == "adam":
        return _Adam(**common, beta1=first, beta2=second, use_multi_tensor=True)
    decayed = {parameter.name for _, parameter in trainable if parameter.ndim > 1}
    return paddle.optimizer.AdamW(
        **common,
        beta1=first,
        beta2=second,
        weight_decay=config.weight_decay,
        apply_decay_param_fun=decayed.__contains__,
    )
