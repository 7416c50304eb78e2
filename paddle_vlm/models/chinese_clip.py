"""Chinese-CLIP: a ViT and a RoBERTa-wwm in one space (Yang et al. 2022), from OFA-Sys's Hugging Face folders."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle import Tensor, nn
from paddle.nn import functional as F

from paddle_vlm.errors import MissingWeights
from paddle_vlm.models.layers import Linear
from paddle_vlm.models.torch_file import read_hugging_face
from paddle_vlm.models.weights_file import assign

LONGEST = 52  # pieces of a text that Chinese-CLIP was trained with
_MASKED = -1e4


@dataclass
class TowerConfig:
    """One Transformer; the names are those of config.json."""

    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    layer_norm_eps: float
    hidden_act: str


@dataclass
class ChineseClipConfig:
    """Sizes of a ViT-B/16 model; `read_config` fills them from config.json."""

    vision: TowerConfig = field(default_factory=lambda: TowerConfig(768, 3072, 12, 12, 1e-5, "quick_gelu"))
    text: TowerConfig = field(default_factory=lambda: TowerConfig(768, 3072, 12, 12, 1e-12, "gelu"))
    dim: int = 512
    size: int = 224
    patch: int = 16
    vocabulary: int = 21128
    positions: int = 512
    mean: tuple[float, ...] = (0.48145466, 0.4578275, 0.40821073)
    deviation: tuple[float, ...] = (0.26862954, 0.26130258, 0.27577711)


def _quick_gelu(x: Tensor) -> Tensor:
    return x * F.sigmoid(1.702 * x)


ACTIVATIONS = {"gelu": F.gelu, "quick_gelu": _quick_gelu}


class Layer(nn.Layer):
    """A Transformer layer: CLIP's normalises before attention and MLP, BERT's after them."""

    def __init__(self, config: TowerConfig, before: bool) -> None:
        super().__init__()
        width = config.hidden_size
        self.heads, self.before, self.act = config.num_attention_heads, before, ACTIVATIONS[config.hidden_act]
        self.q, self.k, self.v, self.o = (Linear(width, width) for _ in range(4))
        self.norm1, self.norm2 = (nn.LayerNorm(width, config.layer_norm_eps) for _ in range(2))
        self.up, self.down = Linear(width, config.intermediate_size), Linear(config.intermediate_size, width)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """x [B, T, width], additive mask [B, 1, 1, T] -> [B, T, width]."""
        if self.before:
            x = x + self.attend(self.norm1(x), mask)
            return x + self.down(self.act(self.up(self.norm2(x))))
        x = self.norm1(x + self.attend(x, mask))
        return self.norm2(x + self.down(self.act(self.up(x))))

    def attend(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Self-attention."""
        split = [0, 0, self.heads, x.shape[-1] // self.heads]
        q, k, v = (part(x).reshape(split).transpose([0, 2, 1, 3]) for part in (self.q, self.k, self.v))
        scores = paddle.matmul(q * split[-1] ** -0.5, k, transpose_y=True)
        weights = F.softmax(scores if mask is None else scores + mask, -1)
        return self.o(paddle.matmul(weights, v).transpose([0, 2, 1, 3]).reshape([0, 0, x.shape[-1]]))


class Vision(nn.Layer):
    """ViT (Dosovitskiy et al. 2021)."""

    def __init__(self, config: ChineseClipConfig) -> None:
        super().__init__()
        tower, width = config.vision, config.vision.hidden_size
        self.patches = nn.Conv2D(3, width, config.patch, config.patch, bias_attr=False)
        self.first = self.create_parameter([width])
        self.positions = nn.Embedding((config.size // config.patch) ** 2 + 1, width)
        self.norm_before, self.norm_after = (nn.LayerNorm(width, tower.layer_norm_eps) for _ in range(2))
        self.layers = nn.LayerList([Layer(tower, before=True) for _ in range(tower.num_hidden_layers)])

    def forward(self, images: Tensor) -> Tensor:
        """images [B, 3, size, size], normalised -> [B, width]."""
        x = self.patches(images).flatten(2).transpose([0, 2, 1])
        x = paddle.concat([x[:, :1] * 0 + self.first, x], 1) + self.positions.weight
        x = self.norm_before(x)
        for layer in self.layers:
            x = layer(x, None)
        return self.norm_after(x[:, 0])


class Text(nn.Layer):
    """RoBERTa-wwm, which has BERT's architecture."""

    def __init__(self, config: ChineseClipConfig) -> None:
        super().__init__()
        tower, width = config.text, config.text.hidden_size
        self.pieces = nn.Embedding(config.vocabulary, width)
        self.positions = nn.Embedding(config.positions, width)
        self.kinds = nn.Embedding(2, width)
        self.norm = nn.LayerNorm(width, tower.layer_norm_eps)
        self.layers = nn.LayerList([Layer(tower, before=False) for _ in range(tower.num_hidden_layers)])

    def forward(self, pieces: Tensor) -> Tensor:
        """pieces int64 [B, T], 0 is padding -> [B, width]."""
        places = self.positions(paddle.arange(pieces.shape[1]))
        x = self.norm(self.pieces(pieces) + places + self.kinds.weight[0])
        mask = ((pieces == 0).astype("float32") * _MASKED).unsqueeze([1, 2])
        for layer in self.layers:
            x = layer(x, mask)
        return x[:, 0]


class ChineseClip(nn.Layer):
    """Both towers, with their projections."""

    def __init__(self, config: ChineseClipConfig) -> None:
        super().__init__()
        self.config = config
        self.vision, self.text = Vision(config), Text(config)
        self.visual_projection = Linear(config.vision.hidden_size, config.dim, bias_attr=False)
        self.text_projection = Linear(config.text.hidden_size, config.dim, bias_attr=False)
        self.logit_scale = self.create_parameter([1], default_initializer=nn.initializer.Constant(2.6592))

    def encode_images(self, images: Tensor) -> Tensor:
        """images [B, 3, size, size], normalised -> unit vectors [B, dim]."""
        return F.normalize(self.visual_projection(self.vision(images)), axis=-1)

    def encode_texts(self, pieces: Tensor) -> Tensor:
        """pieces int64 [B, T] of `WordPiece.encode` -> unit vectors [B, dim]."""
        return F.normalize(self.text_projection(self.text(pieces)), axis=-1)

    @classmethod
    def load(cls, folder: Path) -> "ChineseClip":
        """A Hugging Face folder: config.json, and model.safetensors or pytorch_model.bin. Raises MissingWeights."""
        model = cls(read_config(folder))
        expected = model.state_dict()
        linear = {f"{name}.weight" for name, layer in model.named_sublayers() if isinstance(layer, nn.Linear)}
        tensors = {}
        for name, value in read_hugging_face(folder).items():
            own = own_name(name)
            if own in expected:
                tensors[own] = np.atleast_1d(value.T if own in linear else value)
        wrong = [name for name, t in expected.items() if name not in tensors or [*tensors[name].shape] != [*t.shape]]
        if wrong:
            raise MissingWeights(f"{folder} 中的权重与 config.json 不符(如张量 {wrong[0]})。请重新下载整个文件夹。")
        assign(expected, tensors)
        model.eval()
        return model


def is_chinese_clip(folder: Path) -> bool:
    """Whether `folder`/config.json says so."""
    try:
        return json.loads((folder / "config.json").read_text(encoding="utf-8")).get("model_type") == "chinese_clip"
    except (OSError, ValueError, AttributeError):
        return False


def read_config(folder: Path) -> ChineseClipConfig:
    """config.json, and preprocessor_config.json where there is one. Raises MissingWeights."""
    try:
        values = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        vision, text = values["vision_config"], values["text_config"]
        defaults = ChineseClipConfig()
        pictures = folder / "preprocessor_config.json"
        pixels = json.loads(pictures.read_text(encoding="utf-8")) if pictures.is_file() else {}
        return ChineseClipConfig(
            vision=_tower(vision, defaults.vision),
            text=_tower(text, defaults.text),
            dim=values.get("projection_dim", defaults.dim),
            size=vision.get("image_size", defaults.size),
            patch=vision.get("patch_size", defaults.patch),
            vocabulary=text.get("vocab_size", defaults.vocabulary),
            positions=text.get("max_position_embeddings", defaults.positions),
            mean=tuple(pixels.get("image_mean", defaults.mean)),
            deviation=tuple(pixels.get("image_std", defaults.deviation)),
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise MissingWeights(
            f"{folder} 中没有 Chinese-CLIP 的 config.json,或它已损坏({error})。请重新下载。"
        ) from error


def _tower(values: dict[str, Any], defaults: TowerConfig) -> TowerConfig:
    config = TowerConfig(**{name: values.get(name, default) for name, default in vars(defaults).items()})
    if config.hidden_act not in ACTIVATIONS:
        raise ValueError(f"hidden_act {config.hidden_act}")
    return config


# Hugging Face's names -> ours, one after the other
_NAMES = [
    (r"^vision_model\.embeddings\.class_embedding$", "vision.first"),
    (r"^vision_model\.embeddings\.patch_embedding\.", "vision.patches."),
    (r"^vision_model\.embeddings\.position_embedding\.", "vision.positions."),
    (r"^vision_model\.pre_layrnorm\.", "vision.norm_before."),
    (r"^vision_model\.post_layernorm\.", "vision.norm_after."),
    (r"^vision_model\.encoder\.", "vision."),
    (r"\.self_attn\.(q|k|v)_proj\.", r".\1."),
    (r"\.self_attn\.out_proj\.", ".o."),
    (r"\.layer_norm(1|2)\.", r".norm\1."),
    (r"\.mlp\.fc1\.", ".up."),
    (r"\.mlp\.fc2\.", ".down."),
    (r"^text_model\.embeddings\.word_embeddings\.", "text.pieces."),
    (r"^text_model\.embeddings\.position_embeddings\.", "text.positions."),
    (r"^text_model\.embeddings\.token_type_embeddings\.", "text.kinds."),
    (r"^text_model\.embeddings\.LayerNorm\.", "text.norm."),
    (r"^text_model\.encoder\.layer\.", "text.layers."),
    (r"\.attention\.self\.(q|k|v)(uery|ey|alue)\.", r".\1."),
    (r"\.attention\.output\.dense\.", ".o."),
    (r"\.attention\.output\.LayerNorm\.", ".norm1."),
    (r"\.intermediate\.dense\.", ".up."),
    (r"\.output\.dense\.", ".down."),
    (r"\.output\.LayerNorm\.", ".norm2."),
]


def own_name(name: str) -> str:
    """`text_model.encoder.layer.3.attention.self.query.weight` -> `text.layers.3.q.weight`."""
    for pattern, replacement in _NAMES:
        name = re.sub(pattern, replacement, name)
    return name
