"""The English that each Chinese word most often has in a parallel corpus (competitive linking, Melamed 2000)."""

import gzip
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from paddle_vlm.errors import MissingWeights

_WORD = re.compile(r"[A-Za-z][A-Za-z'&-]*")
_LONGEST = 4  # English words for one Chinese
_LEAST = 2  # lines that must agree

Pair = tuple[list[str], list[str]]  # Chinese words, English words
Scores = Mapping[str, Mapping[str, float]]


def load(path: Path) -> dict[str, str]:
    """Chinese word -> English. Raises MissingWeights."""
    try:
        rows = (line.partition("\t") for line in gzip.decompress(path.read_bytes()).decode("utf-8").splitlines())
        return {chinese: english for chinese, _, english in rows}
    except (OSError, ValueError, EOFError) as error:
        raise MissingWeights(f"无法读取词汇译表 {path}:{error}。请补全模型文件夹,或改用自带模型。") from error


def save(lexicon: Mapping[str, str], path: Path) -> None:
    """The counterpart of `load`; equal lexicons give equal bytes."""
    text = "".join(f"{chinese}\t{english}\n" for chinese, english in sorted(lexicon.items()))
    path.write_bytes(gzip.compress(text.encode("utf-8"), mtime=0))


def learn(lines: Iterable[tuple[list[str], str]]) -> dict[str, str]:
    """Lines of (Chinese words, English) -> the commonest English of a word, where two lines or more agree on it.

    Lines of a single word teach nothing, so that no line of the corpus comes back whole.

    In each line words take the English that goes best with them, each English word once; first by how often the two
    occur together (Dice), then again by how often they were linked.
    """
    pairs = [(list(dict.fromkeys(words)), _WORD.findall(english)) for words, english in lines if len(words) > 1]
    seen = Counter(word for words, _ in pairs for word in words)
    scores: Scores = _dice(pairs, seen)
    links: dict[str, Counter[str]] = {}
    for _ in range(2):
        links, capitals = _link(pairs, scores)
        scores = _shares(links, seen, scores)
    found = {}
    for word, counts in links.items():
        english, count = counts.most_common(1)[0]
        if count >= max(_LEAST, 0.1 * seen[word]):
            found[word] = _spelled(english, capitals[english])
    return found


def _phrases(words: list[str]) -> list[tuple[str, int, int]]:
    lower = [word.lower() for word in words]
    lengths = range(1, _LONGEST + 1)
    return [(" ".join(lower[i : i + n]), i, i + n) for n in lengths for i in range(len(lower) - n + 1)]


def _dice(pairs: list[Pair], seen: Counter[str]) -> Scores:
    together: dict[str, Counter[str]] = defaultdict(Counter)
    english: Counter[str] = Counter()
    for words, translation in pairs:
        phrases = {phrase for phrase, _, _ in _phrases(translation)}
        english.update(phrases)
        for word in words:
            together[word].update(phrases)
    return {
        word: {phrase: 2 * n / (seen[word] + english[phrase]) for phrase, n in counts.items() if n >= _LEAST}
        for word, counts in together.items()
    }


def _link(pairs: list[Pair], scores: Scores) -> tuple[dict[str, Counter[str]], dict[str, Counter[str]]]:
    """Counts of links (word -> phrase), and of the spellings of each linked phrase."""
    links: dict[str, Counter[str]] = defaultdict(Counter)
    capitals: dict[str, Counter[str]] = defaultdict(Counter)
    for words, translation in pairs:
        phrases = _phrases(translation)
        candidates = [
            (score, len(phrase), word, phrase, start, end)
            for word in words for phrase, start, end in phrases if (score := scores[word].get(phrase, 0.0)) >= 0.05
        ]  # fmt: skip
        linked, free = set(), [True] * len(translation)
        for _, _, word, phrase, start, end in sorted(candidates, reverse=True):
            if word not in linked and all(free[start:end]):
                linked.add(word)
                free[start:end] = [False] * (end - start)
                links[word][phrase] += 1
                # The first word's capital says nothing: count it for little.
                capitals[phrase][" ".join(translation[start:end])] += 10 if start else 1
    return links, capitals


def _shares(links: dict[str, Counter[str]], seen: Counter[str], before: Scores) -> Scores:
    total: Counter[str] = Counter()
    for counts in links.values():
        total.update(counts)
    scores = {word: {phrase: 0.5 * score for phrase, score in found.items()} for word, found in before.items()}
    for word, counts in links.items():
        for phrase, n in counts.items():
            if n >= _LEAST:
                scores[word][phrase] = 0.7 * n / seen[word] + 0.3 * n / total[phrase]
    return scores


def _spelled(phrase: str, spellings: Counter[str]) -> str:
    """Lower case, unless that is rare: then it is a name."""
    if spellings[phrase] >= 0.15 * spellings.total():
        return phrase
    return spellings.most_common(1)[0][0]
