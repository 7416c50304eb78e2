"""A text classifier: word vectors, an encoder, and a layer that chooses."""

from dataclasses import dataclass
from typing import Literal

import paddle
from paddle import Tensor, nn
from paddle.nn import functional as F

from paddle_vlm.models.layers import Linear
from paddle_vlm.models.rnn import RnnConfig, RnnEncoder
from paddle_vlm.models.textcnn import TextCNN, greatest
from paddle_vlm.models.transformer import TransformerConfig, TransformerEncoder

PADDING = 0  # the number of a word that is none


@dataclass
class TextClassifierConfig:
    """Sizes of the network."""

    model: Literal["textcnn", "rnn", "lstm", "gru", "transformer"] = "textcnn"
    dim: int = 96  # of the word vectors
    hidden: int = 96  # filters of a width, states of a direction
    layers: int = 1  # of the encoder; TextCNN has one
    word_dropout: float = 0.1  # share of the words that a training step does not see
    dropout: float = 0.5


class TextClassifier(nn.Layer):
    """Word numbers -> logits."""

    def __init__(self, config: TextClassifierConfig, vocabulary: int, classes: int) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(vocabulary, config.dim, weight_attr=nn.initializer.Normal(std=0.1))
        if config.model == "textcnn":
            self.encoder: nn.Layer = TextCNN(config.dim, config.hidden)
        elif config.model == "transformer":
            self.encoder = Pooled(TransformerEncoder(TransformerConfig(config.dim, layers=config.layers)))
        else:
            recurrent = RnnConfig(config.model, config.dim, config.hidden, config.layers)
            self.encoder = Pooled(RnnEncoder(recurrent))
        self.choice = Linear(self.encoder.width, classes)

    def forward(self, words: Tensor) -> Tensor:
        """words int64 [B, T], 0 after a text's end -> logits [B, classes]."""
        mask = (words != PADDING).astype("float32").unsqueeze(-1)  # [B, T, 1]
        x = self.embedding(words) * F.dropout(mask, self.config.word_dropout, training=self.training)
        if self.config.model == "transformer":
            x = x * self.config.dim**0.5  # or the positions, whose elements are about 1, would drown the words
        return self.choice(F.dropout(self.encoder(x, mask), self.config.dropout, training=self.training))


class Pooled(nn.Layer):
    """The greatest and the mean of an encoder's outputs over the words of a text."""

    def __init__(self, encoder: RnnEncoder | TransformerEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    @property
    def width(self) -> int:
        return 2 * self.encoder.width

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x [B, T, dim], mask [B, T, 1] -> [B, width]."""
        counts = mask.sum([1, 2]).clip(min=1)  # a text without words is one unknown word
        states = self.encoder(x, counts.astype("int64"))
        strongest = greatest(states - (1 - mask) * 1e4)
        return paddle.concat([strongest, (states * mask).sum(axis=1) / counts.unsqueeze(-1)], -1)
