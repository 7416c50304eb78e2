"""Retrieval figures of a search model through the very code that users run."""

from pathlib import Path

import numpy as np
from tqdm import tqdm

from paddle_vlm.data import emoji
from paddle_vlm.data.captions import CaptionSet
from paddle_vlm.errors import BadData
from paddle_vlm.models.calibration import expected_calibration_error, fit_platt
from paddle_vlm.retrieval.encoder import SearchModel
from paddle_vlm.training.retrieval_metrics import recalls

SHORTLIST = 10  # candidates of a query that are looked at again, and whose probabilities are judged


def evaluate(
    model: SearchModel, folder: Path, split: str, kind: str = "zh", limit: int | None = None, rerank: bool = True
) -> dict[str, float]:
    """Figures in percent, but `ece` (0..1); without `rerank` those of the second look are left out.

    t2i_r1, t2i_r5, t2i_r10, i2t_r1: the dual encoder's recalls; t2i_r1_reranked: after the second look at each query's
    first ten, the same as t2i_r1 where the model has no second look; ece: expected calibration error of the
    probabilities of these, fitted on every other photo and measured on the rest, and the other way round; ece_shipped:
    of the probabilities that the model comes with.
    Raises BadData.
    """
    data = CaptionSet(folder, split)
    count = min(limit or len(data), len(data))
    again = rerank and model.looks_again
    vectors, grids = _look(model, data, count, again)
    captions = [photo.texts([kind]) for photo in data.photos[:count]]
    each = min(map(len, captions))
    if not each:
        raise BadData(f"{folder}/{split}.jsonl 中有图片没有 {kind} 描述。请检查数据。")
    texts = [text for row in captions for text in row[:each]]
    cosines = model.encode_texts(texts) @ vectors[0].T
    own = np.repeat(np.arange(count), each)
    short = np.argsort(-cosines, 1)[:, : min(SHORTLIST, count)]
    right = short == own[:, None]
    best = np.take_along_axis(cosines, short, 1)
    found: dict[str, float] = dict(recalls(cosines))
    found["ece"] = cross_fitted_error(best, right, own % 2 == 0)
    found["ece_shipped"] = expected_calibration_error(model.calibrate(best), right)
    if rerank and not again:
        found["t2i_r1_reranked"], found["ece_reranked"] = found["t2i_r1"], found["ece"]
    if again:
        scores = _second_look(model, texts, short, vectors, grids)
        found["t2i_r1_reranked"] = float(right[np.arange(len(texts)), scores.argmax(1)].mean() * 100)
        found["ece_reranked"] = cross_fitted_error(scores, right, own % 2 == 0)
    return {name: round(value, 4) for name, value in found.items()} | {"photos": count, "captions": len(texts)}


def evaluate_emoji(model: SearchModel, font: Path = emoji.FONT, names: int = 1000, seed: int = 0) -> dict[str, float]:
    """Percentage of names whose emoji is the first, or among the first five, of that many drawings of Noto's.

    The same after the second look, where the model takes one. No training sees that style.
    Raises MissingDependency when the font is not there.
    """
    drawn = emoji.load_emoji("noto", model.size, font)
    chosen = np.random.default_rng(seed).permutation(len(drawn))[:names]
    images, texts = [drawn.images[i] for i in chosen], [drawn.emoji[i].name_zh for i in chosen]
    vectors, grids = model.look_twice(images)
    scores = model.encode_texts(texts) @ vectors[0].T
    short, own = np.argsort(-scores, 1)[:, :SHORTLIST], np.arange(len(texts))[:, None]
    found = {f"emoji_noto_r{k}": (short[:, :k] == own).any(1).mean() * 100 for k in (1, 5)}
    if model.looks_again:
        second = _second_look(model, texts, short, vectors, grids)
        again = np.take_along_axis(short, np.argsort(-second, 1), 1)
        found |= {f"emoji_noto_r{k}_reranked": (again[:, :k] == own).any(1).mean() * 100 for k in (1, 5)}
    return {name: round(float(value), 2) for name, value in found.items()} | {"emoji": len(chosen)}


def cross_fitted_error(scores: np.ndarray, right: np.ndarray, even: np.ndarray) -> float:
    """ECE of [N, k] scores whose probabilities were fitted on the other half of the rows, averaged over both halves."""
    errors = []
    for fitted in (even, ~even):
        probability = fit_platt(scores[fitted], right[fitted])
        errors.append(expected_calibration_error(probability(scores[~fitted]), right[~fitted]))
    return float(np.mean(errors))


def _second_look(
    model: SearchModel, texts: list[str], short: np.ndarray, vectors: np.ndarray, grids: np.ndarray
) -> np.ndarray:
    """The re-ranker's scores [N, k] of each text's shortlist [N, k]."""
    rows = zip(tqdm(texts, desc="重排", unit="条", leave=False, disable=None), short, strict=True)
    return np.stack([model.rerank_grids(text, vectors[:, row], grids[:, row]) for text, row in rows])


def _look(
    model: SearchModel, data: CaptionSet, count: int, twice: bool, batch: int = 64
) -> tuple[np.ndarray, np.ndarray]:
    """Vectors and grids of the first `count` photos, in their order: of `look_twice`, or [1, N, ...] of `look`."""
    vectors: dict[int, np.ndarray] = {}
    grids: dict[int, np.ndarray] = {}
    waiting: list[tuple[int, np.ndarray]] = []

    def flush() -> None:
        if waiting:
            images = [rgb for _, rgb in waiting]
            found = model.look_twice(images) if twice else tuple(part[None] for part in model.look(images))
            for column, (number, _) in enumerate(waiting):
                vectors[number], grids[number] = (part[:, column] for part in found)
            waiting.clear()

    for number, rgb in tqdm(data.pixels(), total=len(data), desc="图片", unit="张", leave=False, disable=None):
        if number < count:
            waiting.append((number, rgb))
        if len(waiting) == batch:
            flush()
    flush()
    order = range(count)
    return np.stack([vectors[number] for number in order], 1), np.stack([grids[number] for number in order], 1)
