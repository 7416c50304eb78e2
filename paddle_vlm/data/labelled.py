"""Texts with a label each, from CSV or TSV files."""

import csv
import gzip
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from paddle_vlm.errors import BadText
from paddle_vlm.text.reading import decode

csv.field_size_limit(1 << 24)  # a review of 1 MB is one field


@dataclass(frozen=True)
class Labelled:
    """A text and its label."""

    text: str
    label: str


def read_labelled(path: str | Path, text: str = "review", label: str = "label") -> list[Labelled]:
    """Rows of a .csv with a header that names the two columns, or of a .tsv: text, label; .gz is read too.

    Rows without text are left out. Raises BadText with the line of a broken row, or the columns that there are.
    """
    path = Path(path)
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError) as error:
        raise BadText(f"无法读取 {path}:{getattr(error, 'strerror', None) or error}。请检查路径和权限。") from error
    content = decode(raw, str(path))
    name = path.name.removesuffix(".gz")
    rows = _tsv(content, path) if name.endswith(".tsv") else _csv(content, path, text, label)
    found = [Labelled(each.text.strip("\ufeff \t\r\n"), each.label) for each in rows]
    found = [each for each in found if each.text]
    if not found:
        raise BadText(f"{path} 里没有文本。")
    return found


def _csv(content: str, path: Path, text: str, label: str) -> Iterable[Labelled]:
    reader = csv.DictReader(io.StringIO(content))
    columns = reader.fieldnames or []
    if missing := [name for name in (text, label) if name not in columns]:
        raise BadText(
            f"{path} 没有列 {'、'.join(missing)},只有 {'、'.join(columns)}。请改列名,或在设置里写明 text 和 label 列。"
        )
    for row in reader:
        if row[text] is None or row[label] is None:
            raise BadText(f"{path} 第 {reader.line_num} 行列数不够。请检查引号和逗号。")
        yield Labelled(row[text], row[label])


def _tsv(content: str, path: Path) -> Iterable[Labelled]:
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        text, tab, label = line.rpartition("\t")
        if not tab or not label.strip():
            raise BadText(f"{path} 第 {number} 行不是“文本<Tab>标签”:{line[:40]!r}。")
        yield Labelled(text, label.strip())
