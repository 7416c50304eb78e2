"""The recurrence of a GRU over sentences of different lengths, in numpy, with its gradient: no step is padding.

Step by step, paddle needs a millisecond for what is a few small products (twelve operators, each with its overhead);
numpy needs a quarter of that, and two threads can run it side by side.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Packing:
    """Sentences, longest first, as one table of N characters: all first ones, then all second ones, and so on.

    As torch's `PackedSequence`. A step is a run of rows, one for each sentence that is long enough.
    """

    order: np.ndarray  # [B] sentences from the longest to the shortest
    counts: np.ndarray  # [T] rows of each step, never increasing

    @classmethod
    def of(cls, lengths: np.ndarray) -> "Packing":
        """For sentences of these lengths, int64 [B], all above 0."""
        return cls(np.argsort(-lengths, kind="stable"), (lengths > np.arange(lengths.max())[:, None]).sum(1))

    @cached_property
    def steps(self) -> list[slice]:
        """The rows of each step."""
        ends = np.cumsum(self.counts).tolist()
        return [slice(end - count, end) for end, count in zip(ends, self.counts.tolist(), strict=True)]

    @cached_property
    def neighbours(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows of characters and of those that follow them in their sentences, two arrays [N - B]."""
        later = np.arange(self.counts[0], self.counts.sum())
        return later - np.repeat(self.counts[:-1], self.counts[1:]), later

    @cached_property
    def lengths(self) -> np.ndarray:
        """Characters of each sentence, [B], the longest sentence first."""
        return (self.counts[:, None] > np.arange(self.counts[0])).sum(0)

    @cached_property
    def last(self) -> np.ndarray:
        """The row of each sentence's last character, [B], the longest sentence first."""
        return (np.cumsum(self.counts) - self.counts)[self.lengths - 1] + np.arange(self.counts[0])

    @cached_property
    def positions(self) -> np.ndarray:
        """Where the rows lie in a padded table [B * T] of the sentences in their own order, int64 [N]."""
        steps = len(self.counts)
        return np.concatenate([self.order[:count] * steps + t for t, count in enumerate(self.counts)])


def run(
    z: np.ndarray, gates: np.ndarray, candidate: np.ndarray, packing: Packing, backwards: bool
) -> tuple[np.ndarray, np.ndarray]:
    """z [N, 3H] (update, reset, candidate), gates [H, 2H], candidate [H, H] -> states [N, H], activations [N, 3H].

    The reset gate works on the state before its product (Cho et al. 2014). The activations overwrite `z`.
    """
    hidden = candidate.shape[0]
    state = np.zeros((packing.counts[0], hidden), np.float32)
    states = np.empty((len(z), hidden), np.float32)
    for rows in reversed(packing.steps) if backwards else packing.steps:
        now = state[: rows.stop - rows.start]  # the others have not begun (backwards) or have ended (forwards)
        both, new = z[rows, : 2 * hidden], z[rows, 2 * hidden :]
        both += now @ gates
        _sigmoid(both)
        new += (both[:, hidden:] * now) @ candidate
        np.tanh(new, out=new)
        now += both[:, :hidden] * (new - now)
        states[rows] = now
    return states, z


def _sigmoid(x: np.ndarray) -> None:
    """In place. Far below zero exp overflows to infinity, of which the reciprocal is the right 0."""
    np.negative(x, out=x)
    with np.errstate(over="ignore"):
        np.exp(x, out=x)
    x += 1
    np.reciprocal(x, out=x)


def gradient(
    grown: np.ndarray, states: np.ndarray, activations: np.ndarray, gates: np.ndarray, candidate: np.ndarray,
    packing: Packing, backwards: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Gradients of z [N, 3H], gates and candidate, from that of the states, `grown` [N, H]."""
    hidden = candidate.shape[0]
    earlier, later = reversed(packing.neighbours) if backwards else packing.neighbours
    before = np.zeros_like(states)
    before[later] = states[earlier]
    update, reset, new = (activations[:, n * hidden : (n + 1) * hidden] for n in range(3))
    dz = np.empty_like(activations)
    # What a step's gradient is multiplied with is known for all steps at once; the loop keeps only what hangs together.
    to_update, to_new = (new - before) * update * (1 - update), update * (1 - new * new)
    to_reset = before * reset * (1 - reset)
    from_gates, from_candidate = np.ascontiguousarray(gates.T), np.ascontiguousarray(candidate.T)
    carried = np.zeros((packing.counts[0], hidden), np.float32)
    for rows in packing.steps if backwards else reversed(packing.steps):
        now = carried[: rows.stop - rows.start]
        now += grown[rows]
        dz[rows, :hidden] = now * to_update[rows]
        dz[rows, 2 * hidden :] = now * to_new[rows]
        back = dz[rows, 2 * hidden :] @ from_candidate
        dz[rows, hidden : 2 * hidden] = back * to_reset[rows]
        now *= 1 - update[rows]
        now += back * reset[rows]
        now += dz[rows, : 2 * hidden] @ from_gates
    return dz, before.T @ dz[:, : 2 * hidden], (reset * before).T @ dz[:, 2 * hidden :]
