"""Recurrent encoders: plain RNN (Elman 1990), LSTM (Hochreiter and Schmidhuber 1997), GRU (Cho et al. 2014)."""

from dataclasses import dataclass
from typing import Literal

from paddle import Tensor, nn

KINDS = {"rnn": nn.SimpleRNN, "lstm": nn.LSTM, "gru": nn.GRU}


@dataclass
class RnnConfig:
    """Sizes of the encoder."""

    kind: Literal["rnn", "lstm", "gru"] = "gru"
    inputs: int = 128  # width of what goes in
    hidden: int = 128  # of each direction
    layers: int = 1
    bidirectional: bool = True
    dropout: float = 0.0  # between the layers


class RnnEncoder(nn.Layer):
    """A state that is carried from step to step; the outputs are the states h(t) of the last layer.

    With s the logistic function and * the product of elements, each kind computes from the input x(t) and the state
    h = h(t-1):

    - rnn:  h(t) = tanh(W x(t) + b + U h + d)
    - lstm: i, f, o = s(W x(t) + b + U h + d) (three gates, each with its own matrices),
      g = tanh(W x(t) + b + U h + d), c(t) = f * c(t-1) + i * g, h(t) = o * tanh(c(t))
    - gru:  r, z = s(W x(t) + b + U h + d) (two gates, each with its own matrices),
      n = tanh(W x(t) + b + r * (U h + d)), h(t) = z * h + (1 - z) * n

    States begin at zero. What an RNN learns fades with the distance (its gradient is a product of Jacobians); the sums
    in c(t) of the LSTM and in h(t) of the GRU let it pass unchanged where the gates say so.
    """

    def __init__(self, config: RnnConfig) -> None:
        super().__init__()
        self.config = config
        direction = "bidirect" if config.bidirectional else "forward"
        self.network = KINDS[config.kind](
            config.inputs, config.hidden, config.layers, direction, dropout=config.dropout
        )

    @property
    def width(self) -> int:
        """D' of the outputs."""
        return self.config.hidden * (2 if self.config.bidirectional else 1)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """x [B, T, inputs], lengths int64 [B] -> states [B, T, width], zero after a row's length.

        The backward direction begins at each row's own end.
        """
        return self.network(x, sequence_length=lengths)[0]
