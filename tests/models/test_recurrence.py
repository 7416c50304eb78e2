"""The recurrence against a step-by-step one that paddle differentiates."""

import numpy as np
import paddle
import pytest
from paddle.nn import functional as F

from paddle_vlm.models.recurrence import Packing, gradient, run

LENGTHS = np.array([3, 7, 1, 7])
HIDDEN = 5


@pytest.fixture
def numbers() -> list[np.ndarray]:
    """Packed inputs of the gates, the two recurrent matrices, and weights for the states to be summed with."""
    generator = np.random.default_rng(0)
    shapes = [(LENGTHS.sum(), 3 * HIDDEN), (HIDDEN, 2 * HIDDEN), (HIDDEN, HIDDEN), (LENGTHS.sum(), HIDDEN)]
    return [generator.normal(size=shape).astype(np.float32) for shape in shapes]


def sentence_by_sentence(z, gates, candidate, packing: Packing, backwards: bool):
    """States, packed, from one sentence at a time."""
    states = {}
    for number, length in enumerate(packing.lengths):
        rows = [int(packing.steps[t].start) + number for t in range(length)]
        state = paddle.zeros([1, HIDDEN])
        for row in reversed(rows) if backwards else rows:
            both = F.sigmoid(z[row : row + 1, : 2 * HIDDEN] + state @ gates)
            update, reset = both[:, :HIDDEN], both[:, HIDDEN:]
            new = paddle.tanh(z[row : row + 1, 2 * HIDDEN :] + (reset * state) @ candidate)
            state = (1 - update) * state + update * new
            states[row] = state
    return paddle.concat([states[row] for row in sorted(states)])


def test_packed_rows_are_the_characters_in_order_of_their_place():
    packing = Packing.of(np.array([1, 3, 2]))
    assert packing.order.tolist() == [1, 2, 0]
    assert packing.counts.tolist() == [3, 2, 1]
    assert packing.lengths.tolist() == [3, 2, 1]
    padded = np.array([list("x.."), list("abc"), list("uv.")])
    assert "".join(padded.reshape(-1)[packing.positions]) == "auxbvc"
    assert packing.last.tolist() == [5, 4, 2]
    earlier, later = packing.neighbours
    assert list(zip(earlier.tolist(), later.tolist(), strict=True)) == [(0, 3), (1, 4), (3, 5)]


@pytest.mark.parametrize("backwards", [False, True])
def test_states_and_gradients_are_those_of_the_plain_recurrence(numbers, backwards):
    packing = Packing.of(LENGTHS)
    tensors = [paddle.to_tensor(array, stop_gradient=False) for array in numbers[:3]]
    wanted = sentence_by_sentence(*tensors, packing, backwards)
    (wanted * paddle.to_tensor(numbers[3])).sum().backward()

    z, gates, candidate, weights = numbers
    states, activations = run(z.copy(), gates, candidate, packing, backwards)
    found = gradient(weights, states, activations, gates, candidate, packing, backwards)

    assert np.allclose(states, wanted.numpy(), atol=1e-5)
    for mine, tensor in zip(found, tensors, strict=True):
        assert np.allclose(mine, tensor.grad.numpy(), atol=1e-4)


def test_gates_far_from_zero_neither_overflow_nor_warn(recwarn):
    packing = Packing.of(np.array([2]))
    z = np.tile(np.repeat(np.array([-500, 500, 500], np.float32), HIDDEN), (2, 1))
    states, _ = run(
        z, np.zeros((HIDDEN, 2 * HIDDEN), np.float32), np.zeros((HIDDEN, HIDDEN), np.float32), packing, False
    )
    assert (states == 0).all()  # a shut update gate keeps the zero state
    assert not recwarn.list
