"""The user's own terms (always obeyed) and whole lines that are already translated (translation memory)."""

import logging
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from paddle_vlm.errors import BadText
from paddle_vlm.text.reading import read_text

log = logging.getLogger(__name__)

_LANG = "{http://www.w3.org/XML/1998/namespace}lang"


@dataclass(frozen=True)
class Match:
    """A term at text[start:end]."""

    start: int
    end: int
    english: str


class Glossary:
    """Chinese terms and the only English that each may have."""

    def __init__(self, terms: Mapping[str, str]) -> None:
        self.terms = dict(terms)
        lengths: dict[str, set[int]] = {}
        for term in self.terms:
            lengths.setdefault(term[0], set()).add(len(term))
        self._lengths = {first: sorted(found, reverse=True) for first, found in lengths.items()}

    @classmethod
    def load(cls, path: str | Path, encoding: str | None = None) -> "Glossary":
        """Rows `中文<Tab>English`; empty rows and those that begin with # are skipped; a repeated term counts last.

        UTF-8, UTF-16 with a mark, or GBK, found out unless `encoding` names one.
        Raises BadText (with the line's number) for a broken row, a file that cannot be read, or one without terms.
        """
        return cls(dict(_rows(Path(path), encoding)))

    def normalized(self, plain: Callable[[str], str]) -> "Glossary":
        """The same terms as `plain` spells them, for texts that went through it too."""
        return Glossary({plain(term): english for term, english in self.terms.items()})

    def find(self, text: str) -> list[Match]:
        """Terms in the text from left to right, the longest at each place; matches do not overlap."""
        found, start = [], 0
        while start < len(text):
            length = self._longest_at(text, start)
            if length:
                found.append(Match(start, start + length, self.terms[text[start : start + length]]))
            start += length or 1
        return found

    def _longest_at(self, text: str, start: int) -> int:
        for length in self._lengths.get(text[start], ()):
            if text[start : start + length] in self.terms and not _inside_word(text, start, start + length):
                return length
        return 0


class Memory:
    """Whole lines with their translation."""

    def __init__(self, lines: Mapping[str, str]) -> None:
        self.lines = dict(lines)

    @classmethod
    def load(cls, path: str | Path, encoding: str | None = None) -> "Memory":
        """From .tsv (as `Glossary.load`) or .tmx (every unit with a zh and an en variant). Raises BadText."""
        path = Path(path)
        if path.suffix.lower() == ".tmx":
            return cls(dict(_tmx(path)))
        return cls(dict(_rows(path, encoding)))

    def normalized(self, plain: Callable[[str], str]) -> "Memory":
        """The same lines as `plain` spells them."""
        return Memory({plain(line): english for line, english in self.lines.items()})

    def get(self, line: str) -> str | None:
        """The translation of exactly this line."""
        return self.lines.get(line)


def _inside_word(text: str, start: int, end: int) -> bool:
    """Whether a Latin term would be cut out of a longer word: `A4` in `BA45`."""
    edges = ((start - 1, start), (end - 1, end))
    return any(a >= 0 and re.fullmatch("[A-Za-z0-9]{2}", text[a : b + 1]) is not None for a, b in edges)


def _rows(path: Path, encoding: str | None) -> Iterator[tuple[str, str]]:
    seen: dict[str, int] = {}
    for number, line in enumerate(read_text(path, encoding).splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        cells = [cell.strip() for cell in line.rstrip("\t ").split("\t")]
        if len(cells) != 2 or not all(cells):
            found = f"实为 {len(cells)} 列" if len(cells) != 2 else "有空列"
            raise BadText(
                f"{path} 第 {number} 行有误:应为“中文<Tab>英文”两列,{found}:{line.strip()[:60]!r}。请改正该行。"
            )
        if cells[0] in seen:
            log.warning("%s 第 %d 行与第 %d 行的词条重复:%s。以后者为准。", path, number, seen[cells[0]], cells[0])
        seen[cells[0]] = number
        yield cells[0], cells[1]
    if not seen:
        raise BadText(f"{path} 中没有词条。请每行写一条:中文<Tab>英文。")


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadText(f"无法读取 {path}:{error.strerror or error}。请检查路径和权限。") from error


def _tmx(path: Path) -> Iterator[tuple[str, str]]:
    try:
        root = ElementTree.fromstring(_bytes(path))
    except ElementTree.ParseError as error:
        raise BadText(f"{path} 第 {error.position[0]} 行有误:不是完整的 TMX(XML)文件({error})。请重新导出。") from error
    count = 0
    for unit in root.iter("tu"):
        variants: dict[str, str] = {}
        for variant in unit.iter("tuv"):
            language = (variant.get(_LANG) or variant.get("lang") or "").lower()[:2]
            segment = variant.find("seg")
            if segment is not None:
                variants.setdefault(language, "".join(segment.itertext()).strip())
        if variants.get("zh") and variants.get("en"):
            count += 1
            yield variants["zh"], variants["en"]
    if not count:
        raise BadText(f"{path} 中没有同时含中文(zh)和英文(en)的条目。请检查导出时的语言设置。")
