"""How good translations are: BLEU and chrF against references, on clean text and on text as an OCR engine read it."""

import gzip
import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from paddle_vlm.errors import BadData, MissingDependency
from paddle_vlm.translation.translator import Translator
from paddle_vlm.translation.wording import normalize

SEEN = "seen_lines.bin"  # of a model's folder: hashes of the source lines that it was trained on


def read_pairs(path: Path) -> list[list[str]]:
    """Rows of a .tsv or .tsv.gz: Chinese, English, and in all rows or none the Chinese as read. Raises BadData."""
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as file:
            rows = [line.rstrip("\n").split("\t") for line in file if line.strip()]
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise BadData(f"无法读取 {path}:{error}。需要 UTF-8 的 TSV:中文<Tab>英文[<Tab>OCR 读出的中文]。") from error
    columns = min((len(row) for row in rows), default=0)
    if columns < 2:
        short = next((n for n, row in enumerate(rows, 1) if len(row) < 2), 1)
        raise BadData(f"{path} 第 {short} 行不是“中文<Tab>英文[<Tab>OCR 读出的中文]”。请检查该行。")
    return [row[: min(columns, 3)] for row in rows]


def evaluate(translator: Translator, rows: Sequence[Sequence[str]], seen: Path | None = None) -> dict[str, float]:
    """sacreBLEU (13a, lower-cased) and chrF of the whole translator and of its dictionary alone.

    Args:
        rows: as `read_pairs` gives them.
        seen: a file of `save_seen`; lines in it are left out of `..._unseen`.
    """
    references = [row[1] for row in rows]
    figures: dict[str, float] = {"lines": len(rows)}
    unseen = np.flatnonzero(~_are_seen([row[0] for row in rows], seen)) if seen and seen.exists() else None
    if unseen is not None:
        figures["lines_unseen"] = len(unseen)
    for name, column in (("clean", 0), ("ocr", 2))[: len(rows[0]) - 1]:
        texts = [translation.text for translation in translator.translate([row[column] for row in rows])]
        figures[f"bleu_{name}"], figures[f"chrf_{name}"] = scores(texts, references)
        words = translator.dictionary_words([row[column] for row in rows])
        figures[f"bleu_{name}_dictionary"] = scores(words, references)[0]
        if unseen is not None and len(unseen):
            chosen = [texts[i] for i in unseen], [references[i] for i in unseen]
            figures[f"bleu_{name}_unseen"] = scores(*chosen)[0]
    return figures


def scores(texts: Sequence[str], references: Sequence[str]) -> tuple[float, float]:
    """Corpus BLEU (Papineni et al. 2002; as sacreBLEU, Post 2018) and chrF (Popović 2015), 0..100."""
    try:
        import sacrebleu
    except ImportError as error:
        raise MissingDependency('评估译文需要 sacrebleu。请运行:pip install "sacrebleu>=2.4"') from error
    bleu = sacrebleu.corpus_bleu(list(texts), [list(references)], lowercase=True).score
    return round(bleu, 2), round(sacrebleu.corpus_chrf(list(texts), [list(references)]).score, 2)


def save_seen(lines: Iterable[str], path: Path) -> None:
    """Remember the source lines of a training set as 4 bytes each; the lines cannot be had back."""
    np.unique(_hashes(lines)).tofile(path)


def _are_seen(lines: Iterable[str], path: Path) -> np.ndarray:
    return np.isin(_hashes(lines), np.fromfile(path, np.uint32))


def _hashes(lines: Iterable[str]) -> np.ndarray:
    digests = b"".join(hashlib.blake2b(normalize(line).encode(), digest_size=4).digest() for line in lines)
    return np.frombuffer(digests, np.uint32)
