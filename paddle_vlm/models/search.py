"""The search model as one thing: dual encoder, fusion re-ranker, and how their scores become probabilities."""

import dataclasses
import json
import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from paddle import Tensor, nn

from paddle_vlm.config import build_config
from paddle_vlm.errors import BadConfig, MissingWeights
from paddle_vlm.files import write_json
from paddle_vlm.models.calibration import Calibration
from paddle_vlm.models.dual_encoder import DualEncoder, DualEncoderConfig
from paddle_vlm.models.fusion import Fusion, FusionConfig
from paddle_vlm.models.weights_file import arrays, load_weights, write_tensors

SETTINGS, WEIGHTS = "config.json", "model.safetensors"


@dataclass
class SearchConfig:
    """What config.json holds."""

    dual: DualEncoderConfig = field(default_factory=DualEncoderConfig)
    fusion: FusionConfig = field(default_factory=FusionConfig)
    cosine: Calibration = field(default_factory=Calibration)  # of the dual encoder's cosines
    reranked: Calibration = field(default_factory=Calibration)  # of `SearchModel.rerank`'s scores
    rerank_weight: float = 1.0  # of the fusion's logit beside the dual encoder's


class SearchNetwork(nn.Layer):
    """Both networks; the fusion reads the text states and the image grid of the dual encoder."""

    def __init__(self, config: SearchConfig) -> None:
        super().__init__()
        self.config = config
        self.dual = DualEncoder(config.dual)
        self.fusion = Fusion(config.fusion)

    def rerank(self, grid: Tensor, characters: Tensor, words: Tensor, cosines: Tensor) -> Tensor:
        """grid [B, G, channels], characters and words int64 [B, T], cosines [B] -> scores [B], higher is better."""
        states, _, mask = self.dual.text.states(characters, words)
        logits = self.fusion.match(self.fusion.look(grid), states, mask)
        return cosines * self.dual.scale.exp() + self.config.rerank_weight * logits

    def save(self, folder: Path, half: bool = True) -> None:
        """config.json and model.safetensors, in fp16 unless `half` is False. Raises OutputError."""
        write_json(folder / SETTINGS, {"model_type": "paddle_vlm_search"} | dataclasses.asdict(self.config))
        tensors = arrays(self.state_dict())
        write_tensors({k: v.astype(np.float16) for k, v in tensors.items()} if half else tensors, folder / WEIGHTS, {})

    @classmethod
    def load(cls, folder: Path) -> "SearchNetwork":
        """What `save` wrote, in evaluation mode. Raises MissingWeights."""
        model = cls(read_config(folder))
        load_weights(model, folder / WEIGHTS)
        model.eval()
        return model


def fitting(fusion: FusionConfig, dual: DualEncoder) -> FusionConfig:
    """`fusion` with the sizes that follow from the dual encoder whose states and grid it reads."""
    side = math.ceil(dual.config.size / 32)
    return dataclasses.replace(fusion, channels=dual.trunk.channels, cells=side * side, text_width=dual.config.width)


def read_config(folder: Path) -> SearchConfig:
    """`folder`/config.json. Raises MissingWeights."""
    path = folder / SETTINGS
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        values.pop("model_type", None)
        return build_config(SearchConfig, values, SETTINGS)
    except (OSError, ValueError, TypeError, AttributeError, BadConfig) as error:
        raise MissingWeights(
            f"模型文件夹 {folder} 中的 {SETTINGS} 缺失或已损坏({error})。请使用完整的模型。"
        ) from error
