"""A picture classifier as one thing: network, class names and how pixels become its input."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle import Tensor, nn
from paddle.nn import functional as F

from paddle_vlm.config import build_config
from paddle_vlm.errors import BadConfig, MissingWeights
from paddle_vlm.files import write_json
from paddle_vlm.models.cnn import CNNS, CONFIGS
from paddle_vlm.models.weights_file import load_weights, save_weights

SETTINGS, WEIGHTS = "config.json", "model.safetensors"


@dataclasses.dataclass
class ClassifierConfig:
    """What config.json holds."""

    network: str  # a key of cnn.CNNS
    names: list[str]  # of the classes
    size: int  # height and width of the pictures
    options: dict[str, Any] = dataclasses.field(default_factory=dict)  # of the network, where not its defaults
    shown: list[str] = dataclasses.field(default_factory=list)  # what people read in place of `names`, if anything else

    def __post_init__(self) -> None:
        if self.network not in CNNS:
            raise ValueError(f"没有叫 {self.network} 的网络。可用:{'、'.join(CNNS)}。")
        if self.shown and len(self.shown) != len(self.names):
            raise ValueError(f"names 有 {len(self.names)} 个,shown 有 {len(self.shown)} 个,应当一一对应。")


class ImageClassifier(nn.Layer):
    """Pictures -> logits."""

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__()
        self.config = config
        kind = CONFIGS[config.network]
        known = {each.name for each in dataclasses.fields(kind)}
        sizes = {"classes": len(config.names), "size": config.size}
        options = config.options | {name: value for name, value in sizes.items() if name in known}
        self.network = CNNS[config.network](build_config(kind, options, "model.options"))

    def forward(self, images: Tensor) -> Tensor:
        """images float32 [B, 3, size, size] in -1..1 (see `to_input`) -> logits [B, classes]."""
        return self.network(images)

    @paddle.no_grad()
    def probabilities(self, images: np.ndarray, batch: int = 256) -> np.ndarray:
        """images uint8 [N, size, size, 3] -> float32 [N, classes]. The model must be in evaluation mode."""
        parts = [
            F.softmax(self(paddle.to_tensor(to_input(images[first : first + batch]))), -1).numpy()
            for first in range(0, len(images), batch)
        ]
        return np.concatenate(parts)

    def save(self, folder: Path) -> None:
        """Write config.json and model.safetensors. Raises OutputError."""
        self.save_config(folder)
        save_weights(self, folder / WEIGHTS)

    def save_config(self, folder: Path) -> None:
        """Write config.json. Raises OutputError."""
        write_json(folder / SETTINGS, dataclasses.asdict(self.config))

    @classmethod
    def load(cls, folder: Path, weights: Path | None = None) -> "ImageClassifier":
        """What `save` wrote, ready to classify; `weights` takes the place of its own. Raises MissingWeights."""
        path = folder / SETTINGS
        try:
            config = build_config(ClassifierConfig, json.loads(path.read_text(encoding="utf-8")), str(path))
            model = cls(config)
        except (OSError, ValueError, BadConfig) as error:
            raise MissingWeights(
                f"{folder} 不是分类模型文件夹:无法读取 {SETTINGS}({error})。请指定训练所得的 model 文件夹。"
            ) from error
        load_weights(model, weights or folder / WEIGHTS)
        model.eval()
        return model


class PixelClassifier(nn.Layer):
    """A classifier that takes pictures as they are, for export."""

    def __init__(self, model: ImageClassifier) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: Tensor) -> Tensor:
        """uint8 [B, size, size, 3] -> probabilities [B, classes]."""
        images = pixels.transpose([0, 3, 1, 2]).astype("float32") * (2 / 255) - 1  # as `to_input`
        return F.softmax(self.model(images), -1)


def to_input(images: np.ndarray) -> np.ndarray:
    """uint8 or float [N, H, W, 3] in 0..255 -> float32 [N, 3, H, W] in -1..1."""
    return np.ascontiguousarray((images.astype(np.float32) * np.float32(2 / 255) - 1).transpose(0, 3, 1, 2))
