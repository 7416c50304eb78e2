"""Which class a text belongs to: sentiment, topic, or what a user has trained."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import paddle
from paddle.nn import functional as F

from paddle_vlm.config import build_config
from paddle_vlm.errors import BadConfig, MissingWeights
from paddle_vlm.files import write_json
from paddle_vlm.models.text_classifier import TextClassifier, TextClassifierConfig
from paddle_vlm.models.weights_file import load_weights, read_tensors, write_tensors
from paddle_vlm.text.tokenizer import PADDING, Tokenizer
from paddle_vlm.weights import fetch

SETTINGS, WEIGHTS = "config.json", "model.safetensors"


@dataclass
class ClassifierSettings:
    """What config.json holds beside the vocabulary."""

    labels: list[str]
    longest: int  # words and characters of a text that are read
    model: TextClassifierConfig


@dataclass(frozen=True)
class Classified:
    """The most probable class and the probability of each."""

    label: str
    probabilities: dict[str, float]

    @property
    def probability(self) -> float:
        return self.probabilities[self.label]


class Classifier:
    """A trained text classifier."""

    def __init__(self, network: TextClassifier, tokenizer: Tokenizer, settings: ClassifierSettings) -> None:
        self.network, self.tokenizer, self.settings = network, tokenizer, settings

    @classmethod
    def load(cls, weights: str | Path) -> "Classifier":
        """The model of a name ("sentiment", "topic") or of a folder that `training.text_classify` has left.

        Raises MissingWeights.
        """
        folder = fetch(weights)
        path = folder / SETTINGS
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            tokenizer = Tokenizer(stored.pop("vocabulary"))
            settings = build_config(ClassifierSettings, stored, str(path))
        except (OSError, ValueError, LookupError, BadConfig) as error:
            raise MissingWeights(
                f"{folder} 不是文本分类模型:无法读取 {SETTINGS}({error})。请指定训练所得的 model 文件夹。"
            ) from error
        network = TextClassifier(settings.model, len(tokenizer.vocabulary), len(settings.labels))
        load_weights(network, folder / WEIGHTS)
        network.eval()
        return cls(network, tokenizer, settings)

    def save(self, folder: Path, weights: Path) -> None:
        """Write the model with the given trained weights, halved in size (fp16). Raises OutputError."""
        tensors, notes = read_tensors(weights)
        write_tensors({k: v.astype(np.float16) for k, v in tensors.items()}, folder / WEIGHTS, notes)
        write_json(folder / SETTINGS, dataclasses.asdict(self.settings) | {"vocabulary": self.tokenizer.vocabulary})

    def classify(self, texts: Sequence[str], batch: int = 64) -> list[Classified]:
        """The class of each text; a text without words gets what the model thinks of nothing."""
        words = [self.tokenizer.encode(text, self.settings.longest) for text in texts]
        rows = self.scores_of(words, batch)
        found = [dict(zip(self.settings.labels, row.tolist(), strict=True)) for row in rows]
        return [Classified(max(each, key=each.__getitem__), each) for each in found]

    @paddle.no_grad()
    def scores_of(self, words: Sequence[Sequence[int]], batch: int = 64) -> np.ndarray:
        """Word numbers of each text -> probabilities float32 [N, classes]."""
        scores = np.zeros((len(words), len(self.settings.labels)), np.float32)
        order = sorted(range(len(words)), key=lambda i: len(words[i]))
        for first in range(0, len(order), batch):
            chosen = order[first : first + batch]
            logits = self.network(paddle.to_tensor(padded([words[i] for i in chosen])))
            scores[chosen] = F.softmax(logits, -1).numpy()
        return scores


def padded(words: Sequence[Sequence[int]]) -> np.ndarray:
    """int64 [B, T]: the longest text's length, at least 1."""
    table = np.full((len(words), max(1, *map(len, words))), PADDING, np.int64)
    for row, numbers in zip(table, words, strict=True):
        row[: len(numbers)] = numbers
    return table
