"""Break English into lines and find the largest size at which it fits a box."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from PIL import ImageFont

FONTS = Path(__file__).resolve().parents[1] / "assets" / "fonts"

# Roboto, in units of the font size.
CAP = 0.711  # height of a capital
ASCENT = 0.75  # highest ink of a line above its baseline
DESCENT = 0.21  # lowest ink below it
LEADING = 1.16  # from baseline to baseline


@dataclass(frozen=True)
class Face:
    """One of the four fonts."""

    bold: bool = False
    condensed: bool = False

    def font(self, size: float) -> ImageFont.FreeTypeFont:
        """The FreeType font at `size` pixels per em."""
        return _font(self, round(size, 2))

    def width(self, text: str) -> float:
        """Advance width of `text` in ems."""
        return _width(self, text)


@lru_cache(maxsize=64)
def _font(face: Face, size: float) -> ImageFont.FreeTypeFont:
    name = f"Roboto{'Condensed' if face.condensed else ''}-{'Bold' if face.bold else 'Regular'}.ttf"
    return ImageFont.truetype(FONTS / name, size, layout_engine=ImageFont.Layout.BASIC)


@lru_cache(maxsize=4096)
def _width(face: Face, text: str) -> float:
    return face.font(200).getlength(text) / 200


@dataclass(frozen=True)
class Fit:
    """Lines of text at a size (pixels per em) in a face."""

    lines: tuple[str, ...]
    size: float
    face: Face

    @property
    def width(self) -> float:
        """Widest line in pixels."""
        return max(self.face.width(line) for line in self.lines) * self.size

    @property
    def height(self) -> float:
        """From the highest to the lowest ink in pixels."""
        return block_height(len(self.lines)) * self.size


def block_height(lines: int) -> float:
    """Ink height of a block of `lines` lines in ems."""
    return (lines - 1) * LEADING + ASCENT + DESCENT


def fit_text(text: str, face: Face, width: float, height: float, max_size: float, max_lines: int = 12) -> Fit:
    """The largest setting of `text` within width x height pixels, at most `max_size` pixels per em.

    For each number of lines the narrowest break is found, which gives the size directly. Words are not divided.
    """
    words = tuple(text.split()) or (text,)
    best = Fit((text,), 0.0, face)
    for count in range(1, min(len(words), max_lines) + 1):
        lines, widest = break_evenly(words, face, count)
        size = min(max_size, width / max(widest, 1e-3), height / block_height(len(lines)))
        if size > 1.02 * best.size:
            best = Fit(lines, size, face)
        if max_size <= 1.02 * best.size:
            break
    return best


@lru_cache(maxsize=1024)
def break_evenly(words: tuple[str, ...], face: Face, count: int) -> tuple[tuple[str, ...], float]:
    """`words` joined to at most `count` lines whose widest is as narrow as can be, and its width in ems."""
    widths = [face.width(word) for word in words]
    space = face.width(" ")
    low, high = max(widths), sum(widths) + space * (len(words) - 1)
    while high - low > 0.01:
        middle = (low + high) / 2
        low, high = (low, middle) if len(_broken(widths, space, middle)) <= count else (middle, high)
    ends = [0, *_broken(widths, space, high)]
    lines = tuple(" ".join(words[start:end]) for start, end in zip(ends, ends[1:], strict=False))
    return lines, max(face.width(line) for line in lines)


def _broken(widths: Sequence[float], space: float, limit: float) -> list[int]:
    """Greedy breaking: for each line the index after its last word."""
    ends, used = [], -space
    for index, width in enumerate(widths):
        if index and used + space + width > limit + 1e-9:
            ends.append(index)
            used = -space
        used += space + width
    return [*ends, len(widths)]


def hyphenated(text: str, face: Face, width: float) -> str:
    """`text` with words wider than `width` ems divided after a vowel-consonant boundary where there is one."""
    return " ".join(piece for word in text.split() for piece in _divided(word, face, width))


def _divided(word: str, face: Face, width: float) -> list[str]:
    pieces = []
    while face.width(word) > width and len(word) > 5:
        fitting = [i for i in range(3, len(word) - 2) if face.width(word[:i] + "-") <= width]
        if not fitting:
            break
        natural = [i for i in fitting if word[i - 1] in "aeiouy" and word[i] not in "aeiouy"]
        cut = max(natural) if natural and max(natural) >= 0.6 * max(fitting) else max(fitting)
        pieces.append(word[:cut].rstrip("-") + "-")
        word = word[cut:]
    return [*pieces, word]


_FULLWIDTH = str.maketrans(
    "，。、；：？！（）【】《》〈〉「」『』“”‘’—～·．％＆＋－", ",.,;:?!()[]<><>''\"\"\"\"''-~·.%&+-"
)


def settable(text: str) -> str:
    """`text` in characters that the fonts have: full-width forms made ordinary, others dropped."""
    text = unicodedata.normalize("NFKC", text.translate(_FULLWIDTH))
    return " ".join("".join(c for c in text if c.isspace() or _has(c)).split())


@cache
def _has(character: str) -> bool:
    font = Face().font(32)
    return character.isprintable() and bytes(font.getmask(character)) != bytes(font.getmask("\U0010ffff"))
