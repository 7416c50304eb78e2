"""A linear-chain CRF in numpy: the best path, and the likelihood of a given one with its gradient.

In numpy because a chain is many small steps: `paddle.text.viterbi_decode` takes ten times as long on a CPU.
"""

from dataclasses import dataclass

import numpy as np

from paddle_vlm.models.recurrence import Packing


@dataclass(frozen=True)
class Chain:
    """What a CRF knows beside the scores of single characters."""

    start: np.ndarray  # [K]
    end: np.ndarray  # [K]
    transitions: np.ndarray  # [K, K], from and to


def viterbi(scores: np.ndarray, packing: Packing, chain: Chain) -> np.ndarray:
    """The best path of every sentence: packed scores [N, K] -> packed tags, int64 [N]."""
    steps = packing.steps
    best = np.array(scores)  # of the paths that end in a tag; whence they come is found on the way back
    best[steps[0]] += chain.start
    for last, rows in zip(steps, steps[1:], strict=False):
        before = best[last][: rows.stop - rows.start]
        through = before.T[:, :, None] + chain.transitions[:, None, :]  # [from, n, to]: maxima along the memory
        best[rows] += through.max(0)
    best[packing.last] += chain.end
    tags = best.argmax(-1)  # right for last characters; the others' are overwritten
    to_from = np.ascontiguousarray(chain.transitions.T)
    for rows, after in zip(reversed(steps[:-1]), reversed(steps[1:]), strict=True):
        going_on = slice(rows.start, rows.start + after.stop - after.start)
        tags[going_on] = (best[going_on] + to_from[tags[after]]).argmax(-1)
    return tags


def negative_log_likelihood(
    scores: np.ndarray, tags: np.ndarray, packing: Packing, chain: Chain
) -> tuple[float, np.ndarray, Chain]:
    """-log p(tags) as a mean over the sentences, and its gradients for the scores and the chain.

    Packed scores [N, K] and tags [N]. The sums over paths are products of exponentials, scaled at every step.
    """
    (earlier, later), last, sentences = packing.neighbours, packing.last, int(packing.counts[0])
    forwards, backwards = _sums(scores, packing, chain)
    total = _log_sum(forwards[:sentences] + backwards[:sentences])
    of_sentence = np.concatenate([total[:count] for count in packing.counts])[:, None]

    of_scores = np.exp(forwards + backwards - of_sentence)
    scale = forwards[earlier].max(-1, keepdims=True)
    left = np.exp(forwards[earlier] - scale)
    right = np.exp(scores[later] + backwards[later] - of_sentence[later] + scale)
    of_pairs = (left.T @ right) * np.exp(chain.transitions)
    of_start, of_end = of_scores[:sentences].sum(0), of_scores[last].sum(0)

    rows, first, pairs = np.arange(len(tags)), tags[:sentences], (tags[earlier], tags[later])
    given = scores[rows, tags].sum() + chain.start[first].sum() + chain.end[tags[last]].sum()
    given += chain.transitions[pairs].sum()
    of_scores[rows, tags] -= 1
    np.subtract.at(of_pairs, pairs, 1)
    np.subtract.at(of_start, first, 1)
    np.subtract.at(of_end, tags[last], 1)
    gradients = Chain(of_start / sentences, of_end / sentences, of_pairs / sentences)
    return float(total.sum() - given) / sentences, of_scores / np.float32(sentences), gradients


def _sums(scores: np.ndarray, packing: Packing, chain: Chain) -> tuple[np.ndarray, np.ndarray]:
    """Logarithms of the sums over all paths that reach a tag (its score included), and over all that go on from it."""
    steps, weights = packing.steps, np.exp(chain.transitions)
    forwards, backwards = np.array(scores), np.zeros_like(scores)
    forwards[steps[0]] += chain.start
    backwards[packing.last] = chain.end
    for last, rows in zip(steps, steps[1:], strict=False):
        forwards[rows] += _log_product(forwards[last][: rows.stop - rows.start], weights)
    for rows, after in zip(reversed(steps[:-1]), reversed(steps[1:]), strict=True):
        going_on = slice(rows.start, rows.start + after.stop - after.start)
        backwards[going_on] = _log_product(scores[after] + backwards[after], weights.T)
    return forwards, backwards


def _log_product(logarithms: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """log(exp(logarithms) @ weights) without overflow."""
    highest = logarithms.max(-1, keepdims=True)
    return np.log(np.exp(logarithms - highest) @ weights + np.float32(1e-30)) + highest


def _log_sum(logarithms: np.ndarray) -> np.ndarray:
    highest = logarithms.max(-1, keepdims=True)
    return np.log(np.exp(logarithms - highest).sum(-1)) + highest[:, 0]
