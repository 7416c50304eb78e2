"""A line word by word from the dictionary, with names in pinyin: what stands in where the network is unsure."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path

from paddle_vlm.errors import MissingWeights
from paddle_vlm.text import names
from paddle_vlm.text.cedict import Cedict
from paddle_vlm.text.han import HAN
from paddle_vlm.text.hints import ARROW, Hint, HintBook
from paddle_vlm.translation import patterns

MORE_HINTS = ("gloss", "pinyin")  # the dictionary's sense where another was learnt from a corpus; every word as a name
LONGEST = 12  # characters of a dictionary phrase
_NOTICE = 4  # characters of a sign term that can stand alone
_KINDS = frozenset({
    "Road", "Street", "Store", "Hall", "Department", "Office", "Bureau", "Factory", "Station", "Bridge", "Province",
    "City", "County", "District", "Town", "Village", "Institute", "Group", "Company", "Center", "Ltd", "University",
    "Association", "College", "Hospital", "Hotel", "Bank", "Park", "Square", "Building", "School", "Restaurant",
    "Pharmacy", "Supermarket",
})  # fmt: skip
_SMALL = frozenset({"and", "of", "the", "for", "in", "on", "to", "or", "with"})


def more_hints(folder: Path) -> list[str]:
    """What a model of ours was trained to see beside the English of a word: some of MORE_HINTS. Raises MissingWeights.

    Models of other kinds and older ones, whose config.json says nothing of it, see nothing more.
    """
    path = folder / "config.json"
    wanted = json.loads(path.read_text(encoding="utf-8")).get("more_hints", [])
    if unknown := [str(name) for name in wanted if name not in MORE_HINTS]:
        known = "、".join(MORE_HINTS)
        raise MissingWeights(f"{path} 的 more_hints 中有不认识的 {'、'.join(unknown)},可用:{known}。请更正,或升级。")
    return list(wanted)


@dataclass(frozen=True)
class Literal:
    """The words' senses in order, and the share of the characters that the dictionary knew."""

    text: str
    known: float
    words: int


@dataclass(frozen=True)
class _Piece:
    """A stretch of a line in English; `word` is the Chinese word that it stands for, `sure` says that it is no guess.

    A `sign` is one of the sign terms, a `notice` one that says something by itself ("Staff only").
    """

    english: str
    word: Hint | None = None
    sure: bool = False
    sign: bool = False
    notice: bool = False

    @property
    def is_hint(self) -> bool:
        return bool(self.english) and (self.word is not None or self.sure)


class LiteralWriter:
    """Longest phrases first; learnt words, then the senses of the hints, then of the dictionary, then pinyin."""

    def __init__(
        self,
        book: HintBook,
        cedict: Cedict,
        *,
        words: Mapping[str, str],
        signs: Mapping[str, str],
        lexicon: Mapping[str, str],
        more_hints: Sequence[str] = (),
    ) -> None:
        """`words` come before everything ("-" leaves one out), `signs` are whole phrases too, and `lexicon` is what was
        learnt from a corpus (`lexicon.learn`). `more_hints`, of MORE_HINTS, go to the network beside a word's English.
        """
        self._book = book
        self._cedict = cedict
        self._words_first = words
        self._signs = signs
        self._lexicon = lexicon
        self._more_hints = more_hints

    def sign(self, text: str) -> str | None:
        """The English of a line that has no other words than sign terms, perhaps with numbers and prices, else None."""
        if text in self._signs:
            return self._signs[text]
        pieces = list(self._pieces(text))
        words = [piece for piece in pieces if piece.word]
        return _title(_joined(pieces)) if words and all(piece.sign for piece in words) else None

    def phrase(self, text: str) -> str | None:
        """The English of a whole phrase that the sign terms or the dictionary hold, else None."""
        if english := self._signs.get(text, self._lexicon.get(text) if len(text) > 1 else None):
            return english
        senses = self._cedict.senses(text) if len(text) > 1 else []
        short = [sense for sense in senses if len(sense.split()) <= 6]
        return _bare(short[0].split(", ")[0]) if short else None

    def write(self, text: str) -> Literal:
        """A line without the user's terms -> its words in English."""
        pieces = list(self._pieces(text))
        words = [(len(piece.word.word), piece.sure) for piece in pieces if piece.word]
        characters = sum(length for length, _ in words)
        known = sum(length for length, sure in words if sure) / characters if characters else 1.0
        return Literal(_title(_joined(pieces)), known, len(words))

    def augment(self, text: str, terms: Mapping[str, str] | None = None) -> str:
        """The network's input, `line ⇢ word | word | Pinyin`: the line and the English of its words, in order.

        With `more_hints`, `line ⇢ word / other sense / Pinyin | …`, each where it differs from those before it.
        `terms` are Chinese words of the line with the only English that they may have, the longest first.
        """
        hints = []
        longest_first = sorted(terms or (), key=len, reverse=True)
        parts = re.split(f"({'|'.join(map(re.escape, longest_first))})", text) if terms else [text]
        for part in parts:
            known = (terms or {}).get(part)
            hints += [known] if known else [self._hints(piece) for piece in self._pieces(part) if piece.is_hint]
        return f"{text} {ARROW} {' | '.join(hints)}"

    def _hints(self, piece: _Piece) -> str:
        """The English of a piece and what the network is to see beside it."""
        word = piece.word
        if word is None or not self._more_hints or word.word in self._words_first or word.word in self._signs:
            return piece.english
        others = {"gloss": lambda hint: self._look_up(hint)[0], "pinyin": self._spelled}
        found: dict[str, str] = {}
        for hint in [piece.english, *(others[kind](word) for kind in self._more_hints)]:
            found.setdefault(hint.lower(), hint)
        return " / ".join(found.values())

    def _pieces(self, text: str) -> Iterator["_Piece"]:
        """Words, and what stands between them: numbers with units in English, the rest as it is."""
        at = 0
        for start, end in [*patterns.spans(text), (len(text), len(text))]:
            for chinese, run in groupby(text[at:start], key=lambda character: bool(HAN.match(character))):
                if not chinese:
                    yield _Piece("".join(run).strip())
                    continue
                for hint in self._words("".join(run)):
                    english, sure = self._sense(hint)
                    sign = hint.word in self._signs
                    notice = sign and len(hint.word) >= _NOTICE and " " in english
                    yield _Piece(english, hint, sure, sign, notice)
            unit = patterns.whole(text[start:end])
            yield _Piece(unit or text[start:end], sure=bool(unit))
            at = end

    def _words(self, text: str) -> list[Hint]:
        """jieba's words, joined while they make a phrase of the dictionary; the rest of the text between them."""
        words = [Hint(word, tag) for word, tag in self._book.segmenter.tag(text)] if text else []
        found: list[Hint] = []
        i = 0
        while i < len(words):
            joined, end = words[i].word, i + 1
            best = end
            while end < len(words) and len(joined) + len(words[end].word) <= LONGEST:
                joined += words[end].word
                end += 1
                if self._has_phrase(joined):
                    best = end
            whole = "".join(word.word for word in words[i:best])
            if found and found[-1].tag == "ns" and names.extends_place(whole):
                found[-1] = Hint(found[-1].word + whole, "ns")
            else:
                found.append(Hint(whole, words[i].tag if best == i + 1 else "n"))
            i = best
        return found

    def _sense(self, hint: Hint) -> tuple[str, bool]:
        """The English of one word, and whether it is more than a guess."""
        word = hint.word
        if word in self._words_first:
            return self._words_first[word].strip("-"), True
        if english := self._signs.get(word, self._lexicon.get(word)):
            return english, True
        return self._look_up(hint)

    def _look_up(self, hint: Hint) -> tuple[str, bool]:
        """As `_sense`, from the dictionary alone."""
        word = hint.word
        senses = [sense.split(",")[0] for sense in self._cedict.senses(word)]
        if hint.tag[:2] == "nr" and names.surname_first(word) and not (senses and len(word) > 2):
            return names.person(word), True
        if best := self._best(hint, senses):
            return best, True
        if parts := self._parts(hint):
            return parts, True
        return self._spelled(hint), hint.is_name

    def _spelled(self, hint: Hint) -> str:
        """A word as a name: 张伟 -> Zhang Wei, 幸福路 -> Xingfu Road, 幸 -> Xing."""
        word = hint.word
        if hint.tag[:2] == "nr" and names.surname_first(word):
            return names.person(word)
        return names.place(word) if len(word) > 1 else names.pinyin(word)

    def _best(self, hint: Hint, senses: list[str]) -> str:
        """The sense that the domain uses most and that suits the part of speech, in the dictionary's own capitals."""
        short = [sense for sense in senses if len(sense.split()) <= 5]
        reading = names.pinyin(hint.word)
        if any(sense.startswith(reading) for sense in short) and len(hint.word) > 1:
            return names.place(hint.word)  # Wuhan, not "Wuhan city on Changjiang"
        spelled = {_bare(sense).lower(): sense for sense in reversed(short)}
        common = [part.strip() for gloss in self._book.glosses.get(hint.word, ()) for part in gloss.split(";")[:1]]
        candidates = [spelled.get(sense, sense) for sense in common] or short
        noun = hint.tag in ("n", "vn", "an")
        suited = [sense for sense in candidates if not (noun and sense.startswith("to "))]
        return _bare((suited or candidates or [""])[0].split(",")[0])

    def _parts(self, hint: Hint) -> str:
        """A compound that no dictionary has, from the words it is made of: 水果店 -> fruit store."""
        word = hint.word
        if hint.is_name and len(word) < 4:
            return ""
        found, at = [], 0
        while at < len(word):
            ends = [end for end in range(min(len(word), at + 5), at, -1) if self._has_part(word[at:end])]
            if not ends:
                return ""
            found.append(word[at : ends[0]])
            at = ends[0]
        singles = sum(len(part) == 1 for part in found)
        if found == [word] or singles > (2 if len(word) == 2 else 1):
            return ""
        return " ".join(self._sense(Hint(part, "n"))[0] for part in found)

    def _has_phrase(self, text: str) -> bool:
        return text in self._signs or text in self._words_first or text in self._cedict

    def _has_part(self, part: str) -> bool:
        known = part in self._words_first or part in self._signs or part in self._lexicon
        return known or (len(part) > 1 and bool(self._cedict.senses(part)))


def _joined(pieces: Iterable[_Piece]) -> str:
    """The pieces in one line, a full stop between two notices that were written without one."""
    written = [piece for piece in pieces if piece.english]
    text = "".join(one.english + (". " if one.notice and other.notice else " ") for one, other in pairwise(written))
    return text + (written[-1].english if written else "")


def _title(text: str) -> str:
    """Names of bodies and places have capitals throughout; elsewhere their kinds (Center, Road) have none."""
    words = text.split()
    kind = words and len(words) <= 12 and words[-1].strip(".,") in _KINDS
    if kind:
        return " ".join(word if word in _SMALL else word[:1].upper() + word[1:] for word in words)
    return " ".join(word.lower() if word in _KINDS else word for word in words)


def _bare(sense: str) -> str:
    """Without the dictionary's infinitive mark or article."""
    return re.sub(r"^(?:to|an?|the) (?=\w)", "", sense)
