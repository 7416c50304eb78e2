"""The Transformer's parts, pre-norm, and an encoder of sequences (Vaswani et al. 2017; Xiong et al. 2020)."""

from dataclasses import dataclass

import numpy as np
import paddle
from paddle import Tensor, nn
from paddle.nn import functional as F

from paddle_vlm.models.layers import Dropout, Linear

MASKED = -1e9

KeysValues = tuple[Tensor, Tensor]  # [B, heads, S, dim / heads] each


@dataclass
class TransformerConfig:
    """Sizes of the encoder."""

    dim: int = 128
    heads: int = 4
    layers: int = 2
    dropout: float = 0.1
    longest: int = 512  # steps


class Attention(nn.Layer):
    """Multi-head attention; keys and values are made apart from the queries so that they can be cached.

    For each head, with Q = x Wq, K = m Wk, V = m Wv of width d: softmax(Q K^T / sqrt(d) + mask) V; the heads' results
    side by side go through Wo.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads, self.width = heads, dim // heads
        self.q, self.k, self.v, self.o = (Linear(dim, dim) for _ in range(4))

    def keys_values(self, memory: Tensor) -> KeysValues:
        """memory [B, S, dim] -> two tensors [B, heads, S, dim / heads]."""
        return self._split(self.k(memory)), self._split(self.v(memory))

    def forward(self, x: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """x [B, T, dim], additive mask broadcast to [B, heads, T, S] -> out [B, T, dim], weights [B, heads, T, S]."""
        scores = paddle.matmul(self._split(self.q(x)) * self.width**-0.5, keys, transpose_y=True)
        weights = F.softmax(scores if mask is None else scores + mask, -1)
        out = paddle.matmul(weights, values)
        if x.shape[1] == 1:  # one step needs no turning
            return self.o(out.reshape([0, 1, self.heads * self.width])), weights
        return self.o(out.transpose([0, 2, 1, 3]).reshape([0, 0, self.heads * self.width])), weights

    def _split(self, x: Tensor) -> Tensor:
        if x.shape[1] == 1:
            return x.reshape([0, self.heads, 1, self.width])
        return x.reshape([0, 0, self.heads, self.width]).transpose([0, 2, 1, 3])


def by_line(x: Tensor, source: Tensor) -> Tensor:
    """One step of B rows [B, 1, dim], and the source [L, S] of the lines that they are beams of -> [L, B / L, dim].

    The beams of a line then ask its memory as the steps of a sentence do, and it is held once.
    """
    return x.reshape([paddle.shape(source)[0], -1, x.shape[-1]])


def by_row(x: Tensor) -> Tensor:
    """[L, beams, dim] -> [L * beams, 1, dim]."""
    return x.reshape([-1, 1, x.shape[-1]])


class Block(nn.Layer):
    """One pre-norm layer; with `cross` it also attends to the memory of an encoder.

    x = x + attention(norm(x)); x = x + W2 relu(W1 norm(x) + b1) + b2, the inner width being 4 dim.
    """

    def __init__(self, dim: int, heads: int, dropout: float, cross: bool = False) -> None:
        super().__init__()
        self.dropout = Dropout(dropout)
        self.norm1, self.norm3 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.own = Attention(dim, heads)
        self.up, self.down = Linear(dim, 4 * dim), Linear(4 * dim, dim)
        if cross:
            self.norm2, self.cross = nn.LayerNorm(dim), Attention(dim, heads)

    def attend_own(self, x: Tensor, mask: Tensor | None, past: KeysValues | None = None) -> tuple[Tensor, KeysValues]:
        """x [B, T, dim], earlier keys and values -> x [B, T, dim], keys and values with those of x."""
        y = self.norm1(x)
        keys, values = self.own.keys_values(y)
        if past is not None:
            keys, values = paddle.concat([past[0], keys], 2), paddle.concat([past[1], values], 2)
        return x + self.dropout(self.own(y, keys, values, mask)[0]), (keys, values)

    def attend_memory(self, x: Tensor, memory: KeysValues, mask: Tensor) -> tuple[Tensor, Tensor]:
        """-> x [B, T, dim], attention over the source [B, heads, T, S]."""
        y, weights = self.cross(self.norm2(x), *memory, mask)
        return x + self.dropout(y), weights

    def feed_forward(self, x: Tensor) -> Tensor:
        return x + self.dropout(self.down(F.relu(self.up(self.norm3(x)))))


class TransformerEncoder(nn.Layer):
    """Blocks that each look at the whole sequence, with sinusoids added to tell the steps apart."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.layers = nn.LayerList([Block(config.dim, config.heads, config.dropout) for _ in range(config.layers)])
        self.norm = nn.LayerNorm(config.dim)
        self.dropout = Dropout(config.dropout)
        self.register_buffer("positions", paddle.to_tensor(sinusoids(config.longest, config.dim)), persistable=False)

    @property
    def width(self) -> int:
        """D' of the outputs."""
        return self.config.dim

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """x [B, T, dim] with T <= longest, lengths int64 [B] -> [B, T, dim], meaningless after a row's length."""
        steps = paddle.shape(x)[1]  # x.shape[1] is unknown while the network is exported
        padded = paddle.arange(steps).unsqueeze(0) >= lengths.unsqueeze(1)
        mask = padded.astype("float32").unsqueeze([1, 2]) * MASKED
        x = self.dropout(x + self.positions[:steps])
        for layer in self.layers:
            x = layer.feed_forward(layer.attend_own(x, mask)[0])
        return self.norm(x)


def sinusoids(steps: int, dim: int) -> np.ndarray:
    """float32 [steps, dim]: sin(t / 10000^(2i/dim)) on channel 2i, the cosine on channel 2i+1."""
    angle = np.arange(steps)[:, None] / 10000 ** (np.arange(0, dim, 2)[None] / dim)
    table = np.zeros((steps, dim), np.float32)
    table[:, 0::2], table[:, 1::2] = np.sin(angle), np.cos(angle)
    return table
