"""Beam search over a small chain of pieces whose best lines are known by trying all."""

from itertools import product

import numpy as np
import paddle
import pytest

from paddle_vlm.models.generation import search

START, END, PIECES, STEPS = 3, 0, 4, 4


def total(table: np.ndarray, pieces) -> float:
    """Log-probability of a line; table [STEPS, PIECES, PIECES]."""
    return sum(table[t, a, b] for t, (a, b) in enumerate(zip((START, *pieces), pieces, strict=False)))


def likeliest(scores: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    pieces = np.argsort(-scores, -1, kind="stable")[:, :count]
    return np.take_along_axis(scores, pieces, -1), pieces


class Chain:
    """The next piece depends on the line, the place and the last piece; the state knows which line a row belongs to."""

    def __init__(self, seed: int, lines: int) -> None:
        logits = paddle.to_tensor(np.random.default_rng(seed).normal(0, 1.5, (lines, STEPS, PIECES, PIECES)), "float32")
        self.table = paddle.nn.functional.log_softmax(logits, -1).numpy()
        self.rows = np.arange(lines)

    def step(self, last, state, position, count):
        return likeliest(self.table[self.rows, position, last], count)

    def reorder(self, rows):
        self.rows = self.rows[rows]

    def select(self, lines, rows):
        assert (self.rows[rows].reshape([len(lines), -1]) == np.unique(self.rows)[lines, None]).all()
        self.reorder(rows)

    def best(self, line: int, steps: int, penalty: float) -> list[int]:
        table = self.table[line]
        endings = [
            (*body, END) for n in range(steps) for body in product(range(1, PIECES), repeat=n)
        ] + list(product(range(1, PIECES), repeat=steps))  # fmt: skip

        def value(pieces):
            return total(table, pieces) / len(pieces) ** penalty

        return [piece for piece in max(endings, key=value) if piece != END]


def run(chain: Chain, lines: int, **options):
    return search(chain.step, chain, lines, start=START, end=END, max_steps=STEPS, **options)


@pytest.mark.parametrize("seed", range(5))
def test_a_wide_beam_finds_the_best_line_of_all(seed):
    chain = Chain(seed, lines=3)
    expected = [Chain(seed, 3).best(line, STEPS, 0.0) for line in range(3)]
    assert [h.pieces for h in run(chain, 3, beam=2 * PIECES**2, length_penalty=0.0)] == expected


def test_beam_one_takes_the_most_probable_piece_each_time():
    chain = Chain(1, lines=4)
    for line, hypothesis in enumerate(run(chain, 4)):
        piece, expected = START, []
        for position in range(STEPS):
            piece = int(Chain(1, 4).table[line, position, piece].argmax())
            if piece == END:
                break
            expected.append(piece)
        assert hypothesis.pieces == expected


def test_the_score_is_the_mean_log_probability_with_the_end():
    chain = Chain(2, lines=1)
    found = run(chain, 1)[0]
    pieces = [*found.pieces, END] if len(found.pieces) < STEPS else found.pieces
    assert found.score == pytest.approx(total(Chain(2, 1).table[0], pieces) / len(pieces), abs=1e-5)


@pytest.mark.parametrize("beam", [1, 2])
def test_no_n_gram_is_written_twice_when_forbidden(beam):
    class Stutterer(Chain):
        def step(self, last, state, position, count):
            scores = np.full((len(last), PIECES), -5.0)
            scores[:, 1] = 0.0  # always the same piece
            scores[:, 2] = -1.0
            return likeliest(scores, count)

    chain = Stutterer(0, lines=1)
    assert run(chain, 1, beam=beam)[0].pieces == [1, 1, 1, 1]
    free = run(Stutterer(0, lines=1), 1, beam=beam, no_repeat=2)[0].pieces
    grams = list(zip(free, free[1:], strict=False))
    assert len(grams) == len(set(grams)) and len(free) == 4
