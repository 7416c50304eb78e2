"""jieba's segmentation modes behind one interface, with a dictionary of its own and a fast start."""

import hashlib
import io
import logging
import os
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import jieba
import jieba.posseg
import numpy as np

from paddle_vlm.runtime import cache_folder
from paddle_vlm.text.han import simplify

log = logging.getLogger(__name__)

Mode = Literal["default", "all", "search"]


class Segmenter:
    """Chinese words, and jieba's part-of-speech tags. jieba's global tokenizer is left as it is.

    Traditional characters are looked up as simplified ones, which jieba's dictionary knows better; the words come back
    as the text has them.

    `extra_words` are added with `frequency` unless jieba knows them. jieba needs about a second to read its dictionary;
    the finished table is kept in the cache folder, from where it comes in a third of that.
    """

    def __init__(self, extra_words: Iterable[str] = (), frequency: int = 3) -> None:
        self._jieba = jieba.Tokenizer()
        self._jieba.FREQ, self._jieba.total = _table(list(extra_words), frequency)
        self._jieba.initialized = True
        self.tagger = _Tagger(self._jieba)  # for jieba.analyse

    def cut(self, text: str, mode: Mode = "default") -> list[str]:
        """Words in order. "all": every word of the dictionary that occurs; "search": also short ones in long ones."""
        plain = simplify(text)
        if plain != text:
            return [text[start:end] for start, end in self._places(plain, mode)]
        if mode == "all":
            return self._jieba.lcut(text, cut_all=True)
        return self._jieba.lcut_for_search(text) if mode == "search" else self._jieba.lcut(text)

    def tag(self, text: str) -> list[tuple[str, str]]:
        """(word, tag) in order; nr, ns, nt and nz are names of persons, places, organisations and others."""
        plain, tagged, start = simplify(text), [], 0
        for pair in self.tagger.cut(plain):
            tagged.append((text[start : start + len(pair.word)], pair.flag))
            start += len(pair.word)
        return tagged

    def _places(self, text: str, mode: Mode) -> Iterator[tuple[int, int]]:
        if mode != "all":
            yield from ((start, end) for _, start, end in self._jieba.tokenize(text, mode))
            return
        start = 0
        for word in self._jieba.cut(text, cut_all=True):  # in the order of their beginnings
            start = text.index(word, start)
            yield start, start + len(word)

    def __contains__(self, word: str) -> bool:
        return self._jieba.FREQ.get(word, 0) > 0


class _Tagger(jieba.posseg.POSTokenizer):
    """Shares the tags that `jieba.posseg` has read on import, instead of reading them again."""

    def load_word_tag(self, f: io.BufferedIOBase) -> None:
        f.close()
        self.word_tag_tab = jieba.posseg.dt.word_tag_tab


def _table(extra: list[str], frequency: int) -> tuple[dict[str, int], int]:
    """jieba's word and prefix frequencies with the extra words, and their total."""
    dictionary = Path(jieba.__file__).parent / "dict.txt"
    identity = f"{jieba.__version__} {dictionary.stat().st_size} {frequency} " + "\n".join(extra)
    cache = cache_folder() / f"words-{hashlib.sha256(identity.encode()).hexdigest()[:16]}.npz"
    try:
        with np.load(cache) as stored:
            words = stored["words"].tobytes().decode("utf-8").split("\n")
            return dict(zip(words, stored["counts"].tolist(), strict=True)), int(stored["total"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        log.debug("building the word table anew: %s", error)
    counts, total = jieba.Tokenizer.gen_pfdict(dictionary.open("rb"))
    for word in extra:
        if word in counts:
            continue
        counts[word] = frequency
        total += frequency
        for end in range(1, len(word)):
            counts.setdefault(word[:end], 0)
    _store(cache, counts, total)
    return counts, total


def _store(path: Path, counts: dict[str, int], total: int) -> None:
    """Write the table whole or not at all; a folder that cannot be written only costs the next start."""
    words = np.frombuffer("\n".join(counts).encode("utf-8"), np.uint8)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, suffix=".npz.tmp")
        with os.fdopen(handle, "wb") as file:
            np.savez(file, words=words, counts=np.array(list(counts.values()), np.int32), total=np.int64(total))
        Path(name).replace(path)
    except OSError as error:
        log.debug("the word table cannot be kept: %s", error)
