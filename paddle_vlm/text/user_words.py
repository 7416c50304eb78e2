"""A user's own words, which the tagger must leave whole."""

from collections.abc import Mapping
from pathlib import Path

from paddle_vlm.errors import BadText
from paddle_vlm.text.reading import read_text


class UserWords:
    """Words and the tag that each must have (None: the tagger's own for its first character)."""

    def __init__(self, words: Mapping[str, str | None]) -> None:
        self.words = dict(words)
        lengths: dict[str, set[int]] = {}
        for word in self.words:
            lengths.setdefault(word[0], set()).add(len(word))
        self._lengths = {first: sorted(found, reverse=True) for first, found in lengths.items()}

    @classmethod
    def load(cls, path: str | Path) -> "UserWords":
        """Rows `word`, `word tag` or jieba's `word frequency tag`; empty rows and those that begin with # are skipped.

        Raises BadText with the numbers of all rows that cannot be meant so, or when there are no words.
        """
        words: dict[str, str | None] = {}
        broken = []
        for number, line in enumerate(read_text(path).splitlines(), 1):
            fields = line.split()
            if not fields or fields[0].startswith("#"):
                continue
            tags = [field for field in fields[1:] if not field.isdigit()]
            if len(fields) > 3 or len(tags) > 1 or not all(tag.isascii() and tag.isalpha() for tag in tags):
                broken.append(f"  第 {number} 行:{line.strip()[:40]}")
            words[fields[0]] = tags[0] if tags else None
        if broken:
            raise BadText(
                "\n".join([f"用户词典 {path} 有 {len(broken)} 行不对(应为:词 [词频] [词性],以空格隔开):", *broken[:5]])
            )
        if not words:
            raise BadText(f"用户词典 {path} 里没有词。每行写一个词,后面可加词性,如:螺蛳粉 n")
        return cls(words)

    def overrule(self, tags: list[str], text: str) -> None:
        """Write the words of the text into its characters' tags: from left to right, the longest at each place."""
        start = 0
        while start < len(text):
            length = next((n for n in self._lengths.get(text[start], ()) if text[start : start + n] in self.words), 0)
            if not length:
                start += 1
                continue
            end = start + length
            kind = self.words[text[start:end]] or tags[start].partition("-")[0]
            tags[start:end] = [f"{kind}-B"] + [f"{kind}-I"] * (length - 1)
            if end < len(tags) and tags[end].endswith("-I"):  # the rest of a word that was cut in two
                tags[end] = tags[end][:-1] + "B"
            start = end
