"""Captions and queries as characters, each with the jieba word that it is part of, by number."""

import json
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from paddle_vlm.errors import MissingWeights, OutputError
from paddle_vlm.text.segment import Segmenter

PAD, UNKNOWN = 0, 1
FILE = "vocabulary.json"


def normalize(text: str) -> str:
    """Half-width, lower case, and only what carries meaning: letters, digits and Chinese characters."""
    folded = unicodedata.normalize("NFKC", text).lower()
    return "".join(character for character in folded if character.isalnum())


@dataclass
class CaptionVocabulary:
    """Characters and words that have a number of their own; 0 is padding and 1 stands for all others."""

    characters: list[str] = field(default_factory=list)  # number 2, 3, ...
    words: list[str] = field(default_factory=list)

    @classmethod
    def of(
        cls, captions: Iterable[str], least_characters: int = 2, least_words: int = 3, extra: Sequence[str] = ()
    ) -> "CaptionVocabulary":
        """What occurs often enough in `captions`, the most frequent first, and everything in the texts `extra`."""
        vocabulary = cls()
        characters: Counter[str] = Counter()
        words: Counter[str] = Counter()
        for texts, weight in ((captions, 1), (extra, least_characters + least_words)):
            for text in texts:
                for word in vocabulary.cut(text):
                    words[word] += weight
                    characters.update(dict.fromkeys(word, weight))
        vocabulary.characters = [item for item, count in characters.most_common() if count >= least_characters]
        vocabulary.words = [item for item, count in words.most_common() if count >= least_words]
        return vocabulary

    def cut(self, text: str) -> list[str]:
        """Normalised words in order."""
        return self._cut(normalize(text))

    def encode(self, texts: Sequence[str], longest: int) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of characters and of the words around them, int64 [B, T] each, T <= `longest`.

        A text without a letter or character counts as one unknown character.
        """
        rows = [self._numbers(text)[:longest] for text in texts]
        found = np.full((2, len(rows), max(map(len, rows), default=1)), PAD, np.int64)
        for i, row in enumerate(rows):
            found[:, i, : len(row)] = np.array(row).T
        return found[0], found[1]

    def save(self, folder: Path) -> None:
        """Write `folder`/vocabulary.json. Raises OutputError."""
        content = json.dumps({"characters": self.characters, "words": self.words}, ensure_ascii=False, indent=0)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / FILE).write_text(content + "\n", encoding="utf-8")
        except OSError as error:
            cause = error.strerror or error
            raise OutputError(f"无法写入 {folder / FILE}:{cause}。请检查写权限和剩余空间。") from error

    @classmethod
    def load(cls, folder: Path) -> "CaptionVocabulary":
        """The counterpart of `save`. Raises MissingWeights."""
        try:
            content = json.loads((folder / FILE).read_text(encoding="utf-8"))
            return cls(content["characters"], content["words"])
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise MissingWeights(f"模型文件夹 {folder} 中的 {FILE} 缺失或已损坏。请使用完整的模型。") from error

    def _numbers(self, text: str) -> list[tuple[int, int]]:
        characters, words = self._numbered
        row = [
            (characters.get(character, UNKNOWN), words.get(word, UNKNOWN))
            for word in self.cut(text)
            for character in word
        ]
        return row or [(UNKNOWN, UNKNOWN)]

    @cached_property
    def _cut(self) -> Callable[[str], list[str]]:
        # Training asks for each caption twice: for the vocabulary, and for its numbers.
        return lru_cache(1 << 17)(Segmenter().cut)

    @cached_property
    def _numbered(self) -> tuple[dict[str, int], dict[str, int]]:
        first = UNKNOWN + 1
        return (
            {item: number for number, item in enumerate(self.characters, first)},
            {item: number for number, item in enumerate(self.words, first)},
        )
