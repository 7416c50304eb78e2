"""The task `matching`: the fusion network learns which photo a caption belongs to, word by word and cell by cell.

With `learn.tune` the image network's top learns along, from that and from the vectors that the texts already have.
"""

import dataclasses
import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import paddle
from paddle import Tensor, nn
from paddle.nn import functional as F

from paddle_vlm.models.calibration import fit_platt
from paddle_vlm.models.dual_encoder import TextEncoder
from paddle_vlm.models.fusion import FusionConfig
from paddle_vlm.models.search import SearchConfig, SearchNetwork, fitting
from paddle_vlm.models.weights_file import assign, load_weights
from paddle_vlm.text.caption_vocabulary import CaptionVocabulary
from paddle_vlm.training import batches, distributed
from paddle_vlm.training.config import TrainConfig
from paddle_vlm.training.image_features import FLIPPED, WHOLE, FeatureStore
from paddle_vlm.training.loop import FitResult, fit, prepare
from paddle_vlm.training.pairs import Pairs, PairsConfig, Texts, Tokens, forget, joined, load_pairs
from paddle_vlm.training.search import TUNABLE, embed_texts, is_top, shortlists, standardize, write_summary

_WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0)
_BANK_WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
_AT_ONCE = 1 << 24  # pairs of a token and a cell that are compared at a time
Batch = dict[str, Any]


@dataclass
class LearnConfig:
    """What a batch holds beside `train.batch_size` photos."""

    captions: int = 4  # of each photo
    forget: float = 0.1  # share of words and characters hidden
    emoji_batch: int = 24  # drawings
    bank: int = 3000  # training captions kept in the model beside the drawings' names, see `SearchNetwork.readiness`
    tune: bool = False  # also the top of the image network and its head; the text encoder stays as it is


@dataclass
class Config:
    """All of a run; of `data`, at least two views are used, since the second look sees each picture mirrored too."""

    start: Path  # the output folder of a `search` run, or any with `model` in it
    task: Literal["matching"] = "matching"
    data: PairsConfig = field(default_factory=PairsConfig)
    fusion: FusionConfig = field(default_factory=FusionConfig)
    learn: LearnConfig = field(default_factory=LearnConfig)
    train: TrainConfig = field(default_factory=lambda: TrainConfig(monitor="t2i_r1_reranked", batch_size=128))


class MatchingTask:
    """What `loop.fit` asks for."""

    def __init__(self, config: Config, model: SearchNetwork, pairs: Pairs) -> None:
        self.config, self.model, self.pairs = config, model, pairs
        self.tune, self.below = config.learn.tune, len(model.dual.trunk.blocks) - TUNABLE
        self.part = "lower" if self.tune else "narrow"
        for name, parameter in model.dual.named_parameters():
            parameter.stop_gradient = not (self.tune and learns_along(name, len(model.dual.trunk.blocks)))
        self.captions = pooled(list(pairs.texts.values()))
        self.asked = pairs.written.all_of(pairs.held)
        self.asked_vectors = embed_texts(model.dual.text, self.asked)  # the text encoder does not change
        if self.tune:
            self.targets = _vectors(model.dual.text, self.captions)
            self.names = np.zeros((0, 1, 0)) if pairs.names is None else _vectors(model.dual.text, pairs.names)

    @property
    def steps_per_epoch(self) -> int:
        return batches.batch_count(len(self.pairs.train), self.config.train.batch_size)

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Grids, and the tokens of several texts of each."""
        return batches.prefetch(self._batches(epoch))

    def loss(self, batch: Batch) -> Tensor:
        """InfoNCE in both directions (van den Oord et al. 2018), averaged over the texts of each picture."""
        dual, fusion, count = self.model.dual, self.model.fusion, len(batch["maps"])
        maps = self._narrow(batch["maps"])
        characters, words, places = (paddle.to_tensor(part) for part in batch["tokens"])
        tokens, weights = fusion.read(characters, dual.text.words(words))
        agreement = fusion.compare(fusion.look(_grid(maps)), tokens)  # [U, B]
        flat = places.flatten()
        shares = fusion.shares(*(part.index_select(flat).reshape(places.shape) for part in (weights, characters)))
        each = F.embedding(places, agreement)  # [texts, T, B]
        loss = _both_ways(paddle.matmul(shares.unsqueeze(1), each).squeeze(1) * fusion.factor(), count)
        if self.tune:
            images = dual.encode_maps(maps)
            loss = loss + _both_ways(dual.similarity(images, paddle.to_tensor(batch["vectors"])), count)
        return loss

    def evaluate(self, model: nn.Layer) -> dict[str, float]:
        """Text to image among the held-out photos, before and after the second look; the bank has no part in it."""
        look = self.second_look(model)
        before, after = float(look.right[:, 0].mean() * 100), max(look.first_right(weight) for weight in _WEIGHTS)
        return {"t2i_r1": before, "t2i_r1_reranked": after, "gain": after - before}

    def second_look(self, model: nn.Layer) -> "Looked":
        """At the photos closest to each caption of the held-out photos."""
        looks = [self._look(self.pairs.held, view) for view in (WHOLE, FLIPPED)]
        cosines = np.stack([self.asked_vectors @ vectors.T for vectors, _ in looks])
        short, right = shortlists(cosines[WHOLE])
        logits = np.mean([match_all(model, grids, self.asked) for _, grids in looks], 0)
        scale = float(paddle.exp(model.dual.scale))
        readiness = np.mean([model.readiness(paddle.to_tensor(vectors)).numpy() for vectors, _ in looks], 0)
        return Looked(
            np.take_along_axis(cosines[WHOLE], short, 1), scale * np.take_along_axis(cosines.mean(0), short, 1),
            np.take_along_axis(logits, short, 1), readiness[short], right,
        )  # fmt: skip

    @paddle.no_grad()
    def _look(self, photos: np.ndarray, view: int, batch: int = 64) -> tuple[np.ndarray, np.ndarray]:
        """Unit vectors [N, dim] and grids [N, G, channels] of a view of these photos."""
        stored, vectors, grids = getattr(self.pairs.photos, self.part)[view], [], []
        for first in range(0, len(photos), batch):
            rows = photos[first : first + batch]
            maps = self._narrow(np.stack([stored[row] for row in rows]).astype(np.float32))
            vectors.append(self.model.dual.encode_maps(maps).numpy())
            grids.append(_grid(maps).numpy())
        return np.concatenate(vectors), np.concatenate(grids)

    def _narrow(self, maps: np.ndarray) -> Tensor:
        """What is stored of pictures -> their maps [B, channels, h, w]."""
        x = paddle.to_tensor(maps)
        return self.model.dual.trunk.upper(x, self.below) if self.tune else x

    def _batches(self, epoch: int) -> Iterator[Batch]:
        train, learn = self.config.train, self.config.learn
        rng = np.random.default_rng([train.seed, epoch, distributed.rank(), 1])
        views = getattr(self.pairs.photos, self.part)
        for chosen in batches.shuffled(len(self.pairs.train), train.batch_size, train.seed, epoch):
            photos = self.pairs.train[chosen]
            seen = rng.integers(0, len(views), len(photos))
            maps = np.stack([views[view][photo] for view, photo in zip(seen, photos, strict=True)])
            which = np.argsort(rng.random((len(photos), self.captions.characters.shape[1])), 1)[:, : learn.captions]
            texts = [self.captions.take(photos, column) for column in which.T]
            vectors = [self.targets[photos, column] for column in which.T] if self.tune else []
            if self.pairs.names is not None:
                numbers, drawings = self.pairs.draw(self.part, learn.emoji_batch, rng)
                maps = np.concatenate([maps, drawings])
                names = self.pairs.names.take(numbers, np.zeros(len(numbers), int))
                texts = [joined(part, names) for part in texts]
                vectors = [np.concatenate([part, self.names[numbers, 0]]) for part in vectors]
            tokens = functools.reduce(joined, texts)
            batch = {"maps": maps.astype(np.float32), "tokens": distinct(forget(tokens, learn.forget, rng))}
            yield batch | ({"vectors": np.concatenate(vectors)} if self.tune else {})


@dataclass
class Looked:
    """Of N texts and the k photos closest to each, [N, k]; all but `cosines` are means of a photo and its mirror image.

    Attributes:
        cosines: the dual encoder's, of the photo itself.
        first: the dual encoder's logits.
        again: the fusion's logits.
        readiness: see `SearchNetwork.readiness`.
        right: whether the text is of this photo.
    """

    cosines: np.ndarray
    first: np.ndarray
    again: np.ndarray
    readiness: np.ndarray
    right: np.ndarray

    def scores(self, weight: float, bank_weight: float = 0.0) -> np.ndarray:
        """Those of `SearchNetwork.rerank` with these weights."""
        return self.first + weight * self.again - bank_weight * self.readiness

    def first_right(self, weight: float, bank_weight: float = 0.0) -> float:
        """Percentage of texts whose best-scored candidate is their own photo."""
        best = self.scores(weight, bank_weight).argmax(1)
        return float(np.take_along_axis(self.right, best[:, None], 1).mean() * 100)


def learns_along(name: str, blocks: int) -> bool:
    """Whether `learn.tune` changes this parameter of a dual encoder."""
    part, _, rest = name.partition(".")
    return part in ("image_head", "scale") or (part == "trunk" and is_top(rest, blocks))


def pooled(kinds: list[Texts]) -> Texts:
    """The captions of all kinds as those of one."""
    longest = max(texts.characters.shape[-1] for texts in kinds)
    characters, words = (
        np.concatenate([np.pad(part, ((0, 0), (0, 0), (0, longest - part.shape[-1]))) for part in parts], 1)
        for parts in zip(*((texts.characters, texts.words) for texts in kinds), strict=True)
    )
    return Texts(characters, words)


def distinct(tokens: Tokens) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Characters and words [N, T] -> those of the U different tokens, and which of them is where [N, T]."""
    different, places = np.unique(np.stack(tokens).reshape(2, -1), axis=1, return_inverse=True)
    return different[0], different[1], places.reshape(tokens[0].shape)


@paddle.no_grad()
def match_all(model: SearchNetwork, grids: np.ndarray, tokens: Tokens) -> np.ndarray:
    """The fusion's logits of N texts with all of P grids -> float32 [N, P]."""
    characters, words, places = distinct(tokens)
    fusion = model.fusion
    read, weights = fusion.read(paddle.to_tensor(characters), model.dual.text.words(paddle.to_tensor(words)))
    shares = fusion.shares(paddle.to_tensor(weights.numpy()[places]), paddle.to_tensor(tokens[0])).numpy()
    picture = fusion.look(paddle.to_tensor(grids))
    step = max(1, _AT_ONCE // (len(grids) * grids.shape[1]))
    parts = [fusion.compare(picture, read[first : first + step]).numpy() for first in range(0, len(read), step)]
    agreement, found = np.concatenate(parts), np.zeros((len(places), len(grids)), np.float32)
    for column in range(places.shape[1]):
        found += shares[:, column, None] * agreement[places[:, column]]
    return found * float(fusion.factor())


def run(config: Config, folder: Path) -> FitResult:
    """Train; `folder/model` is a whole search model with fitted probabilities."""
    prepare(config.train)
    vocabulary = CaptionVocabulary.load(config.start / "model")
    dual = SearchNetwork.load(config.start / "model").dual
    below = len(dual.trunk.blocks) - TUNABLE
    store = FeatureStore(config.data.features or folder / "features", dual.trunk, below, dual.config.size)
    data = dataclasses.replace(config.data, views=max(FLIPPED + 1, config.data.views))
    pairs = load_pairs(data, vocabulary, store, config.train.seed)
    bank = make_bank(dual.text, pairs, config.learn.bank, config.train.seed)
    model = SearchNetwork(SearchConfig(dual.config, fitting(config.fusion, dual), bank=len(bank)))
    model.dual = dual
    begin(model, bank, pairs)
    task = MatchingTask(config, model, pairs)
    result = fit(task, config.train, folder)
    if distributed.is_first():
        load_weights(model, result.weights)
        model.eval()
        calibrate(task, model)
        model.save(folder / "model")
        vocabulary.save(folder / "model")
        write_summary("图文重排训练报告", config, result, folder)
    return result


def make_bank(encoder: TextEncoder, pairs: Pairs, captions: int, seed: int) -> np.ndarray:
    """Vectors [n, dim] of some training captions that people wrote, and of the drawings' names; none of 0 captions."""
    texts = pairs.written.all_of(pairs.train)
    rows = np.random.default_rng([seed, 3]).permutation(len(texts[0]))[:captions]
    some = (texts[0][rows], texts[1][rows])
    if captions and pairs.names is not None:
        some = joined(some, pairs.names.all_of(np.arange(len(pairs.names.characters))))
    return embed_texts(encoder, some)


def begin(model: SearchNetwork, bank: np.ndarray, pairs: Pairs) -> None:
    """Fill the bank; let the fusion start from the dual encoder's characters and the spread of the photos' grids."""
    if len(bank):
        assign({"bank": model.bank}, {"bank": bank})
    fusion, maps = model.fusion, pairs.photos.narrow[WHOLE]
    some = np.stack([maps[photo] for photo in pairs.train[:1000]]).astype(np.float32)
    standardize(fusion, some.transpose(0, 2, 3, 1).reshape(-1, some.shape[1]))
    table = model.dual.text.characters.weight
    if table.shape == fusion.characters.weight.shape:
        assign({"characters": fusion.characters.weight}, {"characters": table.numpy()})


def calibrate(task: MatchingTask, model: SearchNetwork) -> None:
    """Choose the weights of `rerank` on the held-out photos, and fit the probabilities of what then comes out."""
    look, config = task.second_look(model), model.config
    pairs = [(weight, bank) for weight in _WEIGHTS for bank in (_BANK_WEIGHTS if config.bank else (0.0,))]
    config.rerank_weight, config.bank_weight = max(pairs, key=lambda pair: look.first_right(*pair))
    config.cosine = fit_platt(look.cosines, look.right)
    config.reranked = fit_platt(look.scores(config.rerank_weight, config.bank_weight), look.right)


def _vectors(encoder: TextEncoder, texts: Texts) -> np.ndarray:
    """[N, K, dim]."""
    vectors = embed_texts(encoder, texts.all_of(np.arange(len(texts.characters))))
    return vectors.reshape(*texts.characters.shape[:2], -1)


def _both_ways(logits: Tensor, count: int) -> Tensor:
    """Cross-entropy of [K * count, count] logits of texts and pictures: the right picture, and the right text."""
    square = logits.reshape([-1, count, count])
    target = paddle.arange(count).tile([len(square)])
    ways = (square, square.transpose([0, 2, 1]))
    return sum(F.cross_entropy(way.reshape([-1, count]), target) for way in ways) / 2


def _grid(maps: Tensor) -> Tensor:
    """[B, channels, h, w] -> [B, h * w, channels]."""
    return maps.flatten(2).transpose([0, 2, 1])
