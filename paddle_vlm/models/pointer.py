"""Pre-norm Transformer with a pointer-generator head (Vaswani et al. 2017; See et al. 2017).

The distribution over the next piece is (1 - g) * softmax(vocabulary) + g * attention over the source pieces, so that
the network copies numbers, names and dictionary senses from its input instead of learning each of them.
"""

import json
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import paddle
from paddle import Tensor, nn
from paddle.nn import functional as F
from safetensors.numpy import load_file, save_file

from paddle_vlm.errors import MissingWeights

EOS, PAD = 0, 2  # decoding starts from PAD
MAX_POSITIONS = 256
MASKED = -1e9


@dataclass
class PointerConfig:
    """Sizes of the network; the defaults are those of the bundled weights."""

    vocab: int = 14000
    dim: int = 256
    heads: int = 4
    encoder: int = 4  # layers
    decoder: int = 2
    dropout: float = 0.1


class Attention(nn.Layer):
    """Multi-head attention; keys and values are made apart from the queries so that they can be cached."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads, self.width = heads, dim // heads
        self.q, self.k, self.v, self.o = (nn.Linear(dim, dim) for _ in range(4))

    def keys_values(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """memory [B, S, dim] -> two tensors [B, heads, S, dim / heads]."""
        return self._split(self.k(memory)), self._split(self.v(memory))

    def forward(self, x: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """x [B, T, dim], additive mask broadcast to [B, heads, T, S] -> out [B, T, dim], weights [B, heads, T, S]."""
        scores = paddle.matmul(self._split(self.q(x)) * self.width**-0.5, keys, transpose_y=True)
        weights = F.softmax(scores if mask is None else scores + mask, -1)
        out = paddle.matmul(weights, values).transpose([0, 2, 1, 3]).reshape([x.shape[0], x.shape[1], -1])
        return self.o(out), weights

    def _split(self, x: Tensor) -> Tensor:
        return x.reshape([x.shape[0], x.shape[1], self.heads, self.width]).transpose([0, 2, 1, 3])


class Block(nn.Layer):
    """One pre-norm layer; with `cross` it also attends to the encoder's memory."""

    def __init__(self, config: PointerConfig, cross: bool) -> None:
        super().__init__()
        dim = config.dim
        self.dropout = nn.Dropout(config.dropout)
        self.norm1, self.norm3 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.own = Attention(dim, config.heads)
        self.up, self.down = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)
        if cross:
            self.norm2, self.cross = nn.LayerNorm(dim), Attention(dim, config.heads)

    def attend_own(self, x: Tensor, mask: Tensor | None, past: list[Tensor] | None = None) -> Tensor:
        """x [B, T, dim]; `past` holds earlier keys and values and is extended by those of x."""
        y = self.norm1(x)
        keys, values = self.own.keys_values(y)
        if past is not None:
            keys = paddle.concat([past[0], keys], 2) if past else keys
            values = paddle.concat([past[1], values], 2) if past else values
            past[:] = [keys, values]
        return x + self.dropout(self.own(y, keys, values, mask)[0])

    def attend_memory(self, x: Tensor, memory: tuple[Tensor, Tensor], mask: Tensor) -> tuple[Tensor, Tensor]:
        """-> x [B, T, dim], attention over the source [B, heads, T, S]."""
        y, weights = self.cross(self.norm2(x), *memory, mask)
        return x + self.dropout(y), weights

    def feed_forward(self, x: Tensor) -> Tensor:
        return x + self.dropout(self.down(F.relu(self.up(self.norm3(x)))))


@dataclass
class DecoderState:
    """What a step of decoding needs: the encoded source, and the keys and values of every layer."""

    source: Tensor  # int64 [B, S]
    mask: Tensor  # [B, 1, 1, S], 0 or -1e9
    memory: Tensor  # [B, S, dim]
    cross: list[tuple[Tensor, Tensor]]  # of the memory, computed once; [B, heads, S, width] each
    own: list[list[Tensor]]  # of the pieces written so far; [B, heads, steps, width] each, [] before the first

    def reorder(self, rows: Tensor) -> None:
        """Rows go on from other rows of the same source line (beam search)."""
        self.own = [[t.index_select(rows) for t in layer] for layer in self.own]

    def select(self, rows: Tensor) -> None:
        """Keep these rows of everything."""
        self.reorder(rows)
        self.source, self.mask, self.memory = (t.index_select(rows) for t in (self.source, self.mask, self.memory))
        self.cross = [(k.index_select(rows), v.index_select(rows)) for k, v in self.cross]


class PointerTranslator(nn.Layer):
    """Encoder, decoder, and a gate between writing a piece of the vocabulary and copying one of the source."""

    def __init__(self, config: PointerConfig) -> None:
        super().__init__()
        self.config = config
        normal = nn.initializer.Normal(0.0, config.dim**-0.5)
        self.embedding = nn.Embedding(config.vocab, config.dim, weight_attr=paddle.ParamAttr(initializer=normal))
        self.encoder = nn.LayerList([Block(config, cross=False) for _ in range(config.encoder)])
        self.decoder = nn.LayerList([Block(config, cross=True) for _ in range(config.decoder)])
        self.encoder_norm, self.decoder_norm = nn.LayerNorm(config.dim), nn.LayerNorm(config.dim)
        self.gate = nn.Linear(2 * config.dim, 1)
        self.dropout = nn.Dropout(config.dropout)
        self.register_buffer("positions", paddle.to_tensor(_sinusoids(config.dim)), persistable=False)

    def forward(self, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """source [B, S], target [B, T] (as given to the decoder: PAD first) ->
        vocabulary logits [B, T, V], attention over the source [B, T, S], copy gate [B, T, 1]."""
        state = self.encode(source)
        steps = target.shape[1]
        causal = paddle.triu(paddle.full([steps, steps], MASKED), 1)
        return self._decode(self._embed(target, 0), state, causal, keep=False)

    def encode(self, source: Tensor) -> DecoderState:
        """source int64 [B, S], padded with PAD -> the state before the first step of decoding."""
        mask = (source == PAD).astype("float32").unsqueeze([1, 2]) * MASKED
        x = self._embed(source, 0)
        for layer in self.encoder:
            x = layer.feed_forward(layer.attend_own(x, mask))
        memory = self.encoder_norm(x)
        cross = [layer.cross.keys_values(memory) for layer in self.decoder]
        return DecoderState(source, mask, memory, cross, [[] for _ in self.decoder])

    def step(self, last: Tensor, state: DecoderState, position: int) -> Tensor:
        """last [B] pieces at `position` -> log-probabilities of the next pieces [B, V]; the state grows by one."""
        logits, attention, gate = self._decode(self._embed(last.unsqueeze(1), position), state, None, keep=True)
        written = F.softmax(logits[:, 0], -1) * (1 - gate[:, 0])
        copied = attention[:, 0] * gate[:, 0]
        return paddle.log(paddle.put_along_axis(written, state.source, copied, 1, reduce="add") + 1e-9)

    def loss(self, source: Tensor, target: Tensor) -> Tensor:
        """Mean negative log-likelihood of a piece; source [B, S], target [B, T], both end in EOS and are padded.

        p(y) needs only the attention on source pieces equal to y, so nothing is scattered over the vocabulary.
        """
        given = paddle.concat([paddle.full_like(target[:, :1], PAD), target[:, :-1]], 1)
        given = paddle.where(given == EOS, paddle.full_like(given, PAD), given)
        logits, attention, gate = self(source, given)
        written = paddle.exp(-F.cross_entropy(logits, target, reduction="none").reshape(target.shape))
        equal = (source.unsqueeze(1) == target.unsqueeze(2)).astype("float32")
        copied, gate = (attention * equal).sum(-1), gate.squeeze(-1)
        weight = (target != PAD).astype("float32")
        return -(paddle.log((1 - gate) * written + gate * copied + 1e-9) * weight).sum() / weight.sum()

    def _embed(self, pieces: Tensor, position: int) -> Tensor:
        places = self.positions[position : position + pieces.shape[1]]
        return self.dropout(self.embedding(pieces) * math.sqrt(self.config.dim) + places)

    def _decode(self, x: Tensor, state: DecoderState, mask: Tensor | None, keep: bool) -> tuple[Tensor, Tensor, Tensor]:
        attention = state.mask
        for layer, own, cross in zip(self.decoder, state.own, state.cross, strict=True):
            x = layer.attend_own(x, mask, own if keep else None)
            x, attention = layer.attend_memory(x, cross, state.mask)
            x = layer.feed_forward(x)
        x, attention = self.decoder_norm(x), attention.mean(1)
        gate = F.sigmoid(self.gate(paddle.concat([x, paddle.matmul(attention, state.memory)], -1)))
        return paddle.matmul(x, self.embedding.weight, transpose_y=True), attention, gate

    @classmethod
    def load(cls, folder: Path) -> "PointerTranslator":
        """From a folder with config.json and model.safetensors, whose tensors are named and laid out as in PyTorch.

        Raises MissingWeights when a file is absent or belongs to another architecture.
        """
        config = read_config(folder)
        path = folder / "model.safetensors"
        if not path.is_file():
            raise MissingWeights(f"翻译模型文件夹 {folder} 中缺少 model.safetensors。请补全该文件,或改用自带模型。")
        model = cls(config)
        stored, linear = load_file(path), _linear_weights(model)
        own = {name: list(value.shape) for name, value in model.state_dict().items()}
        tensors = {name: value.T if name in linear else value for name, value in stored.items()}
        given = {name: list(value.shape) for name, value in tensors.items()}
        if wrong := sorted(name for name in own.keys() | given.keys() if own.get(name) != given.get(name)):
            raise MissingWeights(f"{path} 与 config.json 不符(如张量 {wrong[0]})。请使用同一次训练产生的文件。")
        model.set_state_dict({name: np.ascontiguousarray(value, np.float32) for name, value in tensors.items()})
        model.eval()
        return model

    def save(self, folder: Path) -> None:
        """The counterpart of `load`, in fp16; keys of an existing config.json that are not sizes are kept."""
        folder.mkdir(parents=True, exist_ok=True)
        linear, path = _linear_weights(self), folder / "config.json"
        tensors = {name: value.numpy() for name, value in self.state_dict().items()}
        stored = {name: (value.T if name in linear else value).astype(np.float16) for name, value in tensors.items()}
        save_file({name: np.ascontiguousarray(value) for name, value in stored.items()}, folder / "model.safetensors")
        kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        path.write_text(json.dumps(kept | asdict(self.config), ensure_ascii=False, indent=1), encoding="utf-8")


def read_config(folder: Path) -> PointerConfig:
    """The sizes in config.json; other keys are left to others. Raises MissingWeights."""
    path = folder / "config.json"
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        required = {"vocab", "dim", "heads", "encoder", "decoder"}
        if missing := required - stored.keys():
            raise MissingWeights(f"{path} 不是本项目翻译模型的配置:缺少 {'、'.join(sorted(missing))}。")
        return PointerConfig(**{f.name: stored[f.name] for f in fields(PointerConfig) if f.name in stored})
    except OSError as error:
        raise MissingWeights(f"翻译模型文件夹 {folder} 中缺少 config.json。请检查路径,或改用自带模型。") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise MissingWeights(f"无法读取 {path}:{error}。请重新取得该模型。") from error


def _linear_weights(model: nn.Layer) -> set[str]:
    """Names of the weights that Paddle stores [in, out] and PyTorch [out, in]."""
    return {f"{name}.weight" for name, layer in model.named_sublayers() if isinstance(layer, nn.Linear)}


def _sinusoids(dim: int) -> np.ndarray:
    """float32 [256, dim]: sine on even, cosine on odd channels."""
    angle = np.arange(MAX_POSITIONS)[:, None] / 10000 ** (np.arange(0, dim, 2)[None] / dim)
    table = np.zeros((MAX_POSITIONS, dim), np.float32)
    table[:, 0::2], table[:, 1::2] = np.sin(angle), np.cos(angle)
    return table
