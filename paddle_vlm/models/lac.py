"""Joint segmentation, part-of-speech and name tagging: embedding, 2 x BiGRU, CRF (LAC, Jiao et al. 2018), to train.

The GRU is Paddle 1.x's `dynamic_gru`: the reset gate works on the state before its matrix product, which
`paddle.nn.GRU` (reset after the product) cannot express. `LACDecoder` uses the trained weights.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import paddle
from paddle import Tensor, nn
from paddle.autograd import PyLayer
from paddle.nn import functional as F

from paddle_vlm import runtime
from paddle_vlm.models.crf import Chain, negative_log_likelihood
from paddle_vlm.models.layers import Linear
from paddle_vlm.models.recurrence import Packing, gradient, run


@dataclass
class LACConfig:
    """Sizes of LAC-small as jieba ships it."""

    vocab: int = 20941
    tags: int = 57
    dim: int = 128  # of the embedding and of each GRU direction
    layers: int = 2
    dropout: float = 0.0


class GRU(nn.Layer):
    """The weights of one direction."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.input = Linear(inputs, 3 * hidden)  # update, reset, candidate
        self.gates = nn.Linear(hidden, 2 * hidden, bias_attr=False)
        self.candidate = nn.Linear(hidden, hidden, bias_attr=False)


class BiGRU(nn.Layer):
    """A GRU forwards and one backwards, side by side."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.forwards, self.backwards = GRU(inputs, hidden), GRU(inputs, hidden)

    def forward(self, x: Tensor, packing: Packing) -> Tensor:
        """Packed rows x [N, inputs] -> [N, 2 * hidden]."""
        sides = [
            tensor for side in (self.forwards, self.backwards)
            for tensor in (side.input(x), side.gates.weight, side.candidate.weight)
        ]  # fmt: skip
        return _BothWays.apply(*sides, packing)


class _BothWays(PyLayer):
    """`recurrence.run` in both directions at once, as a differentiable function."""

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Tensor:
        """z [N, 3H], gates and candidate of either direction, and the packing -> [N, 2H]."""
        *tensors, packing = arguments
        z, gates, candidate = ([tensors[n].numpy(), tensors[n + 3].numpy()] for n in range(3))
        found = runtime.parallel_map(
            lambda n: run(np.array(z[n]), gates[n], candidate[n], packing, backwards=n == 1), range(2)
        )
        ctx.kept = [(*found[n], gates[n], candidate[n], packing, n == 1) for n in range(2)]
        return paddle.to_tensor(np.concatenate([found[0][0], found[1][0]], -1))

    @staticmethod
    def backward(ctx: Any, grown: Tensor) -> tuple[Tensor, ...]:
        """The gradients of the six tensors."""
        sides = np.split(grown.numpy(), 2, axis=-1)
        found = runtime.parallel_map(lambda n: gradient(sides[n], *ctx.kept[n]), range(2))
        return tuple(paddle.to_tensor(array) for side in found for array in side)


class _ChainLoss(PyLayer):
    """`crf.negative_log_likelihood` as a differentiable function."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, start: Tensor, end: Tensor, transitions: Tensor, *rest: Any) -> Tensor:
        """Packed scores [N, K], the chain, then packed tags [N] and the packing -> the mean loss of a sentence."""
        tags, packing = rest
        chain = Chain(start.numpy(), end.numpy(), transitions.numpy())
        value, of_scores, of_chain = negative_log_likelihood(scores.numpy(), tags, packing, chain)
        ctx.gradients = of_scores, of_chain.start, of_chain.end, of_chain.transitions
        return paddle.to_tensor(np.float32(value))

    @staticmethod
    def backward(ctx: Any, grown: Tensor) -> tuple[Tensor, ...]:
        """The gradients of the four tensors."""
        return tuple(paddle.to_tensor(array.astype(np.float32)) * grown for array in ctx.gradients)


class LAC(nn.Layer):
    """Characters -> one tag a character."""

    def __init__(self, config: LACConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocab, config.dim)
        widths = [config.dim] + [2 * config.dim] * (config.layers - 1)
        self.encoder = nn.LayerList([BiGRU(width, config.dim) for width in widths])
        self.emission = Linear(2 * config.dim, config.tags)
        self.start, self.end = self.create_parameter([config.tags]), self.create_parameter([config.tags])
        self.transitions = self.create_parameter([config.tags, config.tags])  # from, to

    def forward(self, characters: Tensor, packing: Packing) -> Tensor:
        """Packed characters int64 [N] -> emission scores [N, tags]."""
        x = self.embedding(characters)
        for layer in self.encoder:
            x = layer(F.dropout(x, self.config.dropout, training=self.training), packing)
        return self.emission(F.dropout(x, self.config.dropout, training=self.training))

    def loss(self, characters: Tensor, tags: np.ndarray, packing: Packing) -> Tensor:
        """-log p(tags), a mean over the sentences: packed characters and tags int64 [N]."""
        return _ChainLoss.apply(self(characters, packing), self.start, self.end, self.transitions, tags, packing)
