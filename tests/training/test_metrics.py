"""Measures against counts by hand."""

import numpy as np
import pytest

from paddle_vlm.training.metrics import (
    Scores,
    accuracy,
    class_scores,
    confusion_matrix,
    entity_scores,
    macro_f1,
    top_k_accuracy,
)

LABELS, PREDICTED = np.array([0, 0, 1, 1, 2]), np.array([0, 1, 1, 1, 0])


def test_accuracy_is_the_share_of_hits():
    assert accuracy(LABELS, PREDICTED) == pytest.approx(3 / 5)
    assert accuracy(LABELS[:0], PREDICTED[:0]) == 0


def test_the_confusion_matrix_counts_true_rows_and_predicted_columns():
    assert confusion_matrix(LABELS, PREDICTED, 3).tolist() == [[1, 1, 0], [0, 2, 0], [1, 0, 0]]


def test_scores_of_each_class_and_their_mean():
    matrix = confusion_matrix(LABELS, PREDICTED, 3)
    first, second, third = class_scores(matrix)
    assert (first.precision, first.recall, first.f1) == pytest.approx((1 / 2, 1 / 2, 1 / 2))
    assert (second.precision, second.recall, second.f1) == pytest.approx((2 / 3, 1, 0.8))
    assert third == Scores(0, 0)
    assert macro_f1(matrix) == pytest.approx(1.3 / 3)


def test_top_k_looks_among_the_k_highest():
    scores = np.array([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]])
    labels = np.array([1, 0])
    assert [top_k_accuracy(labels, scores, k) for k in (1, 2, 3)] == [0, 0.5, 1]


def test_an_entity_counts_only_with_exact_ends_and_kind():
    gold = [[(0, 2, "PER"), (5, 7, "LOC")], [(1, 3, "ORG")]]
    predicted = [[(0, 2, "PER"), (5, 8, "LOC")], [(1, 3, "LOC")]]
    found = entity_scores(gold, predicted)
    assert (found.precision, found.recall) == pytest.approx((1 / 3, 1 / 3))
    assert entity_scores([[]], [[]]).f1 == 0
