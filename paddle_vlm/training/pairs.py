"""Pictures and their texts as numbers: what the tasks `search` and `matching` learn from."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from paddle_vlm.data import emoji
from paddle_vlm.data.captions import CaptionSet
from paddle_vlm.errors import BadData, MissingDependency
from paddle_vlm.models.dual_encoder import LONGEST
from paddle_vlm.text.caption_vocabulary import UNKNOWN, CaptionVocabulary
from paddle_vlm.training.image_features import Features, FeatureStore

log = logging.getLogger(__name__)

Tokens = tuple[np.ndarray, np.ndarray]  # characters and words, int64 [N, T] each


@dataclass
class PairsConfig:
    """Which pictures and texts."""

    folder: Path = Path("flickr8k_cn")
    split: str = "train"
    kinds: list[str] = field(default_factory=lambda: ["zh", "zh_mt"])  # of captions
    views: int = 1  # of each photo: whole, flipped, then random crops
    emoji: bool = True  # drawings and their names as well
    emoji_views: int = 1
    held_out: int = 600  # photos kept out of training, to choose the weights and fit the probabilities
    features: Path | None = None  # where image features are kept (default: in the output folder)


@dataclass
class Texts:
    """The texts of N pictures, `counts` each; padded to one length."""

    characters: np.ndarray  # int64 [N, K, T]
    words: np.ndarray

    def take(self, pictures: np.ndarray, which: np.ndarray) -> Tokens:
        """Text number `which` [B] of each of `pictures` [B], cut to the longest of them."""
        characters, words = self.characters[pictures, which], self.words[pictures, which]
        longest = max(1, int((characters > 0).sum(1).max()))
        return characters[:, :longest], words[:, :longest]

    def all_of(self, pictures: np.ndarray) -> Tokens:
        """Every text of `pictures` [B], one after the other: [B * K, T]."""
        longest = self.characters.shape[-1]
        return self.characters[pictures].reshape(-1, longest), self.words[pictures].reshape(-1, longest)


@dataclass
class Pairs:
    """Photos with captions by kind, and emoji with their names."""

    photos: Features
    texts: dict[str, Texts]
    train: np.ndarray  # numbers of the photos to learn from
    held: np.ndarray
    drawings: dict[str, Features]  # by style
    drawn: dict[str, np.ndarray]  # style -> number of each drawing's name
    names: Texts | None

    @property
    def written(self) -> Texts:
        """The captions that people wrote: those of the first kind."""
        return next(iter(self.texts.values()))

    def draw(self, part: str, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """At most `count` different emoji, each in one of the styles that have it: their names' numbers, and `part` of
        their `Features`."""
        styles = list(self.drawn)
        picked: dict[int, np.ndarray] = {}
        for _ in range(count):
            style = styles[rng.integers(len(styles))]
            row = int(rng.integers(len(self.drawn[style])))
            views = getattr(self.drawings[style], part)
            picked[int(self.drawn[style][row])] = views[rng.integers(len(views))][row]
        return np.array(list(picked)), np.stack(list(picked.values()))


def make_vocabulary(config: PairsConfig) -> CaptionVocabulary:
    """Of the captions, and of the emoji's names where they are asked for. Raises BadData."""
    photos = CaptionSet(config.folder, config.split).photos
    captions = [text for photo in photos for text in photo.texts(config.kinds)]
    names = [each.name_zh for each in emoji.list_emoji()] if config.emoji else []
    return CaptionVocabulary.of(captions, extra=names)


def load_pairs(config: PairsConfig, vocabulary: CaptionVocabulary, store: FeatureStore, seed: int) -> Pairs:
    """Everything in memory or mapped from disk. Raises BadData, MissingDependency."""
    data = CaptionSet(config.folder, config.split)
    photos = store.get(config.split, _Pixels(data), len(data), config.views)
    texts = {kind: _texts([photo.texts([kind]) for photo in data.photos], vocabulary) for kind in config.kinds}
    order = np.random.default_rng(seed).permutation(len(data))
    if config.held_out >= len(data):
        raise BadData(f"{config.folder} 只有 {len(data)} 张图片,无法留出 {config.held_out} 张。请减小 data.held_out。")
    drawings, drawn, names = _emoji(config, vocabulary, store)
    return Pairs(photos, texts, order[config.held_out :], order[: config.held_out], drawings, drawn, names)


def forget(tokens: Tokens, share: float, rng: np.random.Generator) -> Tokens:
    """Some words, and some characters, replaced by the unknown one, so that no single one is relied on."""
    characters, words = tokens
    hide = rng.random((2, *characters.shape)) < share
    return (
        np.where(hide[0] & (characters > 0), UNKNOWN, characters),
        np.where(hide[1] & (words > 0), UNKNOWN, words),
    )


def joined(one: Tokens, other: Tokens) -> Tokens:
    """The texts of both, padded to one length."""
    longest = max(one[0].shape[1], other[0].shape[1])
    characters, words = (
        np.concatenate([np.pad(part, ((0, 0), (0, longest - part.shape[1]))) for part in both])
        for both in zip(one, other, strict=True)
    )
    return characters, words


def look_alikes(pairs: Pairs, count: int = 20) -> np.ndarray:
    """For each training photo the numbers of those most like it, [N, count]."""
    vectors = np.asarray(pairs.photos.pooled[0][pairs.train], np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    close = vectors @ vectors.T
    np.fill_diagonal(close, -1)
    return np.argpartition(-close, count, 1)[:, :count]


def with_look_alikes(
    plain: Iterator[np.ndarray], close: np.ndarray, share: float, seed: list[int]
) -> Iterator[np.ndarray]:
    """The same batches, in which `share` of the photos are replaced by look-alikes of others in the batch."""
    rng = np.random.default_rng([*seed, 2])
    for chosen in plain:
        kept = chosen[: max(1, round(len(chosen) * (1 - share)))]
        alike = close[
            rng.choice(kept, len(chosen) - len(kept)), rng.integers(0, close.shape[1], len(chosen) - len(kept))
        ]
        yield np.unique(np.concatenate([kept, alike]))


class _Pixels:
    """An archive's pictures, as often as they are asked for."""

    def __init__(self, data: CaptionSet) -> None:
        self.data = data

    def __iter__(self) -> Iterator[tuple[int, np.ndarray]]:
        return self.data.pixels()


def _texts(rows: list[list[str]], vocabulary: CaptionVocabulary) -> Texts:
    counts = {len(row) for row in rows}
    if len(counts) > 1 or 0 in counts:
        raise BadData(f"每张图片的描述条数应相同且不为零,现有 {sorted(counts)}。请检查数据。")
    characters, words = vocabulary.encode([text for row in rows for text in row], LONGEST)
    shape = (len(rows), counts.pop(), characters.shape[1])
    return Texts(characters.reshape(shape), words.reshape(shape))


def _emoji(
    config: PairsConfig, vocabulary: CaptionVocabulary, store: FeatureStore
) -> tuple[dict[str, Features], dict[str, np.ndarray], Texts | None]:
    if not config.emoji:
        return {}, {}, None
    known = emoji.list_emoji()
    numbers = {each.character: number for number, each in enumerate(known)}
    drawings, drawn = {}, {}
    for style in emoji.STYLES:
        try:
            pictures = emoji.load_emoji(style, store.size)
        except MissingDependency as error:
            log.warning("不用 emoji 画风 %s:%s", style, error)
            continue
        drawings[style] = store.get(
            f"emoji-{style}", list(enumerate(pictures.images)), len(pictures), config.emoji_views
        )
        drawn[style] = np.array([numbers[each.character] for each in pictures.emoji])
    return drawings, drawn, _texts([[each.name_zh] for each in known], vocabulary) if drawn else None
