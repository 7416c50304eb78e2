"""Parallel lines: Chinese and English side by side, cleaned, and batches of about equally many pieces."""

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from paddle_vlm.errors import BadData
from paddle_vlm.text.han import HAN

SETTINGS = "settings.json"  # beside prepared rows: how they were made, as far as the trained model needs to know
_POOL = 20_000  # lines that are sorted by length together
_LETTER = re.compile(r"[A-Za-z]")
_WORD = re.compile(r"[a-z]+")
_LITTLE = frozenset([
    "a", "an", "and", "are", "at", "be", "do", "for", "he", "i", "in", "is", "it", "not", "of",
    "on", "she", "that", "the", "they", "this", "to", "was", "we", "with", "you",
])  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """One line; `read` is the Chinese as an OCR engine read it, where that is known."""

    chinese: str
    english: str
    read: str | None = None


def read_prepared(path: Path) -> list[tuple[str, ...]]:
    """The rows of a file that tools/prepare_translator.py wrote. Raises BadData."""
    try:
        rows = [tuple(line.split("\t")) for line in path.read_text(encoding="utf-8").splitlines() if line]
    except (OSError, UnicodeDecodeError) as error:
        raise BadData(f"无法读取 {path}:{error}。请先运行 python tools/prepare_translator.py 准备数据。") from error
    wrong = next((n for n, row in enumerate(rows, 1) if len(row) != len(rows[0]) or len(row) < 2), None)
    if not rows or wrong:
        raise BadData(f"{path} 第 {wrong or 1} 行的列数不对。请重新运行 python tools/prepare_translator.py。")
    return rows


def clean(rows: Sequence[Sequence[str]]) -> list[Pair]:
    """Rows "Chinese, English[, Chinese as read]" that can teach: both sides are what they should be and about as long
    as each other, control characters are gone, exact copies are kept once."""
    found: dict[Pair, None] = {}
    for row in rows:
        if len(row) < 2:
            continue
        chinese, english, *read = (_printable(cell) for cell in row[:3])
        if not HAN.search(chinese) or not _LETTER.search(english) or HAN.search(english):
            continue
        words, characters = len(english.split()), len(HAN.findall(chinese))
        if not characters / 8 <= words <= 3 * characters + 4:
            continue
        found[Pair(chinese, english, read[0] if read and HAN.search(read[0]) else None)] = None
    return list(found)


def closest(pairs: Sequence[Pair], like: Iterable[Pair], count: int) -> list[Pair]:
    """The `count` of `pairs`, in their order, whose Chinese is most like that of `like`.

    Most like: the greatest difference of log-probability a character under a model of `like` and under one of `pairs`
    (Moore and Lewis 2010), both of character bigrams smoothed with unigrams.
    """
    if count >= len(pairs):
        return list(pairs)
    wanted, general = _Bigrams(p.chinese for p in like), _Bigrams(p.chinese for p in pairs)
    gains = np.array([wanted.rate(p.chinese) - general.rate(p.chinese) for p in pairs])
    return [pairs[i] for i in np.sort(np.argpartition(-gains, count)[:count])]


def plainest(pairs: Iterable[Pair], like: Iterable[Pair]) -> list[Pair]:
    """One pair for each Chinese line: the English of the words that are commonest in the English of `like`."""
    counts = Counter(word for pair in like for word in pair.english.lower().split())
    best: dict[str, tuple[float, Pair]] = {}
    for pair in pairs:
        words = pair.english.lower().split()
        rate = sum(math.log(counts[word] + 0.1) for word in words) / len(words)
        if pair.chinese not in best or rate > best[pair.chinese][0]:
            best[pair.chinese] = rate, pair
    return [pair for _, pair in best.values()]


def backing(augmented: str, english: str) -> float:
    """The share of the English words that are among the senses of an augmented line "Chinese ⇢ sense | sense".

    Words count as the same when they begin with the same four letters; the commonest little words are left out. A line
    that none of its senses backs is mostly a loose or a wrong translation.
    """
    senses = {word[:4] for word in _WORD.findall(augmented.partition("⇢")[2].lower())}
    words = [word[:4] for word in _WORD.findall(english.lower()) if word not in _LITTLE]
    return sum(word in senses for word in words) / len(words) if words else 0.0


class _Bigrams:
    """How probable a line is, character by character."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._pairs: Counter[str] = Counter()
        for line in lines:
            line = f"\n{line}\n"
            self._pairs.update(map("".join, zip(line, line[1:], strict=False)))
        self._firsts: Counter[str] = Counter()
        self._singles: Counter[str] = Counter()
        for pair, times in self._pairs.items():
            self._firsts[pair[0]] += times
            self._singles[pair[1]] += times
        self._total = self._singles.total() + len(self._singles) + 1

    def rate(self, line: str) -> float:
        """Mean log-probability of a character and of the line's end; of a bigram and of a unigram by halves."""
        line = f"\n{line}\n"
        total = 0.0
        for first, second in zip(line, line[1:], strict=False):
            seen = self._firsts[first]
            conditional = self._pairs[first + second] / seen if seen else 0.0
            total += math.log(0.5 * conditional + 0.5 * (self._singles[second] + 1) / self._total)
        return total / (len(line) - 1)


class Confusions:
    """Characters that an OCR engine takes for others, and how often, learnt from lines and what it read."""

    def __init__(self, pairs: Iterable[Pair]) -> None:
        """Lines that were read in their full length count; insertions and losses do not line up."""
        seen: Counter[str] = Counter()
        taken: dict[str, Counter[str]] = defaultdict(Counter)
        for pair in pairs:
            if pair.read and len(pair.read) == len(pair.chinese):
                seen.update(pair.chinese)
                for right, wrong in zip(pair.chinese, pair.read, strict=True):
                    if right != wrong:
                        taken[right][wrong] += 1
        self._rates = {right: wrong.total() / seen[right] for right, wrong in taken.items()}
        self._wrong = {right: (list(wrong), np.cumsum(list(wrong.values()))) for right, wrong in taken.items()}

    def misread(self, line: str, generator: np.random.Generator, factor: float = 1.0) -> str:
        """The line as the engine might have read it; `factor` times as many errors as it made."""
        chances = generator.random(len(line))
        return "".join(
            self._another(character, generator) if chance < factor * self._rates.get(character, 0.0) else character
            for character, chance in zip(line, chances, strict=True)
        )

    def _another(self, character: str, generator: np.random.Generator) -> str:
        names, totals = self._wrong[character]
        return names[int(np.searchsorted(totals, generator.integers(totals[-1]), side="right"))]


def _printable(text: str) -> str:
    return " ".join("".join(" " if unicodedata.category(c)[0] == "C" else c for c in text).split())


def token_batches(
    lengths: Sequence[tuple[int, int]], tokens: int, generator: np.random.Generator
) -> Iterator[np.ndarray]:
    """Groups of rows of similar length whose padded source and twice their padded target take at most `tokens` pieces.

    Args:
        lengths: source and target pieces of each row.
        generator: each call with an equal one gives the same batches.
    """
    sizes = np.array(lengths)
    order = generator.permutation(len(sizes))
    for start in range(0, len(order), _POOL):
        pool = order[start : start + _POOL]
        pool = pool[np.lexsort((sizes[pool, 1], sizes[pool, 0]))]
        groups, first, widest = [], 0, np.zeros(2, int)
        for place, row in enumerate(pool):
            grown = np.maximum(widest, sizes[row])
            if place > first and (grown[0] + 2 * grown[1]) * (place - first + 1) > tokens:
                groups.append(pool[first:place])
                first, grown = place, sizes[row]
            widest = grown
        groups.append(pool[first:])
        yield from (groups[i] for i in generator.permutation(len(groups)))
