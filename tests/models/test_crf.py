"""The chain against trying all paths."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from paddle_vlm.models.crf import Chain, negative_log_likelihood, viterbi
from paddle_vlm.models.recurrence import Packing

LENGTHS, TAGS = np.array([4, 2, 1]), 3
PACKING = Packing.of(LENGTHS)


@pytest.fixture
def scores() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(LENGTHS.sum(), TAGS))


@pytest.fixture
def chain() -> Chain:
    generator = np.random.default_rng(1)
    return Chain(*(generator.normal(size=shape) for shape in (TAGS, TAGS, (TAGS, TAGS))))


def rows_of(sentence: int) -> list[int]:
    return [PACKING.steps[t].start + sentence for t in range(LENGTHS[sentence])]


def value(path: tuple[int, ...], rows: list[int], scores: np.ndarray, chain: Chain) -> float:
    between = sum(chain.transitions[a, b] for a, b in zip(path, path[1:], strict=False))
    return (
        chain.start[path[0]]
        + chain.end[path[-1]]
        + between
        + sum(scores[r, t] for r, t in zip(rows, path, strict=True))
    )


def test_viterbi_finds_the_path_that_trying_all_finds(scores, chain):
    found = viterbi(scores, PACKING, chain)
    for sentence in range(len(LENGTHS)):
        rows = rows_of(sentence)
        best = max(product(range(TAGS), repeat=len(rows)), key=lambda path: value(path, rows, scores, chain))
        assert tuple(found[rows]) == best


def test_likelihood_is_the_share_of_the_given_path_among_all(scores, chain):
    tags = np.random.default_rng(2).integers(0, TAGS, LENGTHS.sum())
    expected = 0.0
    for sentence in range(len(LENGTHS)):
        rows = rows_of(sentence)
        everything = [value(path, rows, scores, chain) for path in product(range(TAGS), repeat=len(rows))]
        expected += np.log(np.exp(everything).sum()) - value(tuple(tags[rows]), rows, scores, chain)
    assert negative_log_likelihood(scores, tags, PACKING, chain)[0] == pytest.approx(expected / len(LENGTHS))


def test_gradients_are_the_slopes(scores, chain):
    tags = np.random.default_rng(2).integers(0, TAGS, LENGTHS.sum())
    base, of_scores, of_chain = negative_log_likelihood(scores, tags, PACKING, chain)

    def slopes(array: np.ndarray, loss) -> np.ndarray:
        found = np.zeros_like(array)
        for place in np.ndindex(array.shape):
            moved = array.copy()
            moved[place] += 1e-6
            found[place] = (loss(moved) - base) / 1e-6
        return found

    assert np.allclose(
        of_scores, slopes(scores, lambda s: negative_log_likelihood(s, tags, PACKING, chain)[0]), atol=1e-4
    )
    for name in ("start", "end", "transitions"):
        moved = slopes(
            getattr(chain, name),
            lambda a, name=name: negative_log_likelihood(scores, tags, PACKING, replace(chain, **{name: a}))[0],
        )
        assert np.allclose(getattr(of_chain, name), moved, atol=1e-4)


def test_forbidden_transitions_of_a_trained_tagger_give_finite_numbers():
    """LAC-small holds transitions down to -72."""
    scores = np.random.default_rng(0).normal(size=(60, TAGS)).astype(np.float32)
    chain = Chain(*(np.full(shape, -72, np.float32) for shape in (TAGS, TAGS, (TAGS, TAGS))))
    loss, of_scores, of_chain = negative_log_likelihood(
        scores, np.zeros(60, np.int64), Packing.of(np.array([60])), chain
    )
    assert np.isfinite(loss) and np.isfinite(of_scores).all() and np.isfinite(of_chain.transitions).all()
