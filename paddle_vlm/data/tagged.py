"""Sentences with gold names (BIO files) or gold words (CoNLL-U)."""

import gzip
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from paddle_vlm.errors import BadText

Span = tuple[int, int, str]  # start, end, kind
HELD_OUT = 5000  # sentences of the shared MSRA file that no model here was trained on


@dataclass(frozen=True)
class Sentence:
    """A text and the spans in it, in order and without overlap: names, or the words."""

    text: str
    spans: tuple[Span, ...]


def read_bio(path: str | Path) -> list[Sentence]:
    """Names from `character <TAB or space> tag` lines with an empty line after a sentence; .gz is read too.

    Tags are O, B-KIND, I-KIND; an I that continues nothing begins a name. Raises BadText with the line.
    """
    sentences: list[Sentence] = []
    characters: list[str] = []
    tags: list[str] = []
    for number, line in enumerate([*_lines(Path(path)), ""], 1):
        if line.strip():
            character, _, tag = line.rstrip().replace("\t", " ").rpartition(" ")
            if len(character) != 1 or not (tag == "O" or tag[:2] in ("B-", "I-")):
                raise BadText(
                    f"{path} 第 {number} 行:{line!r} 不是“一个字、空白、BIO 标签”(如:京 I-LOC)。请改正或删去。"
                )
            characters.append(character)
            tags.append(tag)
        elif characters:
            sentences.append(Sentence("".join(characters), tuple(spans_of(tags))))
            characters, tags = [], []
    if not sentences:
        raise BadText(f"{path} 里没有句子。应每行一个字和它的 BIO 标签,句末空一行。")
    return sentences


def spans_of(tags: Sequence[str]) -> Iterator[Span]:
    """BIO tags -> spans."""
    start, kind = 0, ""
    for i, tag in enumerate([*tags, "O"]):
        if kind and tag != f"I-{kind}":
            yield start, i, kind
            kind = ""
        if tag != "O" and not kind:
            start, kind = i, tag[2:]


def read_conllu(path: str | Path) -> list[Sentence]:
    """Words of a CoNLL-U file as spans of the kind "word". Raises BadText with the line."""
    sentences: list[Sentence] = []
    words: list[str] = []
    for number, line in enumerate([*_lines(Path(path)), ""], 1):
        fields = line.split("\t")
        if not line.strip():
            if words:
                sentences.append(Sentence("".join(words), tuple(word_spans(words))))
            words = []
        elif not line.startswith("#") and fields[0].isdigit():  # the others are multi-word tokens and empty nodes
            if len(fields) < 2 or not fields[1]:
                raise BadText(f"{path} 第 {number} 行没有词。CoNLL-U 每行应有以 Tab 隔开的 10 列,第 2 列是词。")
            words.append(fields[1])
    if not sentences:
        raise BadText(f"{path} 里没有句子。需要 CoNLL-U 格式(如 UD Chinese GSDSimp)。")
    return sentences


def word_spans(words: Iterable[str]) -> Iterator[Span]:
    """Words one after the other -> their spans."""
    start = 0
    for word in words:
        yield start, start + len(word), "word"
        start += len(word)


def split(sentences: Sequence[Sentence], held_out: int = HELD_OUT) -> tuple[list[Sentence], list[Sentence]]:
    """(for training, held out): a fixed shuffle, the same on every machine; no text is in both parts."""
    order = np.random.default_rng(20251125).permutation(len(sentences))
    kept, out = order[: len(order) - held_out], order[len(order) - held_out :]
    tests = [sentences[i] for i in out]
    known = {sentence.text for sentence in tests}
    return [sentences[i] for i in kept if sentences[i].text not in known], tests


def _lines(path: Path) -> list[str]:
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        return raw.decode("utf-8-sig").split("\n")
    except (OSError, EOFError) as error:
        raise BadText(f"无法读取 {path}:{getattr(error, 'strerror', None) or error}。请检查路径和权限。") from error
    except UnicodeDecodeError as error:
        raise BadText(f"{path} 不是 UTF-8 编码。请先转成 UTF-8:iconv -f GBK -t UTF-8 原文件 > 新文件") from error
