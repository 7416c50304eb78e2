"""Measures of how good predictions are."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np


def accuracy(labels: np.ndarray, predicted: np.ndarray) -> float:
    """Share of [N] predictions that are right; 0 for none."""
    return float(np.mean(labels == predicted)) if len(labels) else 0.0


def top_k_accuracy(labels: np.ndarray, scores: np.ndarray, k: int) -> float:
    """Share of rows of scores [N, K] whose k highest hold the label; 0 for none."""
    if not len(labels):
        return 0.0
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return float((best == labels[:, None]).any(1).mean())


def confusion_matrix(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """int64 [classes, classes]: how often each true class (row) was taken for each class (column)."""
    return np.bincount(labels * classes + predicted, minlength=classes * classes).reshape(classes, classes)


@dataclass(frozen=True)
class Scores:
    """Precision, recall and their harmonic mean, in 0..1; 0 where there is nothing to divide by."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def class_scores(matrix: np.ndarray) -> list[Scores]:
    """The scores of each class of a confusion matrix."""
    hits, predicted, true = np.diag(matrix), matrix.sum(0), matrix.sum(1)
    return [Scores(_share(h, p), _share(h, t)) for h, p, t in zip(hits, predicted, true, strict=True)]


def macro_f1(matrix: np.ndarray) -> float:
    """The mean F1 of the classes, rare ones counting as much as frequent ones."""
    return float(np.mean([scores.f1 for scores in class_scores(matrix)]))


Entity = tuple[int, int, str]  # start, end, kind


def entity_scores(gold: Sequence[Iterable[Entity]], predicted: Sequence[Iterable[Entity]]) -> Scores:
    """Over all sentences: an entity counts as found only with its exact ends and kind (CoNLL-2003's measure)."""
    hits = found = true = 0
    for wanted, given in zip(gold, predicted, strict=True):
        wanted, given = set(wanted), set(given)
        hits, found, true = hits + len(wanted & given), found + len(given), true + len(wanted)
    return Scores(_share(hits, found), _share(hits, true))


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else 0.0
