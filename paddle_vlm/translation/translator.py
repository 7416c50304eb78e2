"""Chinese lines of signs, menus and labels into English: memory, glossary, phrases, network, dictionary words."""

import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal as OneOf

from paddle_vlm.text.cedict import Cedict
from paddle_vlm.text.han import HAN
from paddle_vlm.text.hints import HintBook
from paddle_vlm.translation import lexicon, patterns
from paddle_vlm.translation.clauses import Part, keeps_tokens, split_fixed, split_line, split_pauses, split_words
from paddle_vlm.translation.confidence import Confidence
from paddle_vlm.translation.glossary import Glossary, Match, Memory
from paddle_vlm.translation.literal import LiteralWriter, more_hints
from paddle_vlm.translation.network import Draft, Network
from paddle_vlm.translation.wording import normalize, polish
from paddle_vlm.weights import fetch

log = logging.getLogger(__name__)

Source = OneOf["glossary", "memory", "model", "dictionary", "kept"]
PHRASE_SCORE = 0.9  # of a whole clause that the sign terms hold
_FRAGMENT = 4  # characters up to which what stands between terms is left to the dictionary
_CHUNK = 20  # characters of a clause without punctuation that the network can take with its hints
_SHIELD = 0xE000  # private-use characters stand for the user's terms while the English around them is polished


@dataclass(frozen=True)
class Translation:
    """English for one line. `score` is the estimated probability that it is acceptable."""

    text: str
    source: Source
    score: float


class Translator:
    """Loads the model once; `translate` may be called from several threads."""

    def __init__(
        self,
        model: str | Path = "translator",
        glossary: Glossary | None = None,
        memory: Memory | None = None,
        device: str = "auto",
        threads: int | None = None,
    ) -> None:
        """`model` names bundled weights, a folder of the same files, or a Hugging Face folder of a Marian model.

        `threads` of the network; all cores unless given. Raises MissingWeights.
        """
        folder = fetch(model)
        self._network = Network(folder, device, threads)
        self._confidence = Confidence.load(folder)
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self._decoding = config.get("decoding") or {"beam": config.get("num_beams", 1)}
        self._cedict = Cedict.load()
        self._book = HintBook(_resource(folder, "cedict_glosses.tsv.gz"))
        self._writer = LiteralWriter(
            self._book,
            self._cedict,
            words=Glossary.load(_resource(folder, "words.tsv")).terms,
            signs=Glossary.load(_resource(folder, "sign_terms.tsv")).terms,
            lexicon=lexicon.load(_resource(folder, "lexicon.tsv.gz")),
            more_hints=more_hints(folder),
        )
        self._glossary = (glossary or Glossary({})).normalized(self._plain)
        self._memory = (memory or Memory({})).normalized(self._plain)
        self._source = lru_cache(1024)(self._source_of)  # asked for when a clause is measured and when it is written

    def translate(self, texts: Sequence[str]) -> list[Translation]:
        """One translation a text, in order. What holds no Chinese is kept as it is, no Chinese character is left."""
        lines = [self._plain(text) for text in texts]
        trees = {line: self._parse(line) for line in lines if HAN.search(line) and self._whole(line) is None}
        clauses = self._clauses({part.text for parts in trees.values() for part in parts if part.to_translate})
        done = {line: self._join(parts, clauses) for line, parts in trees.items()}
        return [
            self._whole(line) or done.get(line) or Translation(text, "kept", 1.0)
            for text, line in zip(texts, lines, strict=True)
        ]

    def dictionary_words(self, texts: Sequence[str]) -> list[str]:
        """What the dictionary alone makes of each text: its words in their Chinese order."""
        return [polish(self._writer.write(self._plain(text)).text) for text in texts]

    def _plain(self, text: str) -> str:
        return self._cedict.simplify(normalize(text))

    def _whole(self, line: str) -> Translation | None:
        """A line that the user's memory or glossary holds as it is."""
        if (english := self._memory.get(line)) is not None:
            return Translation(english, "memory", 1.0)
        if (english := self._glossary.terms.get(line)) is not None:
            return Translation(english, "glossary", 1.0)
        return None

    def _parse(self, line: str) -> list[Part]:
        """Clauses that the network can take whole, and what stands between them."""
        found: list[Part] = []
        for clause in split_line(line, self._glossary.find(line)):
            if not clause.to_translate or self._fits(clause.text):
                found.append(clause)
                continue
            for part in split_pauses(clause.text, self._glossary.find(clause.text)):
                found += [part] if not part.to_translate or self._fits(part.text) else self._chunks(part.text)
        return found

    def _chunks(self, text: str) -> Iterable[Part]:
        """Groups of words; a term of the glossary is one word."""
        words: list[str] = []
        for part in split_fixed(text, self._glossary.find(text)):
            words += [part.text] if part.english else self._book.segmenter.cut(part.text)
        return split_words(words, _CHUNK)

    def _fits(self, clause: str) -> bool:
        if len(clause) > self._network.longest:
            return False
        return self._network.source_pieces(self._source(clause)) <= self._network.longest

    def _source_of(self, clause: str) -> str:
        """What the network reads for a clause."""
        if not self._network.takes_hints:
            return clause
        terms = {clause[match.start : match.end]: match.english for match in self._glossary.find(clause)}
        return self._writer.augment(clause, terms)

    def _clauses(self, clauses: Iterable[str], fragments: bool = False) -> dict[str, Translation]:
        """Every clause once: phrases, then the network, then apart what it did not carry over."""
        done = {clause: found for clause in clauses if (found := self._phrase(clause))}
        if fragments and self._network.takes_hints:
            done |= {c: self._fragment(c) for c in set(clauses) - done.keys() if len(HAN.findall(c)) <= _FRAGMENT}
        queue = sorted(set(clauses) - done.keys())
        drafts = self._draft(queue)
        broken: dict[str, list[Part]] = {}
        for clause in queue:
            best = self._judge(clause, drafts[clause])
            if best is None:
                broken[clause] = split_fixed(clause, self._glossary.find(clause))
            else:
                done[clause] = best
        smaller = {part.text for parts in broken.values() for part in parts if part.to_translate}
        if smaller - done.keys():
            done |= self._clauses(smaller - done.keys(), fragments=True)
        return done | {clause: self._join(parts, done) for clause, parts in broken.items()}

    def _phrase(self, clause: str) -> Translation | None:
        """A clause that needs no network."""
        text = clause.strip()
        if (found := self._whole(text)) is not None:
            return found
        if self._glossary.find(text):
            return None
        english = patterns.whole(text) or self._writer.sign(text)
        return Translation(polish(english), "dictionary", PHRASE_SCORE) if english else None

    def _fragment(self, text: str) -> Translation:
        """What is left of a clause between the user's terms: a few words, for which the network knows no better."""
        literal = self._writer.write(text)
        return Translation(polish(literal.text), "dictionary", PHRASE_SCORE * literal.known)

    def _draft(self, clauses: list[str]) -> dict[str, Draft]:
        drafts = self._network.write([self._source(clause) for clause in clauses], **self._decoding)
        return dict(zip(clauses, drafts, strict=True))

    def _judge(self, clause: str, draft: Draft) -> Translation | None:
        """The network's words or the dictionary's, whichever is likelier right; None when terms or numbers got lost."""
        terms = self._glossary.find(clause)
        text = _obeying(polish(draft.text), terms)
        literal, phrase = self._writer.write(clause), self._writer.phrase(clause.strip())
        splits = any(part.english or not part.to_translate for part in split_fixed(clause, terms))
        sound = text is not None and keeps_tokens(_without(clause, terms), text)
        ours = self._confidence.of_model(clause, draft, literal) if sound else 0.0
        if text and sound and (terms or self._confidence.prefers_model(clause, draft, literal, phrase is not None)):
            return Translation(text, "model", ours)
        if terms or (splits and not sound):
            return None
        theirs = self._confidence.of_dictionary(clause, draft, literal)
        return Translation(phrase or polish(literal.text), "dictionary", theirs)

    def _join(self, parts: list[Part], done: dict[str, Translation]) -> Translation:
        """The line put together again; its score is the mean over the Chinese characters."""
        shielded: list[str] = []
        written, used, weights = [], [], []
        for part in parts:
            translation = done.get(part.text) if part.to_translate else None
            english = translation.text if translation else part.english
            if translation and translation.source in ("glossary", "memory") or part.english:
                shielded.append(english or "")
                english = f" {chr(_SHIELD + len(shielded) - 1)} "
                translation = translation or Translation(part.english or "", "glossary", 1.0)
            if translation:
                used.append(translation)
                weights.append(len(HAN.findall(part.text)) or 1)
            written.append(f" {english} " if translation else part.text)
        text = polish("".join(written))
        for i, english in enumerate(shielded):
            text = text.replace(chr(_SHIELD + i), english)
        score = sum(t.score * w for t, w in zip(used, weights, strict=True)) / max(1, sum(weights))
        return Translation(text, _source(used), score)


def _resource(folder: Path, name: str) -> Path:
    """A word list of the model's folder, or the bundled one: other weights need not bring their own."""
    return folder / name if (folder / name).exists() else fetch("translator") / name


def _source(used: list[Translation]) -> Source:
    """The least certain kind of the parts, the network before the dictionary."""
    kinds: tuple[Source, ...] = ("model", "dictionary", "glossary", "memory")
    return next((kind for kind in kinds if any(t.source == kind for t in used)), "kept")


def _without(clause: str, terms: list[Match]) -> str:
    for match in reversed(terms):
        clause = f"{clause[: match.start]} {clause[match.end :]}"
    return clause


def _obeying(text: str, terms: list[Match]) -> str | None:
    """The text with every term spelled as the user wants it, or None if one is missing."""
    lowered = text.lower()
    for match in terms:
        at = lowered.find(match.english.lower())
        if at < 0:
            return None
        text = text[:at] + match.english + text[at + len(match.english) :]
        lowered = lowered[:at] + "\n" * len(match.english) + lowered[at + len(match.english) :]
    return text
