"""Marian translation networks in Hugging Face's format, such as OPUS-MT (Junczys-Dowmunt et al. 2018, Tiedemann 2020).

A post-norm Transformer (Vaswani et al. 2017) with sinusoidal positions, embeddings that may be tied, and a bias on the
final logits.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle import Tensor, nn
from paddle.nn import functional as F

from paddle_vlm.errors import MissingWeights
from paddle_vlm.files import write_json
from paddle_vlm.models.layers import Dropout, Linear, Projection
from paddle_vlm.models.torch_file import read_hugging_face
from paddle_vlm.models.transformer import MASKED, Attention, KeysValues, by_line, by_row
from paddle_vlm.models.weights_file import assign, write_tensors

ACTIVATIONS = {"swish": F.silu, "silu": F.silu, "relu": F.relu, "gelu": F.gelu}


@dataclass
class MarianConfig:
    """The keys of Hugging Face's config.json that the network needs; the defaults are OPUS-MT's."""

    vocab_size: int = 65001
    decoder_vocab_size: int | None = None
    d_model: int = 512
    encoder_layers: int = 6
    decoder_layers: int = 6
    encoder_attention_heads: int = 8
    decoder_attention_heads: int = 8
    encoder_ffn_dim: int = 2048
    decoder_ffn_dim: int = 2048
    activation_function: str = "swish"
    max_position_embeddings: int = 512
    scale_embedding: bool = True
    share_encoder_decoder_embeddings: bool = True
    tie_word_embeddings: bool = True
    dropout: float = 0.1
    pad_token_id: int = 65000
    eos_token_id: int = 0
    decoder_start_token_id: int = 65000


class Layer(nn.Layer):
    """One post-norm layer; with `cross` it also attends to the encoder's memory."""

    def __init__(self, dim: int, heads: int, inner: int, activation: str, dropout: float, cross: bool) -> None:
        super().__init__()
        self.activation, self.dropout = ACTIVATIONS[activation], Dropout(dropout)
        self.own, self.own_norm = Attention(dim, heads), nn.LayerNorm(dim)
        if cross:
            self.cross, self.cross_norm = Attention(dim, heads), nn.LayerNorm(dim)
        self.up, self.down, self.norm = Linear(dim, inner), Linear(inner, dim), nn.LayerNorm(dim)

    def attend_own(self, x: Tensor, mask: Tensor | None, past: KeysValues | None = None) -> tuple[Tensor, KeysValues]:
        """x [B, T, dim], earlier keys and values -> x [B, T, dim], keys and values with those of x."""
        keys, values = self.own.keys_values(x)
        if past is not None:
            keys, values = paddle.concat([past[0], keys], 2), paddle.concat([past[1], values], 2)
        return self.own_norm(x + self.dropout(self.own(x, keys, values, mask)[0])), (keys, values)

    def attend_memory(self, x: Tensor, memory: KeysValues, mask: Tensor) -> Tensor:
        """-> x [B, T, dim]."""
        return self.cross_norm(x + self.dropout(self.cross(x, *memory, mask)[0]))

    def feed_forward(self, x: Tensor) -> Tensor:
        return self.norm(x + self.dropout(self.down(self.activation(self.up(x)))))


class MarianTranslator(nn.Layer):
    """The network alone; `translation.network` adds the pieces. Offers what `inference.decoder` exports."""

    def __init__(self, config: MarianConfig) -> None:
        super().__init__()
        self.config = config
        dim, written = config.d_model, config.decoder_vocab_size or config.vocab_size
        self.source_embedding = nn.Embedding(config.vocab_size, dim)
        shared = config.share_encoder_decoder_embeddings
        self.target_embedding = self.source_embedding if shared else nn.Embedding(written, dim)
        self.encoder = nn.LayerList(
            Layer(dim, config.encoder_attention_heads, config.encoder_ffn_dim, config.activation_function,
                  config.dropout, cross=False)
            for _ in range(config.encoder_layers)
        )  # fmt: skip
        self.decoder = nn.LayerList(
            Layer(dim, config.decoder_attention_heads, config.decoder_ffn_dim, config.activation_function,
                  config.dropout, cross=True)
            for _ in range(config.decoder_layers)
        )  # fmt: skip
        tied = config.tie_word_embeddings
        self.output = self.target_embedding if tied else nn.Embedding(written, dim)  # used as a matrix [V, dim]
        self.project = Projection()
        self.register_buffer("final_logits_bias", paddle.zeros([1, written]))
        self.register_buffer(
            "positions", paddle.to_tensor(_sinusoids(config.max_position_embeddings, dim)), persistable=False
        )
        self.forbidden = config.pad_token_id  # padding is never written
        self.scale = math.sqrt(dim) if config.scale_embedding else 1.0

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """source [B, S], target [B, T] (as given to the decoder: start first) -> logits [B, T, V]."""
        _, cross = self.encode(source)
        steps = target.shape[1]
        causal = paddle.triu(paddle.full([steps, steps], MASKED), 1)
        x = self._embed(self.target_embedding, target, self.positions[:steps])
        return self._write(self._decode(x, source, cross, causal, None)[0])

    def encode(self, source: Tensor) -> tuple[list[Tensor], list[KeysValues]]:
        """source int64 [B, S], padded -> nothing to keep but the memory's keys and values for each decoder layer."""
        length = paddle.shape(source)[1]  # source.shape[1] is unknown while the network is exported
        x, mask = self._embed(self.source_embedding, source, self.positions[:length]), self._padding(source)
        for layer in self.encoder:
            x = layer.feed_forward(layer.attend_own(x, mask)[0])
        return [], [layer.cross.keys_values(x) for layer in self.decoder]

    def step(
        self, last: Tensor, position: Tensor, source: Tensor, kept: list[Tensor], cross: list[KeysValues],
        own: list[KeysValues],
    ) -> tuple[Tensor, list[KeysValues]]:  # fmt: skip
        """last int64 [B] pieces at `position` int64 [1], what `encode` gave for L lines (B is a multiple of L), the
        keys and values of earlier steps -> probabilities of the next pieces [B, V], keys and values with those of this
        step."""
        x = self._embed(self.target_embedding, last.unsqueeze(1), self.positions.index_select(position))
        x, own = self._decode(x, source, cross, None, own)
        return F.softmax(self._write(x.squeeze(1)), -1), own

    def _decode(
        self, x: Tensor, source: Tensor, cross: list[KeysValues], mask: Tensor | None, own: Sequence[KeysValues] | None
    ) -> tuple[Tensor, list[KeysValues]]:
        padding, grown = self._padding(source), []
        for i, layer in enumerate(self.decoder):
            x, pair = layer.attend_own(x, mask, own[i] if own else None)
            seen = layer.attend_memory(by_line(x, source) if own else x, cross[i], padding)
            x = layer.feed_forward(by_row(seen) if own else seen)
            grown.append(pair)
        return x, grown

    def _write(self, x: Tensor) -> Tensor:
        """x [..., dim] -> logits [..., V]."""
        return self.project(x, self.output.weight, self.final_logits_bias.squeeze(0))

    def _embed(self, embedding: nn.Layer, pieces: Tensor, places: Tensor) -> Tensor:
        return embedding(pieces) * self.scale + places

    def _padding(self, source: Tensor) -> Tensor:
        return (source == self.config.pad_token_id).astype("float32").unsqueeze([1, 2]) * MASKED

    @classmethod
    def load(cls, folder: Path) -> "MarianTranslator":
        """From a Hugging Face folder: config.json and model.safetensors or pytorch_model.bin (read without unpickling).

        Raises MissingWeights for a missing file, another architecture, or tensors that do not fit.
        """
        model = cls(read_config(folder))
        stored = read_hugging_face(folder)
        wanted = model._hugging_face_names()
        own, tensors = model.state_dict(), {}
        for name, (theirs, turned) in wanted.items():
            if theirs not in stored:
                raise MissingWeights(f"{folder} 的权重中缺少张量 {theirs}。请使用与 config.json 同一来源的文件。")
            value = stored[theirs].T if turned else stored[theirs]
            if list(value.shape) != list(own[name].shape):
                raise MissingWeights(
                    f"{folder} 的权重与 config.json 不符:{theirs} 的形状是 {list(stored[theirs].shape)}。"
                    "请使用同一来源的文件。"
                )
            tensors[name] = value
        assign(own, tensors)
        model.eval()
        return model

    def save(self, folder: Path) -> None:
        """Write a folder that `load` and Hugging Face's MarianMTModel read. Raises OutputError."""
        own = self.state_dict()
        tensors = {}
        for name, (theirs, turned) in self._hugging_face_names().items():
            value = own[name].numpy()
            tensors[theirs] = np.ascontiguousarray(value.T if turned else value)
        write_tensors(tensors, folder / "model.safetensors", {"format": "pt"})
        config = asdict(self.config) | {"model_type": "marian", "architectures": ["MarianMTModel"]}
        write_json(folder / "config.json", config | {"static_position_embeddings": True})

    def _hugging_face_names(self) -> dict[str, tuple[str, bool]]:
        """Name here -> name there, and whether the matrix is turned (PyTorch stores Linear weights [out, in])."""
        shared = self.config.share_encoder_decoder_embeddings
        embeddings = {"source_embedding": "model.shared" if shared else "model.encoder.embed_tokens"}
        if not shared:
            embeddings["target_embedding"] = "model.decoder.embed_tokens"
        if not self.config.tie_word_embeddings:
            embeddings["output"] = "lm_head"
        names = {f"{ours}.weight": (f"{theirs}.weight", False) for ours, theirs in embeddings.items()}
        names["final_logits_bias"] = ("final_logits_bias", False)
        parts = {"q": "q_proj", "k": "k_proj", "v": "v_proj", "o": "out_proj"}
        for side, layers in (("encoder", self.encoder), ("decoder", self.decoder)):
            inside = {"up": "fc1", "down": "fc2"}
            norms = {"own_norm": "self_attn_layer_norm", "norm": "final_layer_norm"}
            for ours, theirs in (("own", "self_attn"), ("cross", "encoder_attn"))[: 1 + (side == "decoder")]:
                inside |= {f"{ours}.{part}": f"{theirs}.{other}" for part, other in parts.items()}
            if side == "decoder":
                norms["cross_norm"] = "encoder_attn_layer_norm"
            for i in range(len(layers)):
                for ours, theirs in (inside | norms).items():
                    for kind in ("weight", "bias"):
                        turned = kind == "weight" and ours in inside
                        names[f"{side}.{i}.{ours}.{kind}"] = (f"model.{side}.layers.{i}.{theirs}.{kind}", turned)
        return names


def read_config(folder: Path) -> MarianConfig:
    """The sizes in Hugging Face's config.json. Raises MissingWeights."""
    path = folder / "config.json"
    try:
        stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if stored.get("model_type") != "marian":
            raise MissingWeights(f"{path} 的 model_type 是 {stored.get('model_type')},只支持 marian(如 OPUS-MT)。")
        if stored.get("normalize_before") or stored.get("normalize_embedding"):
            raise MissingWeights(f"{path} 使用了不支持的结构(normalize_before 或 normalize_embedding)。请换一个模型。")
        config = MarianConfig(**{f.name: stored[f.name] for f in fields(MarianConfig) if f.name in stored})
    except OSError as error:
        raise MissingWeights(f"翻译模型文件夹 {folder} 中缺少 config.json。请检查路径。") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise MissingWeights(f"无法读取 {path}:{error}。请重新取得该模型。") from error
    if config.activation_function not in ACTIVATIONS:
        raise MissingWeights(f"{path}:不支持激活函数 {config.activation_function}。可用:{'、'.join(ACTIVATIONS)}。")
    return config


def _sinusoids(count: int, dim: int) -> np.ndarray:
    """float32 [count, dim]: the sines of all frequencies, then the cosines."""
    angle = np.arange(count)[:, None] / 10000 ** (np.arange(0, dim, 2)[None] / dim)
    return np.concatenate([np.sin(angle), np.cos(angle)], 1).astype(np.float32)
