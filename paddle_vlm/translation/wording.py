"""English as it stands on signs: ASCII punctuation, single spaces, capitals, no stuttering, no Chinese left."""

import re
import unicodedata
from itertools import groupby

from paddle_vlm.text.han import HAN
from paddle_vlm.text.names import pinyin

PROTECTED = "\ue000-\uf8ff"  # private-use characters stand for parts that nothing here may change
_PUNCTUATION = str.maketrans({
    "，": ", ", "、": ", ", "。": ". ", "；": "; ", "：": ": ", "！": "! ", "？": "? ", "（": " (", "）": ") ",
    "【": " [", "】": "] ", "〔": " [", "〕": "] ", "「": ' "', "」": '" ', "『": ' "', "』": '" ', "《": ' "',
    "》": '" ', "〈": ' "', "〉": '" ', "“": '"', "”": '"', "‘": "'", "’": "'", "—": " - ", "–": "-", "…": "...",
    "～": "~", "￥": "¥", "\u3000": " ", "－": "-", "・": "·",
})  # fmt: skip
_SPACING = [
    (re.compile(r"\s+"), " "),
    (re.compile(r"^(\d{1,2}), (?=[^\W\d_])"), r"\1. "),  # 1、 numbers a line
    (re.compile(r" +(?:([,;:!?%)\]])|(\.)(?!\w))"), r"\1\2"),
    (re.compile(r"([(\[]) +"), r"\1"),
    (re.compile(r"([,;!?])(?=[^\W\d_])"), r"\1 "),
    (re.compile(r"(?<=[^\W\d_]):(?=[\w¥$+@])(?!//)"), ": "),
    (re.compile(r"(?<=\w)([(\[])(?=[^\W\d_])"), r" \1"),
    (re.compile(r"([)\]])(?=[^\W\d_])"), r"\1 "),
    (re.compile(r"([@#]) (?=\w)"), r"\1"),
    (re.compile(r"(?:- )+- "), "- "),
    (re.compile(r"([,;:])(?:\s*[,;:])+"), r"\1"),
    (re.compile(r"([,.;:]) *(?=[.!?;)\]])(?<!\.)"), ""),
    (re.compile(r'" ?([^"]*?) ?"'), r'"\1"'),
    (re.compile(r"(?<![\w'])[~']s\b"), ""),
]
_STUTTER = re.compile(r"\b((?:[\w'&-]+ ){0,2}[\w'&-]*[^\W\d_][\w'&-]*)(?:,? \1\b)+", re.IGNORECASE)
_INDEFINITE = re.compile(r"\b([Aa]) (?=[aeiou])(?!one\b|uni|use|eu)")


def normalize(text: str) -> str:
    """Chinese input as the rest expects it: full-width letters, digits and compatibility forms made plain, no control
    characters, white space single. Chinese punctuation stays."""
    plain = "".join(_plain(character) for character in text)
    return re.sub(r"\s+", " ", plain).strip()


def _plain(character: str) -> str:
    code = ord(character)
    if 0xFF10 <= code <= 0xFF5A and character not in "：；？＠" or character in "＃＄％＆＊＋．／＜＝＞＼＿｜":
        return chr(code - 0xFEE0)
    if 0x2F00 <= code <= 0x2FDF or 0xF900 <= code <= 0xFAFF:  # radicals and compatibility ideographs
        return unicodedata.normalize("NFKC", character)
    return " " if unicodedata.category(character) in ("Cc", "Zs", "Zl", "Zp") else character


def without_chinese(text: str) -> str:
    """Every run of Chinese characters replaced by its pinyin."""
    parts = groupby(text, key=lambda character: bool(HAN.match(character)))
    return "".join(f" {pinyin(''.join(run))} " if chinese else "".join(run) for chinese, run in parts)


def without_stutter(text: str) -> str:
    """A phrase of up to three words that is said again at once is said once."""
    before = None
    while before != text:
        before, text = text, _STUTTER.sub(r"\1", text)
    return text


def tidy(text: str) -> str:
    """Punctuation and spaces of an English text; Chinese characters become pinyin."""
    text = without_chinese(text.translate(_PUNCTUATION))
    for pattern, replacement in _SPACING:
        text = pattern.sub(replacement, text)
    return text.strip(" ,;|/")


def polish(text: str) -> str:
    """`tidy`, without stutter, `an` before vowels, and the first letter upper case."""
    text = _INDEFINITE.sub(r"\1n ", without_stutter(tidy(text)))
    return re.sub(r"(?<=[.!?] )[a-z](?=[a-z]+\b(?![.@/]))", lambda match: match[0].upper(), capitalized(text))


def capitalized(text: str) -> str:
    """The first letter upper case, unless the word has capitals of its own (iPhone) or is an address (www.a.cn)."""
    match = re.match(rf"([^\w{PROTECTED}]{{0,3}})([^\W\d_]\S*)", text)
    if not match or match[2] != match[2].lower() or re.search(r"\w[.@/]\w", match[2]):
        return text
    at = match.start(2)
    return text[:at] + text[at].upper() + text[at + 1 :]
