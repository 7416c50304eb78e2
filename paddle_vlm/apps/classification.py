"""What is in a picture: the classes of a trained network, and where it saw them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import paddle

from paddle_vlm.data.images import fit_square
from paddle_vlm.models.classifier import SETTINGS, WEIGHTS, ImageClassifier, to_input
from paddle_vlm.models.grad_cam import grad_cam
from paddle_vlm.vision.image import LoadedImage, load_image, save_image
from paddle_vlm.weights import fetch


@dataclass(frozen=True)
class Guess:
    """A class and its probability according to the network."""

    label: str
    score: float


@dataclass
class Classification:
    """The most probable classes of a picture, best first.

    Attributes:
        heat: float32 [S, S] in 0..1, what spoke for the first class in the picture's middle square; None unless asked
            for.
    """

    original: LoadedImage
    guesses: list[Guess]
    heat: np.ndarray | None = None

    @property
    def label(self) -> str:
        return self.guesses[0].label

    @property
    def score(self) -> float:
        return self.guesses[0].score

    def to_dict(self) -> dict[str, Any]:
        """For JSON: the picture and its classes."""
        return {
            "image": str(self.original.path) if self.original.path else None,
            "classes": [{"label": guess.label, "score": round(guess.score, 4)} for guess in self.guesses],
        }

    @property
    def heatmap(self) -> np.ndarray:
        """The picture with what spoke for the first class in red, uint8 RGB; what the network did not see is darker.

        Raises ValueError when the classification was made without `explain`.
        """
        if self.heat is None:
            raise ValueError("classify(..., explain=True) makes the heat map")
        rgb = self.original.rgb
        height, width = rgb.shape[:2]
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        heat = np.clip(cv2.resize(self.heat, (side, side), interpolation=cv2.INTER_CUBIC), 0, 1)
        colours = cv2.applyColorMap((255 * heat).astype(np.uint8), cv2.COLORMAP_JET)[..., ::-1]
        seen = rgb[top : top + side, left : left + side]
        share = 0.2 + 0.4 * heat[..., None]
        drawn = rgb // 3
        drawn[top : top + side, left : left + side] = (1 - share) * seen + share * colours
        return drawn

    def save(self, path: str | Path) -> Path:
        """Write `heatmap`. Raises OutputError."""
        return save_image(self.heatmap, like=self.original, path=path)


class Classifier:
    """A trained classifier, loaded once.

    Args:
        model: a folder that training left behind: the run's or the `model` folder in it. Unless given, the network
            that the package carries, which knows the ten classes of CIFAR-10.

    Raises MissingWeights.
    """

    def __init__(self, model: str | Path = "classifier") -> None:
        folder = fetch(model)
        home = folder if (folder / SETTINGS).is_file() else folder / "model"
        best = folder / "best" / WEIGHTS  # of a run that has not ended yet
        self._model = ImageClassifier.load(home, best if best.is_file() and not (home / WEIGHTS).is_file() else None)

    @property
    def names(self) -> list[str]:
        """The classes that it knows."""
        return self._model.config.shown or self._model.config.names

    def classify(self, source: str | Path | bytes | np.ndarray, k: int = 5, *, explain: bool = False) -> Classification:
        """The `k` most probable classes of one picture; the network sees its middle square.

        Args:
            source: what `load_image` takes.
            explain: also find out where the first class was seen.

        Raises BadImage.
        """
        original = load_image(source)
        pixels = fit_square(original.rgb, self._model.config.size)[None]
        scores = self._model.probabilities(pixels)[0]
        order = np.argsort(-scores, kind="stable")[:k]
        guesses = [Guess(self.names[i], float(scores[i])) for i in order]
        heat = grad_cam(self._model, paddle.to_tensor(to_input(pixels)), int(order[0])) if explain else None
        return Classification(original, guesses, heat)
