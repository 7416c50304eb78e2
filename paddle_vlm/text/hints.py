"""The words of a line and the English senses that signs and menus use most: where a small translator gets its words."""

import gzip
from dataclasses import dataclass
from pathlib import Path

from paddle_vlm.errors import MissingWeights
from paddle_vlm.text.segment import Segmenter

ARROW = "⇢"  # between a line and its hints
NAME_TAGS = ("nr", "ns", "nt", "nz")
LONGEST = 6  # words of more characters are left to the segmenter, as when the weights were trained


@dataclass(frozen=True)
class Hint:
    """A word that the network is to be told about."""

    word: str
    tag: str  # jieba's part of speech

    @property
    def is_name(self) -> bool:
        return self.tag[:2] in NAME_TAGS


class HintBook:
    """`glosses`: word -> the senses that signs and menus use most; `segmenter` knows the words of `glosses`.

    Raises MissingWeights for a table that cannot be read.
    """

    def __init__(self, glosses: Path) -> None:
        self.glosses = _read(glosses)
        self.segmenter = Segmenter(word for word in self.glosses if 1 < len(word) <= LONGEST)


def _read(path: Path) -> dict[str, tuple[str, ...]]:
    try:
        text = gzip.decompress(path.read_bytes()).decode("utf-8")
        rows = (line.partition("\t") for line in text.splitlines())
        return {word: tuple(senses.split(" / ")) for word, _, senses in rows}
    except (OSError, ValueError, EOFError) as error:
        raise MissingWeights(f"无法读取译词表 {path}:{error}。请补全模型文件夹,或改用自带模型。") from error
