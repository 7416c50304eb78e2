"""Words, parts of speech, names, class, keywords and summary of Chinese texts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from paddle_vlm.errors import UsageError
from paddle_vlm.files import write_json
from paddle_vlm.runtime import heavy_imports
from paddle_vlm.text.lexical import NAMES, LexicalAnalyzer, Token
from paddle_vlm.text.user_words import UserWords

if TYPE_CHECKING:
    from paddle_vlm.text.classify import Classified, Classifier
    from paddle_vlm.text.summarize import Keyword, Sentence, Summarizer

Part = Literal["words", "sentiment", "topic", "keywords", "summary"]
PARTS: tuple[Part, ...] = get_args(Part)
TAGGER = "lac_msra"

TAG_NAMES = {
    "PER": "人名", "LOC": "地名", "ORG": "机构", "TIME": "时间", "n": "名词", "nr": "人名", "ns": "地名", "nt": "机构",
    "nw": "作品名", "nz": "专名", "v": "动词", "vd": "副动词", "vn": "名动词", "a": "形容词", "ad": "副形词",
    "an": "名形词", "d": "副词", "f": "方位词", "m": "数量词", "p": "介词", "q": "量词", "r": "代词", "s": "处所词",
    "t": "时间词", "u": "助词", "c": "连词", "xc": "虚词", "w": "标点",
}  # fmt: skip


@dataclass
class TextAnalysis:
    """What was found in a text; a part that was not asked for is None."""

    text: str
    words: list[Token] | None = None
    sentiment: "Classified | None" = None
    topic: "Classified | None" = None
    keywords: "list[Keyword] | None" = None
    summary: "list[Sentence] | None" = None

    @property
    def names(self) -> list[Token]:
        """Persons, places, organisations and times, in order."""
        return [token for token in self.words or () if token.is_name]

    def to_dict(self) -> dict[str, Any]:
        """The JSON record."""
        record: dict[str, Any] = {"text": self.text}
        if self.words is not None:
            record["words"] = [_token(token) for token in self.words]
            record["names"] = [_token(token) for token in self.names]
        for name, found in (("sentiment", self.sentiment), ("topic", self.topic)):
            if found is not None:
                shares = {label: round(share, 4) for label, share in found.probabilities.items()}
                record[name] = {"label": found.label, "probability": shares[found.label], "probabilities": shares}
        if self.keywords is not None:
            record["keywords"] = [{"word": each.word, "weight": each.weight} for each in self.keywords]
        if self.summary is not None:
            record["summary"] = [{"text": each.text, "start": each.start, "end": each.end} for each in self.summary]
        return record

    def table(self) -> str:
        """For the terminal, a part a line."""
        rows = []
        if self.words is not None:
            shown = (token for token in self.words if not token.word.isspace())
            rows.append(("词语", " ".join(f"{token.word}/{TAG_NAMES.get(token.tag, token.tag)}" for token in shown)))
            for kind in NAMES:
                found = dict.fromkeys(token.word for token in self.words if token.tag == kind)
                rows += [(TAG_NAMES[kind], "、".join(found))] if found else []
        for title, chosen in (("情感", self.sentiment), ("主题", self.topic)):
            rows += [(title, f"{chosen.label}({chosen.probability:.1%})")] if chosen else []
        if self.keywords is not None:
            rows.append(("关键词", "、".join(each.word for each in self.keywords)))
        if self.summary is not None:
            rows.append(("摘要", "".join(each.text for each in self.summary)))
        return "\n".join(f"{title}{'  ' * (4 - len(title))}{content}" for title, content in rows)

    def save(self, path: str | Path) -> Path:
        """Write `to_dict()` as UTF-8 JSON, whole or not at all. Raises OutputError."""
        path = Path(path)
        write_json(path, self.to_dict(), parents=False)
        return path


@dataclass
class TextAnalyzer:
    """Chinese text analysis on this machine alone. Each model is loaded when a part first needs it.

    Args:
        tagger: "lac_msra" (names as news have them), "lac_small" (as jieba ships it) or a folder of your own.
        sentiment: "sentiment" (shipped) or a folder of your own.
        topic: "topic" (shipped) or a folder of your own.
        words: a user dictionary, or its file.
    """

    tagger: str | Path = TAGGER
    sentiment: str | Path = "sentiment"
    topic: str | Path = "topic"
    words: UserWords | str | Path | None = None
    _words: UserWords | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        given = self.words
        self._words = given if isinstance(given, UserWords) or given is None else UserWords.load(given)

    def analyze(
        self, text: str, *, parts: Sequence[Part] = PARTS, keywords: int = 5, sentences: int = 3
    ) -> TextAnalysis:
        """All `parts` of one text. UsageError for a part that there is not."""
        return self.analyze_many([text], parts=parts, keywords=keywords, sentences=sentences)[0]

    def analyze_many(
        self, texts: Sequence[str], *, parts: Sequence[Part] = PARTS, keywords: int = 5, sentences: int = 3,
        batch: int = 64,
    ) -> list[TextAnalysis]:  # fmt: skip
        """The same for several texts, which go through the models `batch` at a time."""
        if unknown := [part for part in parts if part not in PARTS]:
            raise UsageError(f"没有分析项目 {'、'.join(unknown)}。可用:{'、'.join(PARTS)}。")
        found = [TextAnalysis(text) for text in texts]
        if "words" in parts:
            for analysis, tokens in zip(found, self._tagger.analyze(texts, batch, self._words), strict=True):
                analysis.words = tokens
        worded = [analysis for analysis in found if analysis.text.strip()]  # nothing has no class
        for part in parts:
            if part == "sentiment" or part == "topic":
                classifier = self._sentiment if part == "sentiment" else self._topic
                classes = classifier.classify([analysis.text for analysis in worded], batch)
                for analysis, classified in zip(worded, classes, strict=True):
                    setattr(analysis, part, classified)
        for analysis in found:
            if "keywords" in parts:
                analysis.keywords = self._summarizer.keywords(analysis.text, keywords)
            if "summary" in parts:
                analysis.summary = self._summarizer.summary(analysis.text, sentences)
        return found

    @cached_property
    def _tagger(self) -> LexicalAnalyzer:
        return LexicalAnalyzer(self.tagger)

    @cached_property
    def _sentiment(self) -> "Classifier":
        return _classifier(self.sentiment)

    @cached_property
    def _topic(self) -> "Classifier":
        return _classifier(self.topic)

    @cached_property
    def _summarizer(self) -> "Summarizer":
        from paddle_vlm.text.summarize import Summarizer

        return Summarizer()


def _classifier(weights: str | Path) -> "Classifier":
    with heavy_imports():
        from paddle_vlm.text.classify import Classifier
    return Classifier.load(weights)


def _token(token: Token) -> dict[str, Any]:
    return {"word": token.word, "tag": token.tag, "start": token.start, "end": token.end}
