"""The search model as one thing: dual encoder, fusion re-ranker, and how their scores become probabilities."""

import dataclasses
import json
import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import paddle
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
    bank: int = 0  # texts that tell how readily a picture is found, whatever is looked for
    bank_weight: float = 0.0  # of that, which `rerank` takes away


class SearchNetwork(nn.Layer):
    """Both networks; the fusion reads the word vectors and the image grid of the dual encoder."""

    def __init__(self, config: SearchConfig) -> None:
        super().__init__()
        self.config = config
        self.dual = DualEncoder(config.dual)
        self.fusion = Fusion(config.fusion)
        self.register_buffer("bank", paddle.zeros([max(1, config.bank), config.dual.dim]))

    def readiness(self, images: Tensor) -> Tensor:
        """Unit vectors [B, dim] -> [B]: log of the mean exponential of the dual encoder's logits with the bank's texts.

        Some pictures are close to any text; taking this away corrects for it (querybank normalisation, Bogolin et al.
        2022).
        """
        logits = self.dual.similarity(images, self.bank)
        return paddle.logsumexp(logits, 0) - math.log(self.bank.shape[0])

    def rerank(self, grid: Tensor, images: Tensor, characters: Tensor, words: Tensor, cosines: Tensor) -> Tensor:
        """Of B pictures and texts: grid [B, G, channels], unit vectors [B, dim], characters and words int64 [B, T], and
        cosines [B] -> scores [B], higher is better."""
        logits = self.fusion.match(self.fusion.look(grid), characters, self.dual.text.words(words))
        found = cosines * self.dual.scale.exp() - self.config.bank_weight * self.readiness(images)
        return found + self.config.rerank_weight * logits

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
    """`fusion` with the sizes that follow from the dual encoder whose words and grid it reads."""
    config, side = dual.config, math.ceil(dual.config.size / 32)
    return dataclasses.replace(
        fusion, channels=dual.trunk.channels, cells=side * side,
        characters=config.characters, word_width=config.word_width,
    )  # fmt: skip


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
