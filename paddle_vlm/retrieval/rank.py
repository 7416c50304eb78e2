"""The order of what was found, how sure each picture is, and when to say that nothing fits.

A cosine of 0.31 tells a user nothing: the number shown is the probability that the picture is right, from the model's
calibration (`models.calibration`), which was fitted on each query's best pictures, right and wrong ones, of photos
kept out of training.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from paddle_vlm.errors import BadImage
from paddle_vlm.retrieval.catalog import Picture
from paddle_vlm.retrieval.index import Found
from paddle_vlm.retrieval.scan import DECODED_SIDE, shrink
from paddle_vlm.runtime import parallel_map
from paddle_vlm.vision.image import load_image

NOTHING_FITS = 0.1  # a best probability below this is answered with "nothing fits"
RERANKED = 20  # candidates that get a second look


class Judge(Protocol):
    """What a search model thinks of a match."""

    @property
    def looks_again(self) -> bool:
        """Whether a second look tells it more than the first."""

    def calibrate(self, scores: np.ndarray | float, reranked: bool = False) -> np.ndarray:
        """Scores -> probabilities."""

    def rerank(self, query: str, images: Sequence[np.ndarray]) -> np.ndarray:
        """A second, closer look at a few pictures uint8 [H, W, 3] -> scores [N], higher is better."""


@dataclass(frozen=True)
class Ranked:
    """A picture, the score that gave it its place, and the probability that it is right (None: not asked)."""

    picture: Picture
    score: float
    probability: float | None = None


def by_cosine(found: Sequence[Found], judge: Judge) -> list[Ranked]:
    """In the order in which they were found."""
    probabilities = judge.calibrate(np.array([one.score for one in found]))
    return [Ranked(one.picture, one.score, float(p)) for one, p in zip(found, probabilities, strict=True)]


def by_second_look(text: str, found: Sequence[Found], judge: Judge) -> list[Ranked]:
    """The first RERANKED in the order of a second look; behind them the others, never more probable."""
    looked = [(one, rgb) for one, rgb in zip(found, parallel_map(_pixels, found[:RERANKED]), strict=False)]
    seen = [(one, rgb) for one, rgb in looked if rgb is not None]
    scores = judge.rerank(text, [rgb for _, rgb in seen])
    probabilities = judge.calibrate(scores, True)
    ranked = [
        Ranked(one.picture, float(s), float(p)) for (one, _), s, p in zip(seen, scores, probabilities, strict=True)
    ]
    ranked.sort(key=lambda one: -one.score)
    again = {one.picture.id for one in ranked}
    least = min((one.probability or 0.0 for one in ranked), default=1.0)
    rest = by_cosine([one for one in found if one.picture.id not in again], judge)
    return ranked + [replace(one, probability=min(one.probability or 0.0, least)) for one in rest]


def nothing_fits(probabilities: Sequence[float | None]) -> bool:
    """Whether even the best of some pictures is probably not what was asked for."""
    known = [probability for probability in probabilities if probability is not None]
    return bool(known) and max(known) < NOTHING_FITS


def _pixels(found: Found) -> np.ndarray | None:
    try:
        return shrink(load_image(found.picture.path, at_least=DECODED_SIDE).rgb)
    except BadImage:  # gone since it was indexed; its place is behind the others
        return None
