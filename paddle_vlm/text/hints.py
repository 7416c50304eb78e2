"""Dictionary-augmented lines, `line ⇢ sense / sense | sense | Pinyin`: where a small translator gets its words from."""

import gzip
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pypinyin import lazy_pinyin

from paddle_vlm.errors import MissingWeights
from paddle_vlm.text.segment import Segmenter

HAN = re.compile("[\u4e00-\u9fff]")
ARROW = "⇢"
NAME_TAGS = ("nr", "ns", "nt", "nz")
LONGEST = 6  # words of more characters are left to the segmenter, as when the weights were trained


@dataclass(frozen=True)
class Hint:
    """What the network is told about one word."""

    word: str
    tag: str  # jieba's part of speech
    senses: tuple[str, ...]  # the pinyin included where it serves as one

    @property
    def is_name(self) -> bool:
        return self.tag[:2] in NAME_TAGS


class HintBook:
    """Words of a line with the two senses that signs and menus use most, or the pinyin of a name or unknown word."""

    def __init__(self, glosses: Path) -> None:
        self.glosses = _read(glosses)
        self.segmenter = Segmenter(word for word in self.glosses if 1 < len(word) <= LONGEST)

    def hints(self, line: str) -> list[Hint]:
        """One hint a Chinese word, in order."""
        found = []
        for word, tag in self.segmenter.tag(line):
            if not HAN.search(word):
                continue
            known = self.glosses.get(word, ())
            if tag[:2] in NAME_TAGS or not known:
                known = (*known[:1], pinyin(word))
            found.append(Hint(word, tag, known))
        return found

    def augment(self, line: str, terms: Mapping[str, str] | None = None) -> str:
        """The network's input. `terms` are Chinese words of the line with the only English sense they may have."""
        parts = [" / ".join(hint.senses) for hint in self._with_terms(line, terms or {})]
        return f"{line} {ARROW} {' | '.join(parts)}"

    def _with_terms(self, line: str, terms: Mapping[str, str]) -> list[Hint]:
        if not terms:
            return self.hints(line)
        found = []
        longest_first = sorted(terms, key=len, reverse=True)
        for part in re.split(f"({'|'.join(map(re.escape, longest_first))})", line):
            found += [Hint(part, "nz", (terms[part],))] if part in terms else self.hints(part)
        return found


def pinyin(word: str) -> str:
    """One capitalised word: 张伟 -> Zhangwei."""
    return "".join(lazy_pinyin(word)).capitalize()


def _read(path: Path) -> dict[str, tuple[str, ...]]:
    try:
        text = gzip.decompress(path.read_bytes()).decode("utf-8")
        rows = (line.partition("\t") for line in text.splitlines())
        return {word: tuple(senses.split(" / ")) for word, _, senses in rows}
    except (OSError, ValueError, EOFError) as error:
        raise MissingWeights(f"无法读取译词表 {path}:{error}。请补全模型文件夹,或改用自带模型。") from error
