"""k-fold cross-validation: who is held out when, and what the folds say together."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from paddle_vlm.errors import UsageError

Fold = tuple[np.ndarray, np.ndarray]  # numbers of the examples to train on and to validate on, int64


def kfold(examples: int, folds: int, seed: int = 0) -> Iterator[Fold]:
    """Hold out every example once, in `folds` random parts whose sizes differ by one at most. Raises UsageError."""
    yield from stratified_kfold(np.zeros(examples, np.int64), folds, seed)


def stratified_kfold(labels: np.ndarray, folds: int, seed: int = 0) -> Iterator[Fold]:
    """The same, with each class of labels [N] spread evenly over the parts. Raises UsageError."""
    if folds < 2:
        raise UsageError(f"交叉验证至少要 2 折,不能是 {folds}。")
    kinds, counts = np.unique(labels, return_counts=True)
    if not len(kinds) or counts.min() < folds:
        fewest = int(counts.min()) if len(kinds) else 0
        raise UsageError(
            f"{folds} 折交叉验证要求每类至少 {folds} 个样本,最少的一类只有 {fewest} 个。请减少折数或补充数据。"
        )
    rng = np.random.default_rng(seed)
    part = np.empty(len(labels), np.int64)
    dealt = 0  # going on where the class before stopped keeps the parts' sizes equal
    for kind in kinds:
        members = rng.permutation(np.flatnonzero(labels == kind))
        part[members] = (dealt + np.arange(len(members))) % folds
        dealt += len(members)
    for number in range(folds):
        yield np.flatnonzero(part != number), np.flatnonzero(part == number)


@dataclass(frozen=True)
class Summary:
    """The metrics of each fold."""

    folds: Sequence[Mapping[str, float]]

    @property
    def mean(self) -> dict[str, float]:
        return {name: statistics.fmean(fold[name] for fold in self.folds) for name in self.folds[0]}

    @property
    def deviation(self) -> dict[str, float]:
        """The sample standard deviation, with folds - 1 below the fraction line."""
        return {name: statistics.stdev(fold[name] for fold in self.folds) for name in self.folds[0]}

    def table(self) -> str:
        """Markdown: a fold a row, then mean and standard deviation."""
        names = list(self.folds[0])
        rows = [(str(number), fold) for number, fold in enumerate(self.folds, 1)]
        rows += [("平均", self.mean), ("标准差", self.deviation)]
        lines = [f"| 折 | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
        lines += [f"| {label} | {' | '.join(f'{values[name]:.4f}' for name in names)} |" for label, values in rows]
        return "\n".join(lines)
