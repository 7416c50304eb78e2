"""Folds are complete, disjoint and balanced; the summary is a textbook mean and deviation."""

import numpy as np
import pytest

from paddle_vlm.errors import UsageError
from paddle_vlm.training.crossval import Summary, kfold, stratified_kfold


def test_every_example_is_held_out_once():
    folds = list(kfold(11, 4))
    assert sorted(np.concatenate([valid for _, valid in folds])) == list(range(11))
    for train, valid in folds:
        assert sorted([*train, *valid]) == list(range(11))
        assert len(valid) in (2, 3)


def test_strata_are_spread_evenly_and_sizes_stay_equal():
    labels = np.repeat([0, 1, 2], [7, 5, 6])
    counts = [np.bincount(labels[valid], minlength=3) for _, valid in stratified_kfold(labels, 3, seed=5)]
    assert np.ptp(counts, axis=0).max() <= 1
    assert {count.sum() for count in counts} == {6}


def test_the_seed_chooses_the_folds():
    first, again, other = ([valid.tolist() for _, valid in kfold(20, 2, seed)] for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize(("labels", "folds", "message"), [
    ([0, 0, 1], 2, "最少的一类只有 1 个"), ([0, 1], 1, "至少要 2 折"), ([], 2, "只有 0 个"),
])  # fmt: skip
def test_impossible_folds_are_explained(labels, folds, message):
    with pytest.raises(UsageError, match=message):
        list(stratified_kfold(np.array(labels, np.int64), folds))


def test_the_summary_has_a_row_a_fold_then_mean_and_deviation():
    summary = Summary([{"accuracy": 0.6}, {"accuracy": 0.8}])
    assert summary.mean == pytest.approx({"accuracy": 0.7})
    assert summary.deviation == pytest.approx({"accuracy": 0.02**0.5})
    assert summary.table().splitlines() == [
        "| 折 | accuracy |", "|---|---|",
        "| 1 | 0.6000 |", "| 2 | 0.8000 |", "| 平均 | 0.7000 |", "| 标准差 | 0.1414 |",
    ]  # fmt: skip
