"""Image and text encoders that meet in one space (CLIP, Radford et al. 2021; VSE++, Faghri et al. 2018)."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import paddle
from paddle import Tensor, nn
from paddle.nn import functional as F

from paddle_vlm.models.efficientnet import VARIANTS, EfficientNet
from paddle_vlm.models.layers import Dropout, Linear

PAD = 0  # of characters and words
LONGEST = 48  # characters; the rest of a longer text is not read
_MASKED = -1e4


@dataclass
class DualEncoderConfig:
    """Sizes; `characters` and `words` are those of the vocabulary."""

    image: Literal["lite0", "lite2"] = "lite2"
    size: int = 224  # pixels of a side of the square that pictures are resized to
    text: Literal["gru", "transformer", "bag"] = "gru"  # "bag" reads no order: the cheapest, for comparison
    characters: int = 3000
    words: int = 10000
    word_width: int = 128  # of a word's vector before it is widened
    width: int = 256  # of a character's state
    layers: int = 1  # of the text encoder
    heads: int = 4  # of the Transformer
    hidden: int = 1024  # of the image head
    dim: int = 256  # of the shared space
    dropout: float = 0.2
    image_dropout: float = 0.4
    temperature: float = 0.07  # at the start; learnt


class GRUBody(nn.Layer):
    """A GRU in both directions."""

    def __init__(self, config: DualEncoderConfig) -> None:
        super().__init__()
        self.gru = nn.GRU(config.width, config.width // 2, config.layers, direction="bidirect", dropout=config.dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x [B, T, width], mask [B, T] (1.0 for a character) -> states [B, T, width]."""
        return self.gru(x, sequence_length=mask.sum(1).astype("int32"))[0]


class TransformerLayer(nn.Layer):
    """A pre-norm layer; queries, keys and values are one product, which is quicker for short texts."""

    def __init__(self, config: DualEncoderConfig) -> None:
        super().__init__()
        width, wide = config.width, 4 * config.width
        self.heads = config.heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = Linear(width, 3 * width), Linear(width, width)
        self.up, self.down = Linear(width, wide), Linear(wide, width)
        self.dropout = Dropout(config.dropout)

    def forward(self, x: Tensor, hidden: Tensor) -> Tensor:
        """x [B, T, width], hidden [B, 1, 1, T] (added to the scores of the keys) -> [B, T, width]."""
        width = x.shape[-1]
        qkv = self.qkv(self.norm1(x)).reshape([0, 0, 3, self.heads, width // self.heads]).transpose([2, 0, 3, 1, 4])
        scores = paddle.matmul(qkv[0] * (width // self.heads) ** -0.5, qkv[1], transpose_y=True) + hidden
        seen = paddle.matmul(self.dropout(F.softmax(scores, -1)), qkv[2]).transpose([0, 2, 1, 3])
        x = x + self.dropout(self.out(seen.reshape([0, 0, width])))
        return x + self.dropout(self.down(self.dropout(F.gelu(self.up(self.norm2(x))))))


class TransformerBody(nn.Layer):
    """A pre-norm Transformer encoder with learnt positions (Vaswani et al. 2017; Xiong et al. 2020)."""

    def __init__(self, config: DualEncoderConfig) -> None:
        super().__init__()
        self.positions = nn.Embedding(LONGEST, config.width)
        self.layers = nn.LayerList([TransformerLayer(config) for _ in range(config.layers)])
        self.norm = nn.LayerNorm(config.width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x [B, T, width], mask [B, T] (1.0 for a character) -> states [B, T, width]."""
        x = x + self.positions(paddle.arange(paddle.shape(x)[1]))  # x.shape[1] is unknown while it is exported
        hidden = ((1 - mask) * _MASKED).unsqueeze([1, 2])
        for layer in self.layers:
            x = layer(x, hidden)
        return self.norm(x)


class BagBody(nn.Layer):
    """No context: each character stays as it is."""

    def __init__(self, config: DualEncoderConfig) -> None:
        super().__init__()

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x [B, T, width] -> the same."""
        return x


BODIES: dict[str, type[nn.Layer]] = {"gru": GRUBody, "transformer": TransformerBody, "bag": BagBody}


class TextEncoder(nn.Layer):
    """Characters, each beside the word that it is part of -> states, and one vector."""

    def __init__(self, config: DualEncoderConfig) -> None:
        super().__init__()
        normal = paddle.ParamAttr(initializer=nn.initializer.Normal(0.0, config.width**-0.5))
        self.characters = nn.Embedding(config.characters, config.width, padding_idx=PAD, weight_attr=normal)
        self.words = nn.Embedding(config.words, config.word_width, padding_idx=PAD, weight_attr=normal)
        self.widen = Linear(config.word_width, config.width)
        self.body = BODIES[config.text](config)
        self.dropout = Dropout(config.dropout)
        self.attention = nn.Linear(config.width, 1)
        self.head = Linear(3 * config.width, config.dim)

    def states(self, characters: Tensor, words: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """int64 [B, T] each -> states [B, T, width], word vectors [B, T, width], mask [B, T] (1.0 for a character)."""
        mask = (characters != PAD).astype("float32")
        meanings = self.widen(self.words(words))
        x = self.dropout(self.characters(characters) + meanings)
        return self.body(x, mask), meanings, mask

    def forward(self, characters: Tensor, words: Tensor) -> Tensor:
        """int64 [B, T] each -> unit vectors [B, dim]."""
        states, meanings, mask = self.states(characters, words)
        weight = (mask / mask.sum(1, keepdim=True)).unsqueeze(1)  # [B, 1, T]
        # Not the maximum over the characters: its gradient takes Paddle longer than the GRU's (0.84 s for 640 texts).
        chosen = F.softmax(self.attention(states).squeeze(-1) + (1 - mask) * _MASKED, -1).unsqueeze(1)
        parts = [paddle.matmul(chosen, states), paddle.matmul(weight, states), paddle.matmul(weight, meanings)]
        return F.normalize(self.head(self.dropout(paddle.concat(parts, -1).squeeze(1))), axis=-1)


class ImageHead(nn.Layer):
    """Pooled features of the convolutional network -> the shared space."""

    def __init__(self, config: DualEncoderConfig) -> None:
        super().__init__()
        features = VARIANTS[config.image].features
        # Mean and deviation of each feature over the training pictures: without them learning takes twice the epochs.
        self.register_buffer("centre", paddle.zeros([features]))
        self.register_buffer("spread", paddle.ones([features]))
        self.short = Linear(features, config.dim)
        self.up, self.down = Linear(features, config.hidden), Linear(config.hidden, config.dim)
        self.dropout = Dropout(config.image_dropout)

    def forward(self, pooled: Tensor) -> Tensor:
        """pooled [B, features] -> unit vectors [B, dim]."""
        x = self.dropout((pooled - self.centre) / self.spread)
        return F.normalize(self.short(x) + self.down(self.dropout(F.gelu(self.up(x)))), axis=-1)


class DualEncoder(nn.Layer):
    """EfficientNet-Lite and a text encoder, each with a head into the shared space."""

    def __init__(self, config: DualEncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.trunk = EfficientNet(VARIANTS[config.image])
        self.image_head = ImageHead(config)
        self.text = TextEncoder(config)
        start = nn.initializer.Constant(-float(np.log(config.temperature)))
        self.scale = self.create_parameter([1], default_initializer=start)  # log of 1 / temperature

    def forward(self, images: Tensor, characters: Tensor, words: Tensor) -> tuple[Tensor, Tensor]:
        """images [B, 3, H, W] in -1..1, characters and words int64 [N, T] -> unit vectors [B, dim], [N, dim]."""
        return self.encode_images(images), self.text(characters, words)

    def encode_images(self, images: Tensor) -> Tensor:
        """images [B, 3, H, W] in -1..1 -> unit vectors [B, dim]."""
        return self.encode_maps(self.trunk.narrow(images))

    def encode_maps(self, maps: Tensor) -> Tensor:
        """maps [B, channels, H, W] of `trunk.narrow` -> unit vectors [B, dim]."""
        return self.image_head(F.adaptive_avg_pool2d(self.trunk.head(maps), 1).flatten(1))  # oneDNN has no quick mean

    def similarity(self, images: Tensor, texts: Tensor) -> Tensor:
        """Unit vectors [B, dim], [N, dim] -> logits [N, B]: cosines over the learnt temperature."""
        return paddle.matmul(texts, images, transpose_y=True) * paddle.exp(self.scale.clip(max=4.6))
