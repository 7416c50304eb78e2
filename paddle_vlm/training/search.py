"""The task `search`: a dual encoder that brings pictures and Chinese texts into one space."""

import dataclasses
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import paddle
from paddle import Tensor, nn
from paddle.nn import functional as F
from tqdm import tqdm

from paddle_vlm.models.calibration import Calibration, fit_platt
from paddle_vlm.models.dual_encoder import DualEncoder, DualEncoderConfig, TextEncoder
from paddle_vlm.models.fusion import FusionConfig
from paddle_vlm.models.search import SearchConfig, SearchNetwork, fitting
from paddle_vlm.models.weights_file import assign, load_weights, read_tensors
from paddle_vlm.text.caption_vocabulary import UNKNOWN, CaptionVocabulary
from paddle_vlm.training import batches, distributed, plots, report
from paddle_vlm.training.config import TrainConfig
from paddle_vlm.training.image_features import FeatureStore
from paddle_vlm.training.loop import FitResult, fit, prepare
from paddle_vlm.training.pairs import (
    Pairs,
    PairsConfig,
    Tokens,
    forget,
    joined,
    load_pairs,
    look_alikes,
    make_vocabulary,
    with_look_alikes,
)
from paddle_vlm.training.retrieval_metrics import recalls
from paddle_vlm.weights import fetch

log = logging.getLogger(__name__)

SHORTLIST = 10  # photos of a query that are judged, and looked at again by the fusion
TUNABLE = 5  # blocks at the top of the image network that fine-tuning may change
_SAME = -1e4
_MANY = 20_000  # texts that take long enough for a progress bar
Batch = dict[str, Any]


@dataclass
class LearnConfig:
    """How the two encoders are brought together."""

    tune: bool = False  # also the top of the image network, not only the heads
    forget: float = 0.1  # share of words and characters hidden from the text encoder
    emoji_batch: int = 128  # drawings in a batch
    hard_negatives: float = 0.0  # share of a batch that are look-alikes of the others


@dataclass
class Config:
    """All of a run."""

    task: Literal["search"] = "search"
    data: PairsConfig = field(default_factory=PairsConfig)
    model: DualEncoderConfig = field(default_factory=DualEncoderConfig)
    learn: LearnConfig = field(default_factory=LearnConfig)
    train: TrainConfig = field(default_factory=lambda: TrainConfig(monitor="score"))
    image_weights: str | None = "efficientnet_lite2"  # ImageNet weights (a name or a .pth file); null: random ones
    word_vectors: Path | None = None  # .safetensors made by tools/prepare_search.py: fixed vectors of many words
    start: Path | None = None  # the output folder of an earlier run to start from


class SearchTask:
    """What `loop.fit` asks for."""

    def __init__(self, config: Config, model: DualEncoder, pairs: Pairs) -> None:
        self.config, self.model, self.pairs = config, model, pairs
        if config.start is None:
            standardize(model.image_head, np.asarray(pairs.photos.pooled[0][pairs.train], np.float32))
        for name, parameter in model.trunk.named_parameters():
            parameter.stop_gradient = not (config.learn.tune and is_top(name, len(model.trunk.blocks)))
        self.close = look_alikes(pairs) if config.learn.hard_negatives else None

    @property
    def steps_per_epoch(self) -> int:
        return batches.batch_count(len(self.pairs.train), self.config.train.batch_size)

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Image features and texts as numbers, made in the background."""
        return batches.prefetch(self._batches(epoch))

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """InfoNCE in both directions."""
        images = self._images(batch["images"])
        texts = self.model.text(*map(paddle.to_tensor, batch["texts"]))
        loss = contrast(self.model, images, texts, batch["texts"][0], self.config.train.label_smoothing)
        return loss, {"temperature": float(paddle.exp(-self.model.scale))}

    def evaluate(self, model: nn.Layer) -> dict[str, float]:
        """Retrieval among the photos that were held out, by the captions that people wrote."""
        held = self.pairs.held
        images = embed_images(model, self.pairs, held, self.config.learn.tune)
        texts = embed_texts(model.text, self.pairs.written.all_of(held))
        found = recalls(texts @ images.T)
        return found | {"score": found["t2i_r1"] + found["t2i_r10"] / 4 + found["i2t_r1"] / 2}

    def _batches(self, epoch: int) -> Iterator[Batch]:
        train, learn = self.config.train, self.config.learn
        rng = np.random.default_rng([train.seed, epoch, distributed.rank(), 1])
        part = "lower" if learn.tune else "pooled"
        views = getattr(self.pairs.photos, part)
        kinds = list(self.pairs.texts.values())
        for number, chosen in enumerate(self._chosen(epoch), epoch):
            photos = self.pairs.train[chosen]
            seen = rng.integers(0, len(views), len(photos))
            images = np.stack([views[view][photo] for view, photo in zip(seen, photos, strict=True)])
            captions = kinds[number % len(kinds)]  # one kind a batch: their lengths differ
            texts = captions.take(photos, rng.integers(0, captions.characters.shape[1], len(photos)))
            if self.pairs.names is not None:
                numbers, drawings = self.pairs.draw(part, learn.emoji_batch, rng)
                images = np.concatenate([images, drawings])
                texts = joined(texts, self.pairs.names.take(numbers, np.zeros(len(numbers), int)))
            yield {"images": images.astype(np.float32), "texts": forget(texts, learn.forget, rng)}

    def _chosen(self, epoch: int) -> Iterator[np.ndarray]:
        train = self.config.train
        plain = batches.shuffled(len(self.pairs.train), train.batch_size, train.seed, epoch)
        if self.close is None:
            return plain
        return with_look_alikes(plain, self.close, self.config.learn.hard_negatives, [train.seed, epoch])

    def _images(self, features: np.ndarray) -> Tensor:
        x = paddle.to_tensor(features)
        if not self.config.learn.tune:
            return self.model.image_head(x)
        return self.model.encode_maps(self.model.trunk.upper(x, len(self.model.trunk.blocks) - TUNABLE))


def contrast(model: DualEncoder, images: Tensor, texts: Tensor, characters: np.ndarray, smoothing: float) -> Tensor:
    """InfoNCE of B pairs of unit vectors (van den Oord et al. 2018); equal texts are no negatives of each other."""
    equal = (characters[:, None] == characters[None]).all(-1) & ~np.eye(len(characters), dtype=bool)
    logits = model.similarity(images, texts) + paddle.to_tensor(equal.astype(np.float32) * _SAME)
    target = paddle.arange(len(characters))
    loss = F.cross_entropy(logits, target) + F.cross_entropy(logits.t(), target)
    if not smoothing:
        return loss / 2
    # Smoothing pulls every logit towards the batch's mean; masked ones would dominate it.
    spread = paddle.max(logits, axis=1).mean() - (logits * (logits > _SAME / 2)).mean()
    return (1 - smoothing) * loss / 2 + smoothing * spread


@paddle.no_grad()
def embed_images(model: DualEncoder, pairs: Pairs, photos: np.ndarray, tuned: bool, batch: int = 256) -> np.ndarray:
    """The first view of each of these photos -> unit vectors [N, dim]."""
    found = []
    for first in range(0, len(photos), batch):
        rows = photos[first : first + batch]
        if tuned:
            maps = paddle.to_tensor(np.stack([pairs.photos.lower[0][row] for row in rows]).astype(np.float32))
            found.append(model.encode_maps(model.trunk.upper(maps, len(model.trunk.blocks) - TUNABLE)).numpy())
        else:
            found.append(model.image_head(paddle.to_tensor(pairs.photos.pooled[0][rows].astype(np.float32))).numpy())
    return np.concatenate(found)


@paddle.no_grad()
def embed_texts(model: TextEncoder, tokens: Tokens, batch: int = 512) -> np.ndarray:
    """Numbers of characters and words [N, T] -> unit vectors [N, dim]; texts of about the same length together."""
    lengths = (tokens[0] > 0).sum(1)
    order = np.argsort(lengths, kind="stable")
    found = np.empty((len(order), model.head.weight.shape[1]), np.float32)
    for first in tqdm(range(0, len(order), batch), desc="文字向量", leave=False, disable=len(order) < _MANY):
        rows = order[first : first + batch]
        longest = max(1, int(lengths[rows].max()))
        found[rows] = model(*(paddle.to_tensor(part[rows, :longest]) for part in tokens)).numpy()
    return found


def make_model(config: Config) -> tuple[DualEncoder, CaptionVocabulary]:
    """The network before training: ImageNet weights below, or an earlier run's. Raises MissingWeights, BadData."""
    if config.start is not None:
        vocabulary = CaptionVocabulary.load(config.start / "model")
        model = _sized(config, vocabulary)
        load_weights(model, config.start / "best" / "model.safetensors")
        return model, vocabulary
    vocabulary = make_vocabulary(config.data)
    vectors, words = _read_vectors(config.word_vectors)
    vocabulary.words = list(dict.fromkeys([*vocabulary.words, *words]))
    model = _sized(config, vocabulary)
    if words:
        _fix_words(model, vocabulary, dict(zip(words, vectors, strict=True)))
    if config.image_weights is not None:
        path = fetch(config.image_weights)
        model.trunk.load_torch(path / "model.pth" if path.is_dir() else path)
    return model, vocabulary


def run(config: Config, folder: Path) -> FitResult:
    """Train; `folder/model` can be loaded by `SearchModel`."""
    prepare(config.train)
    model, vocabulary = make_model(config)
    blocks = len(model.trunk.blocks) - TUNABLE
    store = FeatureStore(config.data.features or folder / "features", model.trunk, blocks, config.model.size)
    task = SearchTask(config, model, load_pairs(config.data, vocabulary, store, config.train.seed))
    result = fit(task, config.train, folder)
    if distributed.is_first():
        load_weights(model, result.weights)
        model.eval()
        network = SearchNetwork(_untaught(model, task.pairs, config.learn.tune))
        network.dual = model
        network.save(folder / "model")
        vocabulary.save(folder / "model")
        write_summary("图文检索双编码器训练报告", config, result, folder)
    return result


def _untaught(model: DualEncoder, pairs: Pairs, tuned: bool) -> SearchConfig:
    """Settings of a search model whose fusion has not learnt yet: it has no say, and the cosines are calibrated."""
    texts = embed_texts(model.text, pairs.written.all_of(pairs.held))
    cosines = texts @ embed_images(model, pairs, pairs.held, tuned).T
    short, right = shortlists(cosines)
    best = np.take_along_axis(cosines, short, 1)
    cosine, scale = fit_platt(best, right), float(paddle.exp(model.scale))
    reranked = Calibration(cosine.slope / scale, cosine.bias)
    fusion = fitting(FusionConfig(), model)
    return SearchConfig(dual=model.config, fusion=fusion, cosine=cosine, reranked=reranked, rerank_weight=0.0)


def shortlists(cosines: np.ndarray, count: int = SHORTLIST) -> tuple[np.ndarray, np.ndarray]:
    """Cosines [H * K, H] of K texts a photo -> the closest photos of each text [H * K, k], and which are right."""
    short = np.argsort(-cosines, 1)[:, :count]
    own = np.repeat(np.arange(cosines.shape[1]), len(cosines) // cosines.shape[1])
    return short, short == own[:, None]


def write_summary(title: str, config: Any, result: FitResult, folder: Path) -> None:
    """report.md with the learning curves."""
    drawn = report.draw(partial(plots.learning_curves, result.history, folder / "curves.png"))
    sections = {"学习曲线": "![学习曲线](curves.png)"} if drawn else {}
    report.write_report(folder / "report.md", title, config, result, sections)
    log.info("模型:%s  报告:%s", folder / "model", folder / "report.md")


def standardize(layer: nn.Layer, values: np.ndarray) -> None:
    """Set a layer's `centre` and `spread` to the mean and deviation of its inputs [N, features]."""
    centre, spread = values.mean(0), values.std(0)
    spread += 0.01 * spread.mean() + 1e-8  # a feature that hardly ever varies says nothing: not to be blown up
    assign({"centre": layer.centre, "spread": layer.spread}, {"centre": centre, "spread": spread})


def _sized(config: Config, vocabulary: CaptionVocabulary) -> DualEncoder:
    first = UNKNOWN + 1
    characters, words = len(vocabulary.characters) + first, len(vocabulary.words) + first
    return DualEncoder(dataclasses.replace(config.model, characters=characters, words=words))


def _read_vectors(path: Path | None) -> tuple[np.ndarray, list[str]]:
    if path is None:
        return np.zeros((0, 0), np.float32), []
    tensors, notes = read_tensors(path)
    return tensors["vectors"].astype(np.float32), notes["words"].split("\n")


def _fix_words(model: DualEncoder, vocabulary: CaptionVocabulary, vectors: dict[str, np.ndarray]) -> None:
    """Give the words vectors from elsewhere, and keep them: what is learnt about some then holds for all others too."""
    table = model.text.words.weight.numpy()
    for number, word in enumerate(vocabulary.words, UNKNOWN + 1):
        if word in vectors:
            table[number] = vectors[word]
    assign({"words": model.text.words.weight}, {"words": table})
    model.text.words.weight.stop_gradient = True


def is_top(name: str, blocks: int) -> bool:
    """Whether fine-tuning changes this parameter of an image network of so many blocks."""
    part, _, rest = name.partition(".")
    return part == "head" or (part == "blocks" and int(rest.partition(".")[0]) >= blocks - TUNABLE)
