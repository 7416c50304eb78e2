"""A trained classifier for many pictures at once, through Paddle Inference."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from paddle.static import InputSpec

from paddle_vlm import runtime
from paddle_vlm.data.images import fit_square
from paddle_vlm.errors import PaddleVLMError
from paddle_vlm.inference.cache import exported
from paddle_vlm.inference.export import export
from paddle_vlm.inference.predictor import Predictor
from paddle_vlm.models.classifier import SETTINGS, ImageClassifier, PixelClassifier
from paddle_vlm.vision.image import load_image
from paddle_vlm.weights import fetch

_PROGRAM = "classifier"
_MOST = 16  # pictures at once: as many shapes as oneDNN remembers, and more are no faster


class BatchClassifier:
    """As apps.classification.Classifier, for batches.

    Args:
        model: bundled name or a trained model's folder.
        pixels: larger pictures are refused.

    Raises MissingWeights.
    """

    def __init__(self, model: str | Path, device: str, pixels: int) -> None:
        folder = fetch(model)
        home = folder if (folder / SETTINGS).is_file() else folder / "model"
        network = ImageClassifier.load(home)  # also where the export is there already: it checks the weights
        self.names = network.config.shown or network.config.names
        self._size, self._pixels = network.config.size, pixels
        spec = InputSpec([None, self._size, self._size, 3], "uint8", "pixels")
        root = exported(home, _PROGRAM, lambda target: export(PixelClassifier(network), [spec], target / _PROGRAM))
        self._predictor = Predictor(root / _PROGRAM, device)

    def classify(self, pictures: Sequence[bytes], ks: Sequence[int]) -> list[Any]:
        """For each encoded picture its `k` most probable classes, or the error of reading it."""
        outcomes: list[Any] = runtime.parallel_map(self._decode, pictures)
        good = [number for number, outcome in enumerate(outcomes) if isinstance(outcome, np.ndarray)]
        if not good:
            return outcomes
        for number, scores in zip(good, self._probabilities(np.stack([outcomes[n] for n in good])), strict=True):
            best = np.argsort(-scores, kind="stable")[: ks[number]]
            guesses = [{"label": self.names[i], "score": round(float(scores[i]), 4)} for i in best]
            outcomes[number] = {"classes": guesses}
        return outcomes

    def probe(self, thorough: bool = False) -> None:
        """Classify nothing once, or once in every size of batch."""
        for count in range(1, _MOST + 1 if thorough else 2):
            self._probabilities(np.zeros((count, self._size, self._size, 3), np.uint8))

    def _probabilities(self, pixels: np.ndarray) -> np.ndarray:
        """uint8 [N, size, size, 3] -> [N, classes]."""
        parts = [self._predictor.run(pixels[first : first + _MOST])[0] for first in range(0, len(pixels), _MOST)]
        return np.concatenate(parts)

    def _decode(self, data: bytes) -> Any:
        """The middle square, uint8 [size, size, 3]. A large JPEG is decoded at a fraction of its size."""
        try:
            image = load_image(data, max_pixels=self._pixels, at_least=4 * self._size)
        except PaddleVLMError as error:
            return error
        return fit_square(image.rgb, self._size)
