"""Classify pictures with labels that are named on the spot: no training, the search model alone."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from paddle_vlm.apps.classification import Classification, Guess
from paddle_vlm.apps.image_search import Model
from paddle_vlm.errors import UsageError
from paddle_vlm.retrieval.encoder import SearchModel
from paddle_vlm.retrieval.scan import DECODED_SIDE, shrink
from paddle_vlm.vision.image import load_image

# The search model learnt from captions, where a label alone is unusual: several wordings are averaged.
TEMPLATES = ("{}", "一张{}的照片", "照片里有{}")


class ZeroShotClassifier:
    """Chooses among Chinese labels by the search model, as CLIP does (Radford et al. 2021).

    Args:
        labels: two or more different ones, such as ["猫", "狗", "汽车"].
        model: bundled search model or folder.
        encoder: in place of `model`.

    Raises UsageError for fewer than two labels, empty ones and repeated ones.
    """

    def __init__(
        self,
        labels: Sequence[str],
        model: str | Path = "search",
        device: str = "auto",
        encoder: Model | None = None,
    ) -> None:
        self.names = [label.strip() for label in labels]
        if len(self.names) < 2 or not all(self.names) or len(set(self.names)) < len(self.names):
            raise UsageError("请给出至少两个不同的标签,用逗号分开,例如:--labels 猫,狗,汽车。")
        self._model = encoder or SearchModel.load(model, device)
        texts = [template.format(label) for label in self.names for template in TEMPLATES]
        vectors = self._model.encode_texts(texts).reshape(len(self.names), len(TEMPLATES), -1).mean(1)
        self._vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def classify(self, source: str | Path | bytes | np.ndarray, k: int = 5, *, explain: bool = False) -> Classification:
        """The `k` most probable labels of one picture, given that one of all labels is right; as `Classifier.classify`.

        Raises BadImage, and UsageError with `explain`: there is no heat map.
        """
        if explain:
            raise UsageError("零样本分类没有热力图(--heatmap)。请去掉它,或改用训练所得的分类器。")
        original = load_image(source, at_least=DECODED_SIDE)
        vector = self._model.encode_images([shrink(original.rgb)])[0]
        matches = self._model.calibrate(self._vectors @ vector)  # each label by itself
        odds = matches / (1 - matches)
        scores = odds / odds.sum()
        order = np.argsort(-scores, kind="stable")[:k]
        return Classification(original, [Guess(self.names[i], float(scores[i])) for i in order])
