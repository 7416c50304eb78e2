"""Words, parts of speech, and names of persons, places, organisations and times, by LAC-small or a tuned tagger."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from paddle_vlm import runtime
from paddle_vlm.errors import MissingWeights
from paddle_vlm.models.lac_decoder import LACDecoder, jieba_weights
from paddle_vlm.text.han import simplify
from paddle_vlm.text.user_words import UserWords
from paddle_vlm.weights import fetch

NAMES = ("PER", "LOC", "ORG", "TIME")
LONGEST = 256  # characters; longer texts are cut at a sentence end, or here where there is none
_SENTENCE_ENDS = "。!?;\n,.、"
# As in LAC's own q2b table: the network hardly knows the full-width forms (it takes `，` for a verb).
_HALF_WIDTH = {code: chr(code - 0xFEE0) for code in range(ord("！"), ord("～") + 1)}


@dataclass(frozen=True, slots=True)
class Token:
    """A word at text[start:end]; `tag` is LAC's: PER, LOC, ORG, TIME, or a part of speech (n, v, a, ...)."""

    word: str
    tag: str
    start: int
    end: int

    @property
    def is_name(self) -> bool:
        return self.tag in NAMES


class LexicalAnalyzer:
    """A tagger, loaded once. Safe to call from several threads.

    Args:
        weights: "lac_small" (as jieba ships it), "lac_msra" (tuned on news, see its model card), the folder of a
            tagger that `training.tagging` has left, or arrays named as in `models.lac.LAC`.
    """

    def __init__(self, weights: str | Path | Mapping[str, np.ndarray] = "lac_small") -> None:
        original = fetch("lac_small")
        self._characters = {text: int(number) for number, text in _pairs(original / "word.dic")}
        self._unknown = self._characters["OOV"]
        self.tags = [tag for _, tag in sorted(_pairs(original / "tag.dic"), key=lambda pair: int(pair[0]))]
        self.weights: Mapping[str, np.ndarray] = jieba_weights(original / "model_baseline")
        if isinstance(weights, Mapping):
            self.weights = weights
        elif weights != "lac_small":
            self.weights = {**self.weights, **_tuned(fetch(weights), self.weights)}
        self._network = LACDecoder(self.weights)

    def analyze(self, texts: Sequence[str], batch: int = 64, words: UserWords | None = None) -> list[list[Token]]:
        """The tokens of each text, which together are all of it; an empty text has none. `words` stay whole."""
        return [_tokens(text, tags) for text, tags in zip(texts, self.tag(texts, batch, words), strict=True)]

    def tag(self, texts: Sequence[str], batch: int = 64, words: UserWords | None = None) -> list[list[str]]:
        """A tag for each character of each text: PER-B begins a person, PER-I goes on with one."""
        pieces = [(i, text[start:end]) for i, text in enumerate(texts) for start, end in _windows(text)]
        order = sorted(range(len(pieces)), key=lambda i: len(pieces[i][1]))
        size = max(1, min(batch, -(-len(order) // runtime.cores())))  # every core has work
        groups = [order[first : first + size] for first in range(0, len(order), size)]
        found = runtime.parallel_map(lambda chosen: self._numbers([pieces[i][1] for i in chosen]), groups)
        numbers = dict(
            zip((i for chosen in groups for i in chosen), (row for rows in found for row in rows), strict=True)
        )
        tags: list[list[str]] = [[] for _ in texts]
        for place, (i, _) in enumerate(pieces):
            tags[i] += [self.tags[number] for number in numbers[place].tolist()]
        if words:
            for text_tags, text in zip(tags, texts, strict=True):
                words.overrule(text_tags, text)
        return tags

    def _numbers(self, texts: Sequence[str]) -> list[np.ndarray]:
        return self._network.decode([self.identify(text) for text in texts])

    def identify(self, text: str) -> np.ndarray:
        """The network's numbers of the characters, int64 [T]."""
        known, unknown = self._characters, self._unknown
        return np.array(
            [known.get(character, unknown) for character in simplify(text.translate(_HALF_WIDTH))], np.int64
        )


def _windows(text: str) -> list[tuple[int, int]]:
    """Cuts of at most LONGEST characters, after a sentence end where there is one in the second half."""
    cuts, start = [], 0
    while start < len(text):
        end = min(len(text), start + LONGEST)
        if end < len(text):
            ends = [i for i in range(start + LONGEST // 2, end) if text[i].translate(_HALF_WIDTH) in _SENTENCE_ENDS]
            end = ends[-1] + 1 if ends else end
        cuts.append((start, end))
        start = end
    return cuts


def _tokens(text: str, tags: list[str]) -> list[Token]:
    """Characters join until the next tag that begins a word; a word has the tag of its first character."""
    starts = [i for i, tag in enumerate(tags) if i == 0 or tag.endswith("-B") or (tag == "O" and tags[i - 1] != "O")]
    ends = [*starts[1:], len(text)] if text else []
    return [Token(text[a:b], tags[a].partition("-")[0], a, b) for a, b in zip(starts, ends, strict=True)]


def _tuned(folder: Path, original: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What a tuned tagger has of its own; of the embedding, the characters that it has learnt about."""
    path = folder / "model.safetensors"
    remedy = "请给出 configs/text/tagger.yaml 训练出的文件夹。"
    try:
        stored = load_file(path)
    except (OSError, SafetensorError) as error:
        raise MissingWeights(f"无法读取标注器权重 {path}:{error}。{remedy}") from error
    if "embedding.rows" in stored and "embedding.values" in stored:
        embedding = np.array(original["embedding.weight"])
        embedding[stored.pop("embedding.rows")] = stored.pop("embedding.values")
        stored["embedding.weight"] = embedding
    wrong = [name for name in stored if name not in original or stored[name].shape != original[name].shape]
    if wrong:
        raise MissingWeights(f"{path} 不是 LAC 标注器的权重({wrong[0]} 不符)。{remedy}")
    return {name: value.astype(np.float32) for name, value in stored.items()}


def _pairs(path: Path) -> list[tuple[str, str]]:
    try:
        rows = [line.split("\t") for line in path.read_text(encoding="utf-8").split("\n")]
    except OSError as error:
        raise MissingWeights(f"缺少 LAC 词典 {path}。请重新安装:pip install --force-reinstall jieba==0.42.1") from error
    return [(row[0], row[1]) for row in rows if len(row) == 2]
