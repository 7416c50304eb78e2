"""Pictures and words that look at each other: text states attend to an image's grid (ALBEF, Li et al. 2021)."""

from dataclasses import dataclass

import paddle
from paddle import Tensor, nn
from paddle.nn import functional as F

from paddle_vlm.models.layers import Dropout, Linear

_MASKED = -1e4


@dataclass
class FusionConfig:
    """Sizes; `channels` and `text_width` are those of what comes in."""

    channels: int = 352  # of the image's grid
    cells: int = 49  # of the grid
    text_width: int = 256  # of a text state
    width: int = 128
    heads: int = 4
    layers: int = 2
    dropout: float = 0.1


Memory = tuple[Tensor, Tensor]  # keys and values of one layer, [B, heads, G, width / heads] each


class Attention(nn.Layer):
    """Multi-head attention whose keys and values are made apart, once for many readers."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.query, self.key_value, self.out = Linear(width, width), Linear(width, 2 * width), Linear(width, width)

    def remember(self, memory: Tensor) -> Memory:
        """memory [B, S, width] -> its keys and values."""
        both, width = self.key_value(memory), memory.shape[-1]
        return self._split(both[..., :width]), self._split(both[..., width:])

    def forward(self, x: Tensor, memory: Memory, mask: Tensor | None = None) -> Tensor:
        """x [B, T, width], mask [B, S] (1.0 where the memory holds something) -> [B, T, width]."""
        key, value = memory
        scores = paddle.matmul(self._split(self.query(x)) * key.shape[-1] ** -0.5, key, transpose_y=True)
        if mask is not None:
            scores = scores + ((1 - mask) * _MASKED).unsqueeze([1, 2])
        weights = F.dropout(F.softmax(scores, -1), self.dropout, training=self.training)
        return self.out(paddle.matmul(weights, value).transpose([0, 2, 1, 3]).reshape([0, 0, x.shape[-1]]))

    def _split(self, x: Tensor) -> Tensor:
        return x.reshape([0, 0, self.heads, x.shape[-1] // self.heads]).transpose([0, 2, 1, 3])


class FusionLayer(nn.Layer):
    """Words look at each other, then at the picture, then think (pre-norm)."""

    def __init__(self, config: FusionConfig) -> None:
        super().__init__()
        width = config.width
        self.norms = nn.LayerList([nn.LayerNorm(width) for _ in range(3)])
        self.own = Attention(width, config.heads, config.dropout)
        self.cross = Attention(width, config.heads, config.dropout)
        self.up, self.down = Linear(width, 4 * width), Linear(4 * width, width)
        self.dropout = Dropout(config.dropout)

    def forward(self, x: Tensor, mask: Tensor, picture: Memory) -> Tensor:
        """x [B, T, width], mask [B, T] -> [B, T, width]."""
        y = self.norms[0](x)
        x = x + self.dropout(self.own(y, self.own.remember(y), mask))
        x = x + self.dropout(self.cross(self.norms[1](x), picture))
        return x + self.dropout(self.down(F.gelu(self.up(self.norms[2](x)))))


class Fusion(nn.Layer):
    """Text states enriched with what they found in the picture, and whether the two belong together.

    Captioning and question answering put their own heads on `forward`; re-ranking uses `match`.
    """

    def __init__(self, config: FusionConfig) -> None:
        super().__init__()
        self.config = config
        normal = nn.initializer.Normal(0.0, 0.02)
        self.grid = Linear(config.channels, config.width)
        self.grid_norm = nn.LayerNorm(config.width)
        self.places = self.create_parameter([1, config.cells, config.width], default_initializer=normal)
        self.text = Linear(config.text_width, config.width)
        self.first = self.create_parameter([1, 1, config.width], default_initializer=normal)
        self.layers = nn.LayerList([FusionLayer(config) for _ in range(config.layers)])
        self.norm = nn.LayerNorm(config.width)
        self.head = Linear(config.width, 1)

    def look(self, grid: Tensor) -> list[Memory]:
        """grid [B, G, channels] -> what each layer reads; made once for a picture, however many texts follow."""
        memory = self.grid_norm(self.grid(grid)) + self.places
        return [layer.cross.remember(memory) for layer in self.layers]

    def forward(self, picture: list[Memory], states: Tensor, mask: Tensor) -> Tensor:
        """What `look` returned, states [B, T, text_width], mask [B, T] -> [B, 1 + T, width]; row 0 sums all up."""
        words = self.text(states)
        x = paddle.concat([words[:, :1] * 0 + self.first, words], 1)
        mask = paddle.concat([mask[:, :1] * 0 + 1, mask], 1)
        for layer, memory in zip(self.layers, picture, strict=True):
            x = layer(x, mask, memory)
        return self.norm(x)

    def match(self, picture: list[Memory], states: Tensor, mask: Tensor) -> Tensor:
        """The same inputs -> logits [B] that picture and text belong together."""
        return self.head(self(picture, states, mask)[:, 0]).squeeze(-1)
