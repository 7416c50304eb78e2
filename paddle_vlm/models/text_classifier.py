"""A text classifier: word vectors, an encoder, a layer that chooses, and n-grams that vote beside it."""

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
_PRIME = 1_000_003


@dataclass
class TextClassifierConfig:
    """Sizes of the network."""

    model: Literal["textcnn", "rnn", "lstm", "gru", "transformer"] = "textcnn"
    dim: int = 96  # of the word vectors
    hidden: int = 96  # filters of a width, states of a direction
    layers: int = 1  # of the encoder; TextCNN has one
    word_dropout: float = 0.1  # share of the words that a training step does not see
    dropout: float = 0.5
    ngrams: int = 0  # words of the longest n-gram that votes for the classes by itself; 0: none does
    buckets: int = 1 << 17  # that the n-grams are hashed into

    def __post_init__(self) -> None:
        if self.ngrams < 0 or self.buckets < 1:
            raise ValueError(f"ngrams 不能是负数、buckets 至少为 1,不能是 {self.ngrams}、{self.buckets}。")


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
        self.wide = NGramVotes(config.ngrams, config.buckets, classes) if config.ngrams else None

    def forward(self, words: Tensor) -> Tensor:
        """words int64 [B, T], 0 after a text's end -> logits [B, classes]."""
        mask = (words != PADDING).astype("float32").unsqueeze(-1)  # [B, T, 1]
        seen = F.dropout(mask, self.config.word_dropout, training=self.training)
        x = self.embedding(words) * seen
        if self.config.model == "transformer":
            x = x * self.config.dim**0.5  # or the positions, whose elements are about 1, would drown the words
        logits = self.choice(F.dropout(self.encoder(x, mask), self.config.dropout, training=self.training))
        return logits if self.wide is None else logits + self.wide(words, seen, mask)


class NGramVotes(nn.Layer):
    """What each n-gram says for each class, summed up: a linear model of hashed n-grams (Joulin et al. 2016).

    Beside a network it remembers the rare and telling (wide and deep, Cheng et al. 2016).
    """

    def __init__(self, longest: int, buckets: int, classes: int) -> None:
        super().__init__()
        self.longest, self.buckets = longest, buckets
        self.votes = nn.Embedding(buckets, classes, weight_attr=nn.initializer.Constant(0.0))

    def forward(self, words: Tensor, seen: Tensor, mask: Tensor) -> Tensor:
        """words int64 [B, T], seen [B, T, 1] (0 for n-grams that are not to vote), mask [B, T, 1] -> [B, classes]."""
        more = self.longest - 1
        words, keys = F.pad(words, [0, more], value=PADDING), paddle.zeros_like(words)
        inside = F.pad(mask, [0, more], data_format="NLC")
        total = paddle.zeros([1])
        for start in range(self.longest):
            keys = (keys * _PRIME + words[:, start : start - more or None]) % self.buckets
            total = total + (self.votes(keys) * seen * inside[:, start : start - more or None]).sum(axis=1)
        return total / mask.sum(axis=1).clip(min=1).sqrt()


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
