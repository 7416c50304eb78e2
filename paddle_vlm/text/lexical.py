"""Words, parts of speech, and names of persons, places, organisations and times, by LAC-small."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np
import paddle

from paddle_vlm.errors import MissingWeights
from paddle_vlm.models.lac import LAC
from paddle_vlm.weights import fetch

NAMES = ("PER", "LOC", "ORG", "TIME")
LONGEST = 256  # characters; longer texts are cut at a sentence end, or here where there is none
_SENTENCE_ENDS = "。!?;\n,.、"


@dataclass(frozen=True)
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
    """LAC-small, loaded once. Safe to call from several threads."""

    def __init__(self, weights: str | Path = "lac_small") -> None:
        folder = fetch(weights)
        self._characters = {text: int(number) for number, text in _pairs(folder / "word.dic")}
        self._tags = [tag for _, tag in sorted(_pairs(folder / "tag.dic"), key=lambda pair: int(pair[0]))]
        self._model = LAC.from_jieba(folder / "model_baseline")
        self._lock = Lock()

    def analyze(self, texts: Sequence[str], batch: int = 64) -> list[list[Token]]:
        """The tokens of each text, which together are all of it; an empty text has none."""
        pieces = [(i, start, text[start:end]) for i, text in enumerate(texts) for start, end in _windows(text)]
        found: list[list[Token]] = [[] for _ in texts]
        tagged: dict[int, list[str]] = {}
        order = sorted(range(len(pieces)), key=lambda i: len(pieces[i][2]))
        for first in range(0, len(order), batch):
            chosen = order[first : first + batch]
            tagged |= zip(chosen, self._tag([pieces[i][2] for i in chosen]), strict=True)
        for i, (text, start, piece) in enumerate(pieces):
            found[text] += _tokens(piece, tagged[i], start)
        return found

    def _tag(self, texts: list[str]) -> list[list[str]]:
        unknown = self._characters["OOV"]
        ids = np.zeros((len(texts), max(map(len, texts))), np.int64)
        for row, text in zip(ids, texts, strict=True):
            row[: len(text)] = [self._characters.get(_half_width(character), unknown) for character in text]
        lengths = np.array([len(text) for text in texts], np.int64)
        with self._lock:
            tags = self._model.decode(paddle.to_tensor(ids), paddle.to_tensor(lengths))
        return [[self._tags[tag] for tag in row[:length]] for row, length in zip(tags, lengths, strict=True)]


def _half_width(character: str) -> str:
    """As in LAC's own q2b table: the network hardly knows the full-width forms (it takes `，` for a verb)."""
    return chr(ord(character) - 0xFEE0) if "！" <= character <= "～" else character


def _windows(text: str) -> list[tuple[int, int]]:
    """Cuts of at most LONGEST characters, after a sentence end where there is one in the second half."""
    cuts, start = [], 0
    while start < len(text):
        end = min(len(text), start + LONGEST)
        if end < len(text):
            ends = [i for i in range(start + LONGEST // 2, end) if _half_width(text[i]) in _SENTENCE_ENDS]
            end = ends[-1] + 1 if ends else end
        cuts.append((start, end))
        start = end
    return cuts


def _tokens(text: str, tags: list[str], offset: int) -> list[Token]:
    """Characters join until the next tag that begins a word; a word has the tag of its first character."""
    starts = [i for i, tag in enumerate(tags) if i == 0 or tag.endswith("-B") or (tag == "O" and tags[i - 1] != "O")]
    ends = [*starts[1:], len(text)]
    return [Token(text[a:b], tags[a].split("-")[0], offset + a, offset + b) for a, b in zip(starts, ends, strict=True)]


def _pairs(path: Path) -> list[tuple[str, str]]:
    try:
        rows = [line.split("\t") for line in path.read_text(encoding="utf-8").split("\n")]
    except OSError as error:
        raise MissingWeights(f"缺少 LAC 词典 {path}。请重新安装:pip install --force-reinstall jieba==0.42.1") from error
    return [(row[0], row[1]) for row in rows if len(row) == 2]
