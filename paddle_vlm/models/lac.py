"""Joint segmentation, part-of-speech and name tagging: embedding, 2 x BiGRU, CRF (LAC, Jiao et al. 2018).

The GRU is Paddle 1.x's `dynamic_gru`: the reset gate works on the state before its matrix product, which
`paddle.nn.GRU` (reset after the product) cannot express, hence the explicit cell.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import paddle
from paddle import Tensor, nn
from paddle.nn import functional as F

from paddle_vlm.errors import MissingWeights

_REMEDY = "请重新安装:pip install --force-reinstall jieba==0.42.1"


@dataclass
class LACConfig:
    """Sizes of LAC-small as jieba ships it."""

    vocab: int = 20941
    tags: int = 57
    dim: int = 128  # of the embedding and of each GRU direction
    layers: int = 2


class GRU(nn.Layer):
    """One direction of a GRU whose reset gate comes before the product (Cho et al. 2014)."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.input = nn.Linear(inputs, 3 * hidden)  # update, reset, candidate
        self.gates = nn.Linear(hidden, 2 * hidden, bias_attr=False)
        self.candidate = nn.Linear(hidden, hidden, bias_attr=False)
        # A shut update gate holds the zero state through the padding, so a reversed row starts clean at its end.
        shut = np.repeat(np.array([-1e4, 0, 0], np.float32), hidden)
        self.register_buffer("shut", paddle.to_tensor(shut), persistable=False)

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        """x [T, B, inputs], padding [T, B, 1] (1.0 after a row's end) -> states [T, B, hidden]."""
        z, cut = self.input(x) + padding * self.shut, 2 * self.hidden
        state, states = paddle.zeros([x.shape[1], self.hidden]), []
        for gate, candidate in zip(z[..., :cut].unbind(0), z[..., cut:].unbind(0), strict=True):
            both = F.sigmoid(gate + self.gates(state))
            update, reset = both[:, : self.hidden], both[:, self.hidden :]
            new = paddle.tanh(candidate + self.candidate(reset * state))
            state = state + update * (new - state)
            states.append(state)
        return paddle.stack(states, 0)


class BiGRU(nn.Layer):
    """A GRU forwards and one backwards, side by side."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.forwards, self.backwards = GRU(inputs, hidden), GRU(inputs, hidden)

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        """x [T, B, inputs], padding [T, B, 1] -> [T, B, 2 * hidden]."""
        back = self.backwards(x.flip(0), padding.flip(0)).flip(0)
        return paddle.concat([self.forwards(x, padding), back], -1)


class LAC(nn.Layer):
    """Characters -> one tag a character."""

    def __init__(self, config: LACConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocab, config.dim)
        widths = [config.dim] + [2 * config.dim] * (config.layers - 1)
        self.encoder = nn.LayerList([BiGRU(width, config.dim) for width in widths])
        self.emission = nn.Linear(2 * config.dim, config.tags)
        self.start, self.end = self.create_parameter([config.tags]), self.create_parameter([config.tags])
        self.transitions = self.create_parameter([config.tags, config.tags])  # from, to

    def forward(self, characters: Tensor, lengths: Tensor) -> Tensor:
        """characters int64 [B, T], lengths int64 [B] -> emission scores [B, T, tags]."""
        steps = paddle.arange(characters.shape[1])
        padding = (steps.unsqueeze(1) >= lengths.unsqueeze(0)).astype("float32").unsqueeze(-1)  # [T, B, 1]
        x = self.embedding(characters.t())
        for layer in self.encoder:
            x = layer(x, padding)
        return self.emission(x).transpose([1, 0, 2])

    @paddle.no_grad()
    def decode(self, characters: Tensor, lengths: Tensor) -> np.ndarray:
        """The most probable tags, int64 [B, T]; what follows a row's length is meaningless."""
        scores = self(characters, lengths).numpy()
        return viterbi(scores, lengths.numpy(), self.start.numpy(), self.end.numpy(), self.transitions.numpy())

    @classmethod
    def from_jieba(cls, folder: Path) -> "LAC":
        """LAC-small from jieba's `lac_small/model_baseline` (one Paddle 1.x tensor file per parameter).

        Raises MissingWeights when a file is absent or has another shape.
        """
        model = cls(LACConfig())
        tensors = {"embedding.weight": read_tensor(folder / "word_emb")}
        for n in range(2 * model.config.layers):
            name = f"encoder.{n // 2}.{'backwards' if n % 2 else 'forwards'}"
            tensors[f"{name}.input.weight"] = read_tensor(folder / f"fc_{n}.w_0")
            tensors[f"{name}.input.bias"] = (
                read_tensor(folder / f"fc_{n}.b_0") + read_tensor(folder / f"gru_{n}.b_0")[0]
            )
            gates, candidate = _split_gru(read_tensor(folder / f"gru_{n}.w_0"))
            tensors[f"{name}.gates.weight"], tensors[f"{name}.candidate.weight"] = gates, candidate
        tensors["emission.weight"], tensors["emission.bias"] = (
            read_tensor(folder / "fc_4.w_0"),
            read_tensor(folder / "fc_4.b_0"),
        )
        crf = read_tensor(folder / "crfw")
        tensors["start"], tensors["end"], tensors["transitions"] = crf[0], crf[1], crf[2:]
        expected = {name: list(value.shape) for name, value in model.state_dict().items()}
        for name, value in tensors.items():
            if list(value.shape) != expected[name]:
                raise MissingWeights(
                    f"{folder} 中的 LAC 权重 {name} 形状为 {value.shape},应为 {expected[name]}。{_REMEDY}"
                )
        model.set_state_dict({name: paddle.to_tensor(value) for name, value in tensors.items()})
        model.eval()
        return model


def viterbi(
    scores: np.ndarray, lengths: np.ndarray, start: np.ndarray, end: np.ndarray, transitions: np.ndarray
) -> np.ndarray:
    """Best paths of a linear-chain CRF: scores [B, T, K], lengths [B], transitions [from, to] -> int64 [B, T].

    In numpy because `paddle.text.viterbi_decode` takes ten times as long on a CPU (116 ms against 11 for 64 x 40 x 57).
    """
    batch, steps, _ = scores.shape
    to_from = np.ascontiguousarray(transitions.T)
    best = scores[:, 0] + start + (lengths == 1)[:, None] * end
    came_from = np.zeros(scores.shape, np.int64)
    for t in range(1, steps):
        through = best[:, None, :] + to_from  # [B, to, from]
        came_from[:, t] = through.argmax(-1)
        reached = np.take_along_axis(through, came_from[:, t, :, None], -1)[..., 0] + scores[:, t]
        reached += (lengths == t + 1)[:, None] * end
        best = np.where((t < lengths)[:, None], reached, best)
    path = np.zeros((batch, steps), np.int64)
    tag, rows = best.argmax(-1), np.arange(batch)
    for t in range(steps - 1, -1, -1):
        path[:, t] = tag
        tag = np.where((t > 0) & (t < lengths), came_from[rows, t, tag], tag)
    return path


def _split_gru(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Paddle 1.x stores [H, 2H] (update, reset) and then [H, H] (candidate) one after the other, as one [H, 3H]."""
    hidden, flat = weight.shape[0], weight.reshape(-1)
    cut = 2 * hidden * hidden
    return flat[:cut].reshape(hidden, 2 * hidden), flat[cut:].reshape(hidden, hidden)


def read_tensor(path: Path) -> np.ndarray:
    """A Paddle 1.x LoDTensor file: version, LoD, version, size of a protobuf with the shape, then float32 data."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise MissingWeights(f"缺少 LAC 权重文件 {path}。{_REMEDY}") from error
    size = int.from_bytes(raw[16:20], "little")
    return np.frombuffer(raw, "<f4", offset=20 + size).reshape(_shape(raw[20 : 20 + size]))


def _shape(message: bytes) -> list[int]:
    """`TensorDesc`: field 1 the data type, then each dimension as field 2 (tag 0x10) and a varint."""
    shape, at = [], 2
    while at < len(message):
        at, value, shift = at + 1, 0, 0
        while True:
            byte = message[at]
            value |= (byte & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if byte < 0x80:
                break
        shape.append(value)
    return shape
