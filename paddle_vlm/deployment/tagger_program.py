"""LAC and its CRF as one Paddle program: characters in, tags out.

The toolkit itself runs the tagger in ONNX Runtime (`models.lac_decoder`), whose GRU takes a sixth of the time of this
loop of Paddle operators; the program is for machines that have Paddle Inference alone. Its scores are the same.
"""

from collections.abc import Mapping

import numpy as np
import paddle
from paddle import Tensor, nn
from paddle.nn import functional as F

from paddle_vlm.models.lac_decoder import LAYERS


class TaggerProgram(nn.Layer):
    """`models.lac.LAC` with padded sentences and Viterbi's algorithm."""

    def __init__(self, weights: Mapping[str, np.ndarray]) -> None:
        """`weights`: names and shapes of `lac.LAC.state_dict()`."""
        super().__init__()
        for name, value in weights.items():
            start = nn.initializer.Assign(np.ascontiguousarray(value, np.float32))
            self.add_parameter(_own(name), self.create_parameter(list(value.shape), default_initializer=start))

    def forward(self, characters: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """characters int64 [B, T], lengths int64 [B], of which one is T -> scores [B, T, tags], tags int64 [B, T].

        Both are 0 beyond a sentence's end.
        """
        x = F.embedding(characters.transpose([1, 0]), self._weight("embedding.weight"))  # [T, B, dim]
        places = paddle.arange(paddle.shape(x)[0])  # x.shape[0] is unknown while the network is exported
        inside = (places.unsqueeze(1) < lengths.unsqueeze(0)).astype("float32").unsqueeze(-1)  # [T, B, 1]
        for layer in range(LAYERS):
            forwards = self._run(x, inside, f"encoder.{layer}.forwards")
            backwards = self._run(x.flip(0), inside.flip(0), f"encoder.{layer}.backwards").flip(0)
            x = paddle.concat([forwards, backwards], -1)
        scores = paddle.matmul(x, self._weight("emission.weight")) + self._weight("emission.bias")
        scores = (scores * inside).transpose([1, 0, 2])
        first = (places == 0).astype("float32").reshape([1, -1, 1])
        last = (places.unsqueeze(0) == lengths.unsqueeze(1) - 1).astype("float32").unsqueeze(-1)
        ends = first * self._weight("start") + last * self._weight("end")
        chain = self._weight("transitions")
        tags = paddle.text.viterbi_decode(scores + ends, chain, lengths, include_bos_eos_tag=False)[1]
        return scores, tags

    def _run(self, x: Tensor, inside: Tensor, name: str) -> Tensor:
        """x [T, B, inputs], inside [T, B, 1] -> states [T, B, hidden] of one direction; padding changes no state."""
        z = paddle.matmul(x, self._weight(f"{name}.input.weight")) + self._weight(f"{name}.input.bias")
        gates, candidate = self._weight(f"{name}.gates.weight"), self._weight(f"{name}.candidate.weight")
        hidden, steps = candidate.shape[0], paddle.shape(x)[0]

        def goes_on(step: Tensor, state: Tensor, states: Tensor) -> Tensor:
            return step < steps

        def advance(step: Tensor, state: Tensor, states: Tensor) -> list[Tensor]:
            now = z.index_select(step)  # [1, B, 3 * hidden]: update, reset, candidate
            both = F.sigmoid(now[..., : 2 * hidden] + paddle.matmul(state, gates))
            update, reset = both[..., :hidden], both[..., hidden:]
            new = paddle.tanh(now[..., 2 * hidden :] + paddle.matmul(reset * state, candidate))
            state = state + inside.index_select(step) * update * (new - state)
            return [step + 1, state, paddle.scatter(states, step, state)]

        states = paddle.zeros_like(z[..., :hidden])
        start = [paddle.zeros([1], "int32"), states[:1], states]
        return paddle.static.nn.while_loop(goes_on, advance, start)[2]

    def _weight(self, name: str) -> Tensor:
        return getattr(self, _own(name))


def _own(name: str) -> str:
    return name.replace(".", "_")
