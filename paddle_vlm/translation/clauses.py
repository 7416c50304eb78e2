"""A line's structure: labels, brackets, sentences and numbering stay where they are, what is between is translated."""

import re
from dataclasses import dataclass

from paddle_vlm.text.han import HAN
from paddle_vlm.translation.glossary import Match
from paddle_vlm.translation.patterns import spans, whole

_BOUNDARY = re.compile(
    r"：|(?<!\d):|:(?!\d)|[。！？；;!?]+|[【】\[\]()（）《》〈〉「」『』“”\"]|\s*[|｜•]\s*|\s+[-—*/·]\s+|(?<![\d元])/(?!\d)"
    r"|^\s*\d{1,2}[.．、)](?!\d)\s*|…+|—{2,}|\n"
    r"|[\u2190-\u21ff\u2460-\u27bf\u2b00-\u2bff\ufe0e\ufe0f\u200d\U0001f000-\U0001faff]+"  # arrows, symbols, emoji
)
_PAUSE = re.compile(r"[，、,]|\s+")
# What must come through as it is: numbers, prices, telephone numbers, addresses, Latin words and codes.
_TOKEN = re.compile(r"(?:[A-Za-z0-9@¥$#&+]|(?<=[A-Za-z0-9])[.\-:/_%+@&~]+(?=[A-Za-z0-9]))+%?")
_EDGES = " ,，、.。;；:：-—~·*'’‘"


@dataclass(frozen=True)
class Part:
    """A piece of a line: Chinese to translate, or text that stays (`english` None or given)."""

    text: str
    english: str | None = None  # given: a term of the glossary

    @property
    def to_translate(self) -> bool:
        return self.english is None and bool(HAN.search(self.text))


def split_line(text: str, terms: list[Match]) -> list[Part]:
    """Clauses and what stands between them; no term of the glossary is cut."""
    return _cut(text, [m for m in _BOUNDARY.finditer(text) if not _inside(m.start(), m.end(), terms)])


def split_pauses(text: str, terms: list[Match]) -> list[Part]:
    """At commas and spaces."""
    return _cut(text, [m for m in _PAUSE.finditer(text) if not _inside(m.start(), m.end(), terms)])


def split_fixed(text: str, terms: list[Match]) -> list[Part]:
    """The terms of the glossary, and numbers with their units and Latin words, apart from the Chinese between them."""
    fixed = [(match.start, match.end, match.english) for match in terms]
    for start, end in [*spans(text), *(match.span() for match in _TOKEN.finditer(text))]:
        if all(end <= a or b <= start for a, b, _ in fixed):
            fixed.append((start, end, ""))
    parts, at = [], 0
    for start, end, english in sorted(fixed):
        parts += [*_bare(text[at:start]), Part(text[start:end], english or None)]
        at = end
    return [part for part in [*parts, *_bare(text[at:])] if part.text]


def split_words(words: list[str], longest: int) -> list[Part]:
    """Words in groups of at most `longest` characters (a longer word is cut)."""
    groups = [""]
    for word in words:
        for piece in (word[i : i + longest] for i in range(0, len(word), longest)):
            if len(groups[-1]) + len(piece) > longest:
                groups.append("")
            groups[-1] += piece
    return [Part(group) for group in groups if group]


def keeps_tokens(source: str, english: str) -> bool:
    """Whether every number, unit and Latin word of the source occurs in the English, numbers as often as there."""
    left = re.sub(r"[\s,]", "", english.lower())
    written = [(whole(source[start:end]) or "").lower() for start, end in spans(source)]
    if not all(re.sub(r"[\s,]", "", word) in left for text in written for word in text.split()):
        return False
    for token in sorted(_TOKEN.findall(source), key=len, reverse=True):
        token = re.sub(r"[,]", "", token.lower())
        if token not in left:
            return False
        left = left.replace(token, "\n", 1)
    return True


def _cut(text: str, boundaries: list[re.Match[str]]) -> list[Part]:
    parts, at = [], 0
    for match in boundaries:
        parts += [*_bare(text[at : match.start()]), Part(match[0])]
        at = match.end()
    return [part for part in [*parts, *_bare(text[at:])] if part.text]


def _bare(text: str) -> list[Part]:
    """Punctuation and spaces at the edges apart from the words."""
    words = text.strip(_EDGES)
    start = text.find(words) if words else len(text)
    return [Part(text[:start]), Part(words), Part(text[start + len(words) :])]


def _inside(start: int, end: int, terms: list[Match]) -> bool:
    return any(term.start < end and start < term.end for term in terms)
