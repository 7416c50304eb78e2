"""Batched beam search over any decoder with a step function (Wu et al. 2016; n-grams: Paulus et al. 2018)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np


class State(Protocol):
    """A decoder's cache: what it keeps of the unfinished lines, and a row for each of their beams, line by line."""

    def reorder(self, rows: np.ndarray) -> None:
        """The beams of a line go on from these rows; there may be more or fewer beams than before."""

    def select(self, lines: np.ndarray, rows: np.ndarray) -> None:
        """Keep these lines, whose beams go on from these rows."""


class Step(Protocol):
    def __call__(self, last: np.ndarray, state: Any, position: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        """last [N] pieces -> log-probabilities and pieces of the `count` likeliest next ones, [N, count] each."""
        ...


@dataclass(frozen=True)
class Hypothesis:
    """One written line."""

    pieces: list[int]  # without the end
    score: float  # mean log-probability of a piece, the end included


@dataclass
class _Line:
    """The beams of one source line: (sum of log-probabilities, pieces), best first."""

    beams: list[tuple[float, list[int]]]
    finished: list[tuple[float, Hypothesis]] = field(default_factory=list)

    def advance(self, scores: np.ndarray, pieces: np.ndarray, *, end: int, penalty: float, last: bool) -> list[int]:
        """scores and pieces [beams, candidates] -> for each new beam, which of the old ones it goes on from."""
        width = len(self.beams)
        totals = (np.array([total for total, _ in self.beams])[:, None] + scores).ravel()
        old, origins = self.beams, []
        self.beams = []
        # Of 2 * width candidates at most one per beam ends, so that `width` beams always go on.
        for rank, index in enumerate(np.argsort(-totals, kind="stable")[: 2 * width].tolist()):
            origin, total = index // scores.shape[1], float(totals[index])
            piece = int(pieces[origin, index % scores.shape[1]])
            if piece == end or last:
                if rank < width:
                    self._finish(total, [*old[origin][1], piece], end, penalty)
            elif len(self.beams) < width:
                self.beams.append((total, [*old[origin][1], piece]))
                origins.append(origin)
        return origins

    def _finish(self, total: float, pieces: list[int], end: int, penalty: float) -> None:
        length = len(pieces)
        text = pieces[:-1] if pieces[-1] == end else pieces
        self.finished.append((total / length**penalty, Hypothesis(text, total / length)))

    def done(self, penalty: float, width: int) -> bool:
        """True when `width` lines are finished that no running beam beats at its present length.

        The rule of Hugging Face's generate with early_stopping=False.
        """
        if not self.beams:
            return True
        if len(self.finished) < width:
            return False
        worst = sorted(score for score, _ in self.finished)[-width]
        total, pieces = self.beams[0]
        return worst >= total / max(1, len(pieces)) ** penalty

    def best(self) -> Hypothesis:
        return max(self.finished, key=lambda pair: pair[0])[1]


def search(
    step: Step,
    state: State,
    lines: int,
    *,
    start: int,
    end: int,
    max_steps: int,
    beam: int = 1,
    length_penalty: float = 1.0,
    no_repeat: int = 0,
) -> list[Hypothesis]:
    """The best hypothesis for each of `lines` rows of `state`; beam 1 is greedy.

    `no_repeat` forbids writing the same n pieces twice (0 allows it). A sum of log-probabilities is divided by
    length ** `length_penalty`: the higher, the longer the lines.
    """
    found = [_Line([(0.0 if rank == 0 else -np.inf, []) for rank in range(beam)]) for _ in range(lines)]
    alive = list(found)  # the lines that `state` holds, `beam` rows each; some may be done
    last = np.full(lines, start, np.int64)
    for position in range(max_steps):
        banned = _banned([pieces for line in alive for _, pieces in line.beams], no_repeat)
        spare = max((len(row) for row in banned), default=0)
        values, pieces = step(last, state, position, 2 * beam + spare)
        if position == 0 and beam > 1:  # all beams of a line begin alike: one row has served them
            same = np.repeat(np.arange(lines), beam)
            values, pieces, last = values[same], pieces[same], last[same]
            state.reorder(same)
        values, pieces = _allowed(values, pieces, 2 * beam, banned)
        rows, final = np.arange(len(last)), position == max_steps - 1
        for i, line in enumerate(alive):
            part = slice(i * beam, (i + 1) * beam)
            if line.done(length_penalty, beam):
                continue
            origins = line.advance(values[part], pieces[part], end=end, penalty=length_penalty, last=final)
            rows[part][: len(origins)] = np.array(origins, np.int64) + i * beam
            last[part][: len(origins)] = [written[-1] for _, written in line.beams]
        running = [i for i, line in enumerate(alive) if not line.done(length_penalty, beam)]
        if not running:
            break
        if len(running) <= 0.75 * len(alive):
            kept = (np.array(running)[:, None] * beam + np.arange(beam)).ravel()
            state.select(np.array(running), rows[kept])
            alive, last = [alive[i] for i in running], last[kept]
        elif beam > 1:
            state.reorder(rows)
    return [line.best() for line in found]


def _allowed(
    values: np.ndarray, pieces: np.ndarray, count: int, banned: Sequence[set[int]]
) -> tuple[np.ndarray, np.ndarray]:
    """The `count` best of each row's candidates that are not banned."""
    for row, forbidden in enumerate(banned):
        if forbidden:
            values[row] = np.where(np.isin(pieces[row], list(forbidden)), -np.inf, values[row])
    order = np.argsort(-values, -1, kind="stable")[:, :count]
    return np.take_along_axis(values, order, -1), np.take_along_axis(pieces, order, -1)


def _banned(written: Sequence[list[int]], size: int) -> list[set[int]]:
    """For each row the pieces that would repeat an n-gram of `size`."""
    if not size:
        return []
    found = []
    for row in written:
        tail = row[len(row) - size + 1 :] if size > 1 else []
        grams = range(len(row) - size + 1)
        found.append({row[i + size - 1] for i in grams if row[i : i + size - 1] == tail})
    return found
