"""The task `matching`: the fusion network learns which of several look-alike photos a caption belongs to."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import paddle
from paddle import Tensor, nn
from paddle.nn import functional as F

from paddle_vlm.models.calibration import fit_platt
from paddle_vlm.models.fusion import FusionConfig
from paddle_vlm.models.search import SearchConfig, SearchNetwork, fitting
from paddle_vlm.models.weights_file import load_weights
from paddle_vlm.text.caption_vocabulary import CaptionVocabulary
from paddle_vlm.training import batches, distributed
from paddle_vlm.training.config import TrainConfig
from paddle_vlm.training.image_features import FeatureStore
from paddle_vlm.training.loop import FitResult, fit, prepare
from paddle_vlm.training.pairs import Pairs, PairsConfig, Tokens, forget, load_pairs
from paddle_vlm.training.search import TUNABLE, embed_images, embed_texts, shortlists, write_summary

log = logging.getLogger(__name__)

_WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0)
Batch = dict[str, Any]


@dataclass
class LearnConfig:
    """How look-alikes are chosen."""

    group: int = 8  # photos that a caption is compared with, its own among them
    neighbours: int = 24  # the closest photos that they are drawn from
    forget: float = 0.1  # share of words and characters hidden
    tuned: bool = False  # whether the dual encoder's run had `learn.tune`: then the stored grids are no longer right


@dataclass
class Config:
    """All of a run; `train.batch_size` counts photos."""

    start: Path  # the output folder of a `search` run
    task: Literal["matching"] = "matching"
    data: PairsConfig = field(default_factory=PairsConfig)
    fusion: FusionConfig = field(default_factory=FusionConfig)
    learn: LearnConfig = field(default_factory=LearnConfig)
    train: TrainConfig = field(default_factory=lambda: TrainConfig(monitor="t2i_r1_reranked", batch_size=64))


class MatchingTask:
    """What `loop.fit` asks for."""

    def __init__(self, config: Config, model: SearchNetwork, pairs: Pairs) -> None:
        self.config, self.model, self.pairs = config, model, pairs
        for parameter in model.dual.parameters():
            parameter.stop_gradient = True
        model.eval()
        kinds = list(pairs.texts)
        self.vectors = embed_images(model.dual, pairs, np.arange(len(pairs.photos.pooled[0])), config.learn.tuned)
        self.close = _closest(model, pairs, kinds[0], self.vectors, config.learn.neighbours)

    @property
    def steps_per_epoch(self) -> int:
        return batches.batch_count(len(self.pairs.train), self.config.train.batch_size)

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Groups of look-alikes: maps [B, c, h, w] and a caption for each photo."""
        return batches.prefetch(self._batches(epoch))

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy of finding the photo of each caption, and the caption of each photo, within a group."""
        group = self.config.learn.group
        with paddle.no_grad():
            states, _, mask = self.model.dual.text.states(*map(paddle.to_tensor, batch["texts"]))
        count = len(batch["maps"])
        photo, text = pairings(count, group)
        picture = self.model.fusion.look(self._grids(batch["maps"]))
        rows = paddle.to_tensor(photo)
        chosen = [(key.index_select(rows), value.index_select(rows)) for key, value in picture]
        rows = paddle.to_tensor(text)
        logits = self.model.fusion.match(chosen, states.index_select(rows), mask.index_select(rows))
        square = logits.reshape([-1, group, group])  # [groups, texts, photos]
        target = paddle.arange(group).tile([count // group])
        by_text, by_photo = square.reshape([-1, group]), square.transpose([0, 2, 1]).reshape([-1, group])
        return (F.cross_entropy(by_text, target) + F.cross_entropy(by_photo, target)) / 2

    def evaluate(self, model: nn.Layer) -> dict[str, float]:
        """Text to image among the held-out photos, before and after the second look."""
        return self.measure(model)[0]

    def measure(self, model: nn.Layer) -> tuple[dict[str, float], float]:
        """The figures, and the weight of the fusion's logit that gives the best of them."""
        held = self.pairs.held
        tokens = self.pairs.texts[next(iter(self.pairs.texts))].all_of(held)
        best, short, right = shortlists(model.dual, self.pairs, self.vectors[held])
        logits = match_all(model, self.grids_of(held), tokens, short)
        base = best * float(paddle.exp(model.dual.scale))
        after = [_first_right(base + weight * logits, right) for weight in _WEIGHTS]
        chosen = int(np.argmax(after))
        before = _first_right(base, right)
        return {"t2i_r1": before, "t2i_r1_reranked": after[chosen], "gain": after[chosen] - before}, _WEIGHTS[chosen]

    def _batches(self, epoch: int) -> Iterator[Batch]:
        train, group = self.config.train, self.config.learn.group
        rng = np.random.default_rng([train.seed, epoch, distributed.rank(), 1])
        views, kinds = self._maps(), list(self.pairs.texts)
        seeds = max(1, train.batch_size // group)
        for chosen in batches.shuffled(len(self.pairs.train), train.batch_size, train.seed, epoch):
            photos = np.concatenate([self._group(seed, rng) for seed in chosen[:seeds]])
            texts = self.pairs.texts[kinds[rng.integers(len(kinds))]]
            tokens = texts.take(photos, rng.integers(0, texts.characters.shape[1], len(photos)))
            seen = rng.integers(0, len(views), len(photos))
            maps = np.stack([views[view][photo] for view, photo in zip(seen, photos, strict=True)])
            yield {"maps": maps.astype(np.float32), "texts": forget(tokens, self.config.learn.forget, rng)}

    def _group(self, seed: int, rng: np.random.Generator) -> np.ndarray:
        """A training photo and different ones like it, as numbers of photos."""
        others = rng.choice(self.close[seed], self.config.learn.group - 1, replace=False)
        return self.pairs.train[np.concatenate([[seed], others])]

    def grids_of(self, photos: np.ndarray) -> np.ndarray:
        """Grids [N, G, channels] of the first view of these photos."""
        maps = self._maps()[0]
        return self._grids(np.stack([maps[photo] for photo in photos]).astype(np.float32)).numpy()

    def _maps(self) -> list[np.ndarray]:
        """What `_grids` takes, by view."""
        return self.pairs.photos.lower if self.config.learn.tuned else self.pairs.photos.narrow

    @paddle.no_grad()
    def _grids(self, maps: np.ndarray, batch: int = 128) -> Tensor:
        parts = [paddle.to_tensor(maps[first : first + batch]) for first in range(0, len(maps), batch)]
        if self.config.learn.tuned:
            trunk = self.model.dual.trunk
            parts = [trunk.upper(part, len(trunk.blocks) - TUNABLE) for part in parts]
        return paddle.concat(parts).flatten(2).transpose([0, 2, 1])


def pairings(count: int, group: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of photos and of texts of all pairs within groups of `group`: [count * group] each, texts slowest."""
    text = np.repeat(np.arange(count), group)
    photo = text // group * group + np.tile(np.arange(group), count)
    return photo, text


@paddle.no_grad()
def match_all(
    model: SearchNetwork, grids: np.ndarray, tokens: Tokens, short: np.ndarray, batch: int = 128
) -> np.ndarray:
    """The fusion's logits of N texts with their shortlists [N, k] of rows of `grids` -> float32 [N, k]."""
    found = []
    for first in range(0, len(short), batch):
        rows = slice(first, first + batch)
        used, where = np.unique(short[rows], return_inverse=True)
        picture = model.fusion.look(paddle.to_tensor(grids[used]))
        characters, words = (part[rows] for part in tokens)
        longest = max(1, int((characters > 0).sum(1).max()))
        states, _, mask = model.dual.text.states(
            paddle.to_tensor(characters[:, :longest]), paddle.to_tensor(words[:, :longest])
        )
        each = paddle.to_tensor(np.repeat(np.arange(len(characters)), short.shape[1]))
        index = paddle.to_tensor(where.reshape(-1))
        chosen = [(key.index_select(index), value.index_select(index)) for key, value in picture]
        logits = model.fusion.match(chosen, states.index_select(each), mask.index_select(each))
        found.append(logits.numpy().reshape(-1, short.shape[1]))
    return np.concatenate(found)


def run(config: Config, folder: Path) -> FitResult:
    """Train; `folder/model` is a whole search model with fitted probabilities."""
    prepare(config.train)
    vocabulary = CaptionVocabulary.load(config.start / "model")
    start = SearchNetwork.load(config.start / "model")
    model = SearchNetwork(SearchConfig(dual=start.dual.config, fusion=fitting(config.fusion, start.dual)))
    model.dual = start.dual
    blocks = len(model.dual.trunk.blocks) - TUNABLE
    store = FeatureStore(config.data.features or folder / "features", model.dual.trunk, blocks, model.dual.config.size)
    task = MatchingTask(config, model, load_pairs(config.data, vocabulary, store, config.train.seed))
    result = fit(task, config.train, folder)
    if distributed.is_first():
        load_weights(model, result.weights)
        model.eval()
        model.config.rerank_weight = task.measure(model)[1]
        calibrate(task, model)
        model.save(folder / "model")
        vocabulary.save(folder / "model")
        write_summary("图文重排训练报告", config, result, folder)
    return result


def calibrate(task: MatchingTask, model: SearchNetwork) -> None:
    """Fit the probabilities of the model's config on the held-out photos' shortlists."""
    pairs = task.pairs
    best, short, right = shortlists(model.dual, pairs, task.vectors[pairs.held])
    tokens = pairs.texts[next(iter(pairs.texts))].all_of(pairs.held)
    logits = match_all(model, task.grids_of(pairs.held), tokens, short)
    scores = best * float(paddle.exp(model.dual.scale)) + model.config.rerank_weight * logits
    model.config.cosine, model.config.reranked = fit_platt(best, right), fit_platt(scores, right)


def _closest(model: SearchNetwork, pairs: Pairs, kind: str, vectors: np.ndarray, count: int) -> np.ndarray:
    """For each training photo the others that its own captions are most easily taken for, [N, count]."""
    train = pairs.train
    texts = embed_texts(model.dual.text, pairs.texts[kind].all_of(train))
    means = texts.reshape(len(train), -1, texts.shape[1]).mean(1)
    close = means @ vectors[train].T + vectors[train] @ vectors[train].T
    np.fill_diagonal(close, -np.inf)
    return np.argpartition(-close, count, 1)[:, :count]


def _first_right(scores: np.ndarray, right: np.ndarray) -> float:
    """Percentage of texts whose best-scored candidate is their own photo."""
    return float(np.take_along_axis(right, scores.argmax(1)[:, None], 1).mean() * 100)
