"""Keywords (TF-IDF, TextRank) and extractive summaries (TextRank over sentences, MMR against repetition)."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import jieba.analyse
import numpy as np

from paddle_vlm.text.segment import Segmenter

# A sentence goes on to its end marks and the closing quotation marks or brackets after them, or to the line's end.
_SENTENCE = re.compile(r"[^。！？!?…\n]+(?:[。！？!?…]+[”’」』）)\]】]*)?")
_CONTENT = (
    "n",
    "nr",
    "ns",
    "nt",
    "nz",
    "nrt",
    "vn",
    "v",
    "a",
    "an",
    "i",
    "l",
    "eng",
)  # parts of speech that tell a topic
BLOCK = 600  # sentences that are compared with each other; a longer text is thinned out block by block
DAMPING = 0.85


@dataclass(frozen=True)
class Keyword:
    """A word and how much it says about the text: 1.0 for the best one."""

    word: str
    weight: float


@dataclass(frozen=True)
class Sentence:
    """A sentence at text[start:end]."""

    text: str
    start: int
    end: int


class Summarizer:
    """Keywords and summaries; loaded once."""

    def __init__(self, segmenter: Segmenter | None = None) -> None:
        self._segmenter = segmenter or Segmenter()
        self._extractors = {"tfidf": jieba.analyse.TFIDF(), "textrank": jieba.analyse.TextRank()}
        for extractor in self._extractors.values():
            extractor.tokenizer = extractor.postokenizer = self._segmenter.tagger

    def keywords(self, text: str, k: int = 10, method: Literal["tfidf", "textrank"] = "tfidf") -> list[Keyword]:
        """The k words (names, nouns, verbs, adjectives) that say most about the text, best first.

        TF-IDF weighs how often a word occurs here against how rare it is elsewhere (jieba's table); TextRank (Mihalcea
        and Tarau 2004) asks which words stand near many others that matter.
        """
        extract = self._extractors[method].extract_tags
        found = extract(text, topK=k, withWeight=True, allowPOS=_CONTENT) if k > 0 else []
        highest = max((weight for _, weight in found), default=1.0)
        return [Keyword(word, round(weight / highest, 4)) for word, weight in found]

    def summary(self, text: str, sentences: int = 3, novelty: float = 0.5) -> list[Sentence]:
        """The sentences that stand for the text, in its order; all of them if there are no more.

        `novelty` (0 to 1) is how much being unlike the sentences already chosen counts against being central (maximal
        marginal relevance, Carbonell and Goldstein 1998).
        """
        candidates = split_sentences(text)
        while len(candidates) > BLOCK:
            parts = [candidates[first : first + BLOCK] for first in range(0, len(candidates), BLOCK)]
            candidates = [each for part in parts for each in self._choose(part, max(sentences, BLOCK // 10), 0.0)]
            if sentences >= BLOCK // 10:
                break
        return self._choose(candidates, sentences, novelty)

    def _choose(self, candidates: Sequence[Sentence], count: int, novelty: float) -> list[Sentence]:
        if len(candidates) <= count:
            return list(candidates)
        likeness = self._likeness(candidates)
        centrality = text_rank(likeness)
        chosen: list[int] = []
        repeated = np.zeros(len(candidates))
        for _ in range(count):
            value = (1 - novelty) * centrality / centrality.max() - novelty * repeated
            value[chosen] = -np.inf
            chosen.append(int(value.argmax()))
            repeated = np.maximum(repeated, likeness[chosen[-1]])
        return [candidates[i] for i in sorted(chosen)]

    def _likeness(self, sentences: Sequence[Sentence]) -> np.ndarray:
        """Cosine of the words' TF-IDF of each two sentences, [N, N] in 0..1; 0 for a sentence with itself."""
        table = self._extractors["tfidf"]
        words = [[w for w in self._segmenter.cut(s.text.lower()) if len(w) > 1] for s in sentences]
        numbers = {word: n for n, word in enumerate(dict.fromkeys(word for row in words for word in row))}
        counts = np.zeros((len(sentences), max(1, len(numbers))), np.float32)
        for row, found in zip(counts, words, strict=True):
            np.add.at(row, [numbers[word] for word in found], 1)
        counts *= [table.idf_freq.get(word, table.median_idf) for word in numbers] or [0.0]
        counts /= np.maximum(np.linalg.norm(counts, axis=1, keepdims=True), 1e-9)
        likeness = counts @ counts.T
        np.fill_diagonal(likeness, 0)
        return likeness


def split_sentences(text: str) -> list[Sentence]:
    """The sentences of a text, without the space around them; a line's end ends a sentence."""
    found = []
    for match in _SENTENCE.finditer(text):
        stripped = match.group().strip()
        if any(character.isalnum() for character in stripped):
            start = match.start() + match.group().index(stripped)
            found.append(Sentence(stripped, start, start + len(stripped)))
    return found


def text_rank(likeness: np.ndarray) -> np.ndarray:
    """PageRank in a graph with these symmetric weights [N, N] (Mihalcea and Tarau 2004): float64 [N], a mean of 1."""
    totals = likeness.sum(1)
    flow = likeness / np.where(totals > 0, totals, 1)  # column j: where j's vote goes
    rank = np.ones(len(likeness))
    for _ in range(100):
        new = 1 - DAMPING + DAMPING * (flow @ rank)
        if math.isclose(float(abs(new - rank).max()), 0, abs_tol=1e-6):
            break
        rank = new
    return rank / max(rank.mean(), 1e-12)
