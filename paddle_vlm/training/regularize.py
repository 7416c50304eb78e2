"""Against overfitting: L1 and L2, label smoothing, and a moving average of the weights. Dropout is in the models."""

import copy

import paddle
from paddle import Tensor, nn
from paddle.nn import functional as F


@paddle.no_grad()
def add_penalties(model: nn.Layer, *, l1: float = 0.0, l2: float = 0.0) -> None:
    """Add the gradient of `l1 * sum |w| + l2 / 2 * sum w^2` to each weight's gradient; biases and norms are spared.

    The gradients are l1 * sign(w) and l2 * w: the first pulls every weight by the same step and leaves zeros behind,
    the second pulls large weights most.
    """
    if not l1 and not l2:
        return
    for weight in model.parameters():
        if weight.ndim < 2 or weight.grad is None:
            continue
        if l1:
            weight.grad.add_(l1 * weight.sign())
        if l2:
            weight.grad.add_(l2 * weight)


def cross_entropy(logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
    """Mean cross-entropy of logits [B, K]; labels int64 [B], or float [B, K] when pictures were mixed.

    Label smoothing (Szegedy et al. 2016) shares `smoothing` of the truth among all K classes. It is written with the
    mean log-probability because Paddle's soft-label cross-entropy takes three times as long on a CPU.
    """
    if labels.ndim == 2:
        log_p = F.log_softmax(logits, -1)
        return -(labels * log_p).sum(-1).mean() * (1 - smoothing) - smoothing * log_p.mean()
    loss = F.cross_entropy(logits, labels)
    if not smoothing:
        return loss
    uniform = (logits.logsumexp(-1) - logits.mean(-1)).mean()
    return (1 - smoothing) * loss + smoothing * uniform


class MovingAverage:
    """A copy of the model whose weights are an exponential moving average (Polyak & Juditsky 1992) of the trained ones.

    Early on the average is shorter, (1 + n) / (10 + n) after n updates, so that it does not remember the random start.
    """

    def __init__(self, model: nn.Layer, decay: float) -> None:
        self.decay, self.updates = decay, 0
        self.model = copy.deepcopy(model)
        self.model.eval()
        for parameter in self.model.parameters():
            parameter.stop_gradient = True

    @paddle.no_grad()
    def update(self, model: nn.Layer) -> None:
        """Move towards `model`: after each of its updates. Integer buffers are copied."""
        self.updates += 1
        share = 1 - min(self.decay, (1 + self.updates) / (10 + self.updates))
        new = model.state_dict()
        for name, average in self.model.state_dict().items():
            if average.dtype == paddle.float32:
                average.lerp_(new[name], share)
            else:
                average.copy_(new[name], False)
