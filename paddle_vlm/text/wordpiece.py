"""BERT's tokenizer for Chinese: single characters, and pieces of Latin words (Devlin et al. 2019)."""

import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from paddle_vlm.errors import MissingWeights

_LONGEST_WORD = 100  # characters; longer ones are unknown, as in BERT


class WordPiece:
    """Text -> numbers of pieces in `vocab.txt`, lower-cased and without accents.

    Raises MissingWeights when the file is absent or is no vocabulary of BERT.
    """

    def __init__(self, file: Path) -> None:
        try:
            pieces = file.read_text(encoding="utf-8").rstrip("\n").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise MissingWeights(f"缺少或无法读取词表 {file}。请下载完整的模型文件夹。") from error
        self._numbers = {piece.rstrip("\r"): number for number, piece in enumerate(pieces)}
        missing = {"[PAD]", "[UNK]", "[CLS]", "[SEP]"} - self._numbers.keys()
        if missing:
            raise MissingWeights(f"{file} 不是 BERT 的词表:缺少 {'、'.join(sorted(missing))}。")

    def encode(self, texts: Sequence[str], longest: int) -> np.ndarray:
        """int64 [B, longest]: [CLS] pieces [SEP] and padding; the end of a longer text is not read."""
        found = np.full((len(texts), longest), self._numbers["[PAD]"], np.int64)
        for row, text in zip(found, texts, strict=True):
            pieces = ["[CLS]", *self.pieces(text)[: longest - 2], "[SEP]"]
            row[: len(pieces)] = [self._numbers[piece] for piece in pieces]
        return found

    def pieces(self, text: str) -> list[str]:
        """The pieces of a text, in order."""
        return [piece for word in _words(text) for piece in self._split(word)]

    def _split(self, word: str) -> list[str]:
        found: list[str] = []
        start = 0
        while start < len(word):
            ends = range(len(word), start, -1)
            prefix = "##" if start else ""
            end = next((end for end in ends if prefix + word[start:end] in self._numbers), None)
            if end is None or len(word) > _LONGEST_WORD:
                return ["[UNK]"]
            found.append(prefix + word[start:end])
            start = end
        return found


def _words(text: str) -> list[str]:
    """Runs of letters; every Chinese character and punctuation mark by itself."""
    spaced = "".join(f" {c} " if _is_chinese(c) else _cleaned(c) for c in unicodedata.normalize("NFC", text))
    plain = unicodedata.normalize("NFD", spaced.lower())
    plain = "".join(c for c in plain if unicodedata.category(c) != "Mn")
    return "".join(f" {c} " if _is_punctuation(c) else c for c in plain).split()


def _cleaned(character: str) -> str:
    if character in "\t\n\r" or unicodedata.category(character) == "Zs":
        return " "
    return "" if character in "\0�" or unicodedata.category(character).startswith("C") else character


def _is_punctuation(character: str) -> bool:
    symbol = character.isascii() and character.isprintable() and not character.isalnum() and character != " "
    return symbol or unicodedata.category(character).startswith("P")


def _is_chinese(character: str) -> bool:
    point = ord(character)
    return (
        0x4E00 <= point <= 0x9FFF
        or 0x3400 <= point <= 0x4DBF
        or 0x20000 <= point <= 0x2CEAF
        or (0xF900 <= point <= 0xFAFF or 0x2F800 <= point <= 0x2FA1F)
    )
