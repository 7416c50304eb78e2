"""Pre-norm Transformer with a pointer-generator head (Vaswani et al. 2017; See et al. 2017).

The distribution over the next piece is (1 - g) * softmax(vocabulary) + g * attention over the source pieces, so that
the network copies numbers, names and dictionary senses from its input instead of learning each of them.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import paddle
from paddle import Tensor, nn
from paddle.nn import functional as F
from safetensors.numpy import load_file, save_file

from paddle_vlm.errors import MissingWeights
from paddle_vlm.models.layers import Dropout
from paddle_vlm.models.transformer import MASKED, Block, KeysValues, by_line, by_row, sinusoids

EOS, PAD = 0, 2  # decoding starts from PAD
MAX_POSITIONS = 256


@dataclass
class PointerConfig:
    """Sizes of the network; the defaults are those of the bundled weights."""

    vocab: int = 14000
    dim: int = 256
    heads: int = 4
    encoder: int = 4  # layers
    decoder: int = 2
    dropout: float = 0.1
    longest_source: int = 90  # pieces of a line that it learns from and reads; the rest is cut off


class PointerTranslator(nn.Layer):
    """Encoder, decoder, and a gate between writing a piece of the vocabulary and copying one of the source."""

    forbidden = None  # every piece may be written

    def __init__(self, config: PointerConfig) -> None:
        super().__init__()
        self.config = config
        normal = nn.initializer.Normal(0.0, config.dim**-0.5)
        self.embedding = nn.Embedding(config.vocab, config.dim, weight_attr=paddle.ParamAttr(initializer=normal))
        sizes = config.dim, config.heads, config.dropout
        self.encoder = nn.LayerList([Block(*sizes) for _ in range(config.encoder)])
        self.decoder = nn.LayerList([Block(*sizes, cross=True) for _ in range(config.decoder)])
        self.encoder_norm, self.decoder_norm = nn.LayerNorm(config.dim), nn.LayerNorm(config.dim)
        self.gate = nn.Linear(2 * config.dim, 1)
        self.dropout = Dropout(config.dropout)
        self.register_buffer("positions", paddle.to_tensor(sinusoids(MAX_POSITIONS, config.dim)), persistable=False)

    def forward(self, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """source [B, S], target [B, T] (as given to the decoder: PAD first) ->
        vocabulary logits [B, T, V], attention over the source [B, T, S], copy gate [B, T, 1]."""
        steps = target.shape[1]
        causal = paddle.triu(paddle.full([steps, steps], MASKED), 1)
        (memory,), cross = self.encode(source)
        x = self._embed(target, self.positions[:steps])
        x, attention, gate, _ = self._decode(x, source, memory, cross, causal)
        return paddle.matmul(x, self.embedding.weight, transpose_y=True), attention, gate

    def encode(self, source: Tensor) -> tuple[list[Tensor], list[KeysValues]]:
        """source int64 [B, S], padded with PAD -> [memory [B, S, dim]], its keys and values for each decoder layer."""
        length = paddle.shape(source)[1]  # source.shape[1] is unknown while the network is exported
        x, mask = self._embed(source, self.positions[:length]), _padding(source)
        for layer in self.encoder:
            x = layer.feed_forward(layer.attend_own(x, mask)[0])
        memory = self.encoder_norm(x)
        return [memory], [layer.cross.keys_values(memory) for layer in self.decoder]

    def step(
        self, last: Tensor, position: Tensor, source: Tensor, kept: list[Tensor], cross: list[KeysValues],
        own: list[KeysValues],
    ) -> tuple[Tensor, list[KeysValues]]:  # fmt: skip
        """last int64 [B] pieces at `position` int64 [1], what `encode` gave for L lines (B is a multiple of L), the
        keys and values of earlier steps -> probabilities of the next pieces [B, V], keys and values with those of this
        step."""
        x = self._embed(last.unsqueeze(1), self.positions.index_select(position))
        found = self._decode(x, source, kept[0], cross, None, own)
        x, attention, gate = (tensor.flatten(0, 1) for tensor in found[:3])  # [L, beams, …] -> [B, …]
        written = F.softmax(paddle.matmul(x, self.embedding.weight, transpose_y=True), -1) * (1 - gate)
        pieces = (source.unsqueeze(1) + paddle.zeros_like(found[1], "int64")).flatten(0, 1)  # of each row's source
        return paddle.put_along_axis(written, pieces, attention * gate, 1, reduce="add"), found[3]

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

    def _embed(self, pieces: Tensor, places: Tensor) -> Tensor:
        return self.dropout(self.embedding(pieces) * math.sqrt(self.config.dim) + places)

    def _decode(
        self, x: Tensor, source: Tensor, memory: Tensor, cross: list[KeysValues], mask: Tensor | None,
        own: Sequence[KeysValues] | None = None,
    ) -> tuple[Tensor, Tensor, Tensor, list[KeysValues]]:  # fmt: skip
        attention, padding, grown = memory, _padding(source), []
        for i, layer in enumerate(self.decoder):
            x, pair = layer.attend_own(by_row(x) if own else x, mask, own[i] if own else None)
            x, attention = layer.attend_memory(by_line(x, source) if own else x, cross[i], padding)
            x = layer.feed_forward(x)
            grown.append(pair)
        x, attention = self.decoder_norm(x), attention.mean(1)
        gate = F.sigmoid(self.gate(paddle.concat([x, paddle.matmul(attention, memory)], -1)))
        return x, attention, gate, grown

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


def _padding(source: Tensor) -> Tensor:
    """Additive mask [B, 1, 1, S], -1e9 where the source is padded."""
    return (source == PAD).astype("float32").unsqueeze([1, 2]) * MASKED


def _linear_weights(model: nn.Layer) -> set[str]:
    """Names of the weights that Paddle stores [in, out] and PyTorch [out, in]."""
    return {f"{name}.weight" for name, layer in model.named_sublayers() if isinstance(layer, nn.Linear)}
