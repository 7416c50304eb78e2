"""How probable it is that a translation is acceptable: logistic functions of a few features of held-out lines."""

import json
import logging
import math
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from paddle_vlm.text.han import HAN
from paddle_vlm.translation.literal import Literal
from paddle_vlm.translation.network import Draft

log = logging.getLogger(__name__)

_WORD = re.compile(r"[a-z0-9']+")
# Of the weights bundled first; benchmarks/translator_confidence.py writes those of other weights into config.json.
_DEFAULT_MODEL = {"bias": 0.5, "log_probability": 1.5, "agreement": 1.5, "repetition": -3.0}
_DEFAULT_DICTIONARY = {"bias": -0.5, "known": 1.0, "length": -0.5, "agreement": 1.0}


@dataclass(frozen=True)
class Confidence:
    """Weights of the features, by name; "bias" is the constant."""

    model: dict[str, float] = field(default_factory=lambda: dict(_DEFAULT_MODEL))
    dictionary: dict[str, float] = field(default_factory=lambda: dict(_DEFAULT_DICTIONARY))
    choice: dict[str, float] | None = None  # between the two; without it the likelier acceptable one is taken

    @classmethod
    def load(cls, folder: Path) -> "Confidence":
        """From "confidence" in the folder's config.json; defaults, with a warning, where that is missing."""
        stored = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("confidence")
        if not stored:
            log.warning("%s 中没有校准过的置信度参数,改用默认值。", folder / "config.json")
            return cls()
        return cls(stored["model"], stored["dictionary"], stored.get("choice"))

    def of_model(self, line: str, draft: Draft, literal: Literal) -> float:
        """Probability that what the network wrote for the line is acceptable."""
        return _probability(self.model, model_features(line, draft, literal))

    def of_dictionary(self, line: str, draft: Draft, literal: Literal) -> float:
        """Probability that the words in order are acceptable."""
        return _probability(self.dictionary, dictionary_features(line, draft, literal))

    def prefers_model(self, line: str, draft: Draft, literal: Literal, phrase: bool) -> bool:
        """Whether the network's draft is probably the better of the two; `phrase`: a dictionary has the whole line."""
        if self.choice is None:
            return self.of_model(line, draft, literal) >= self.of_dictionary(line, draft, literal)
        return _probability(self.choice, choice_features(line, draft, literal, phrase)) >= 0.5


def model_features(line: str, draft: Draft, literal: Literal) -> dict[str, float]:
    """What is known about a draft without its reference."""
    words = _WORD.findall(draft.text.lower())
    characters = max(1, len(HAN.findall(line)))
    return {
        "log_probability": max(-5.0, draft.confidence),
        "repetition": 1 - len(set(words)) / len(words) if words else 1.0,
        "length": math.log(characters),
        "stretch": abs(math.log((len(words) + 1) / (characters / 1.8 + 1))),
        "agreement": agreement(draft.text, literal.text),
    }


def dictionary_features(line: str, draft: Draft, literal: Literal) -> dict[str, float]:
    """What is known about a literal rendering; `draft` is the network's view of the same line."""
    return {
        "known": literal.known,
        "length": math.log(max(1, len(HAN.findall(line)))),
        "words": math.log(max(1, literal.words)),
        "agreement": agreement(draft.text, literal.text),
        "log_probability": max(-5.0, draft.confidence),
    }


def choice_features(line: str, draft: Draft, literal: Literal, phrase: bool) -> dict[str, float]:
    """All that is known about both; `phrase`: a dictionary has the whole line."""
    both = model_features(line, draft, literal) | dictionary_features(line, draft, literal)
    return both | {"phrase": float(phrase)}


def agreement(a: str, b: str) -> float:
    """Words that two texts share, as an F1 in 0..1."""
    first, second = (Counter(_WORD.findall(text.lower())) for text in (a, b))
    total = first.total() + second.total()
    return 2 * (first & second).total() / total if total else 0.0


def _probability(weights: dict[str, float], features: dict[str, float]) -> float:
    total = weights["bias"] + sum(weights.get(name, 0.0) * value for name, value in features.items())
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, total))))
