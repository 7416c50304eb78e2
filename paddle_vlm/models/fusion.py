"""Words that look for what they mean in a picture (SCAN, Lee et al. 2018; FILIP, Yao et al. 2022)."""

from dataclasses import dataclass

import paddle
from paddle import Tensor, nn
from paddle.nn import functional as F

from paddle_vlm.models.dual_encoder import PAD
from paddle_vlm.models.layers import Dropout, Linear

_MASKED = -1e4
_STEEPEST = 4.6  # log of the largest factor of a cosine


@dataclass
class FusionConfig:
    """Sizes; the first four are those of the dual encoder whose grid and words are read."""

    channels: int = 352  # of the image's grid
    cells: int = 49  # of the grid
    characters: int = 3000  # that have a vector
    word_width: int = 128  # of a word's vector
    width: int = 256  # of the space where words and cells meet
    hidden: int = 512
    dropout: float = 0.3  # of a cell's channels
    text_dropout: float = 0.1


class Fusion(nn.Layer):
    """Each character, with the word that it is part of, attends to the cells of an image's grid.

    `forward` gives what each found there; `match` how well that agrees with what was looked for: the re-ranker's logit.
    """

    def __init__(self, config: FusionConfig) -> None:
        super().__init__()
        self.config = config
        width, hidden = config.width, config.hidden
        normal = paddle.ParamAttr(initializer=nn.initializer.Normal(0.0, width**-0.5))
        self.characters = nn.Embedding(config.characters, width, padding_idx=PAD, weight_attr=normal)
        self.widen = Linear(config.word_width, width)
        self.text, self.importance = Linear(2 * width, width), nn.Linear(2 * width, 1)
        # Mean and deviation of the grid's channels over the training pictures.
        self.register_buffer("centre", paddle.zeros([config.channels]))
        self.register_buffer("spread", paddle.ones([config.channels]))
        self.short = Linear(config.channels, width)
        self.up, self.down = Linear(config.channels, hidden), Linear(hidden, width)
        self.places = self.create_parameter([config.cells, width], default_initializer=nn.initializer.Constant(0.0))
        self.dropout, self.text_dropout = Dropout(config.dropout), Dropout(config.text_dropout)
        # Logarithms of what cosines are multiplied by: among cells, and as the answer.
        self.sharpness = self.create_parameter([1], default_initializer=nn.initializer.Constant(2.3))
        self.scale = self.create_parameter([1], default_initializer=nn.initializer.Constant(2.6))

    def look(self, grid: Tensor) -> Tensor:
        """grid [B, G, channels] -> unit vectors [B, G, width]; made once for a picture, however many texts follow."""
        x = self.dropout((grid - self.centre) / self.spread)
        return F.normalize(self.short(x) + self.down(self.dropout(F.gelu(self.up(x)))) + self.places, axis=-1)

    def read(self, characters: Tensor, words: Tensor) -> tuple[Tensor, Tensor]:
        """Characters int64 [...], vectors of their words [..., word_width] -> unit vectors [..., width], weights [...].

        The weights are logits of how much each counts among the others of its text.
        """
        x = self.text_dropout(paddle.concat([self.characters(characters), self.widen(words)], -1))
        return F.normalize(self.text(x), axis=-1), self.importance(x).squeeze(-1)

    def forward(self, picture: Tensor, tokens: Tensor) -> Tensor:
        """What `look` made [B, G, width] and `read` [B, T, width] -> what each token found [B, T, width]."""
        cosines = paddle.matmul(tokens, picture, transpose_y=True)
        return paddle.matmul(F.softmax(cosines * self.sharpness.exp(), -1), picture)

    def match(self, picture: Tensor, characters: Tensor, words: Tensor) -> Tensor:
        """What `look` made [B, G, width], and what `read` takes, [B, T] -> logits [B] that the two belong together."""
        tokens, weights = self.read(characters, words)
        agreement = (self(picture, tokens) * tokens).sum(-1)
        return (self.shares(weights, characters) * agreement).sum(-1) * self.factor()

    def compare(self, picture: Tensor, tokens: Tensor) -> Tensor:
        """Pictures [B, G, width], any tokens [U, width] -> how well each token agrees with what it finds [U, B].

        `match` from these is `factor` times the sum over a text's tokens, weighted by `shares`.
        """
        cosines = paddle.matmul(tokens, picture.flatten(0, 1), transpose_y=True).reshape([0, *picture.shape[:2]])
        return (F.softmax(cosines * self.sharpness.exp(), -1) * cosines).sum(-1)

    def shares(self, weights: Tensor, characters: Tensor) -> Tensor:
        """Weights of `read` and characters, [..., T] each -> shares that add up to one; padding has none."""
        return F.softmax(weights + (characters == PAD).astype("float32") * _MASKED, -1)

    def factor(self) -> Tensor:
        """[1]: a logit is that many times a mean cosine."""
        return self.scale.clip(max=_STEEPEST).exp()
