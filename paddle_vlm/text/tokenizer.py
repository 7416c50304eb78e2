"""Texts as numbers: jieba's words where the vocabulary has them, else their characters."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from paddle_vlm.text.segment import Segmenter

PADDING, UNKNOWN = 0, 1
SPECIAL = ("<pad>", "<unk>")
_SPACE = re.compile(r"\s+")
_REPEATED = re.compile(r"(.)\1{3,}")  # 好好好好好好 and !!!!!!! are no longer words


class Tokenizer:
    """A fixed vocabulary of words and characters."""

    def __init__(self, vocabulary: Sequence[str] = SPECIAL) -> None:
        """`vocabulary`: as `fit(...).vocabulary` gave it; number 0 is padding, 1 what is not known."""
        self.vocabulary = list(vocabulary)
        self._numbers = {word: number for number, word in enumerate(self.vocabulary)}
        self._segmenter = Segmenter()

    @classmethod
    def fit(cls, texts: Iterable[Sequence[str]], size: int = 12_000) -> "Tokenizer":
        """The most frequent words of texts that `words` has cut, and their characters; each occurs at least 3 times."""
        words: Counter[str] = Counter()
        characters: Counter[str] = Counter()
        for found in texts:
            words.update(found)
            characters.update("".join(found))
        single = [character for character, count in characters.most_common() if count >= 3][: size // 2]
        known = {*single, *SPECIAL}
        longer = [word for word, count in words.most_common() if count >= 3 and word not in known]
        return cls([*SPECIAL, *single, *longer][:size])

    def words(self, text: str) -> list[str]:
        """Full-width forms, case, spaces and long repetitions made uniform, then jieba's words."""
        plain = _REPEATED.sub(r"\1\1\1", _SPACE.sub(" ", unicodedata.normalize("NFKC", text).lower()).strip())
        return [word for word in self._segmenter.cut(plain) if word != " "]

    def encode(self, text: str, longest: int) -> list[int]:
        """At most `longest` numbers; a longer text loses its middle, for judgements stand at both ends."""
        return self.number(self.words(text), longest)

    def number(self, words: Iterable[str], longest: int) -> list[int]:
        """As `encode`, of words that `words` has cut."""
        numbers = [number for word in words for number in self._of(word)]
        if len(numbers) <= longest:
            return numbers
        head = longest * 3 // 4
        return numbers[:head] + numbers[head - longest :]

    def _of(self, word: str) -> Iterator[int]:
        if word in self._numbers:
            yield self._numbers[word]
        else:
            yield from (self._numbers.get(character, UNKNOWN) for character in word)
