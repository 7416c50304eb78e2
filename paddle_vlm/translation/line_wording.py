"""What the words of two lines tell about whether they belong together; Chinese or not."""

import re
import unicodedata
from collections.abc import Sequence

from paddle_vlm.text.han import HAN

_ENDS = tuple('。！？!?；;…：:）)】]》」』”"')
_READS_ON = tuple("，、,（(【《“「—-和与及的或在于为把被将对从")
_BULLET = re.compile(
    r"[【\[（(《〈「『●○•·◆◇■□★☆※▲△►▶✓√*#-]|\d{1,2}[.、)）．:：]|[①-⑳⑴-⒇]"
    r"|[一二三四五六七八九十]{1,3}[、.．]|第[\d一二三四五六七八九十]+[条章节]"
)
_LABEL = re.compile(r"[^：:，,。]{1,6}[：:]")


def contains_chinese(text: str) -> bool:
    """Whether the text holds at least one Chinese character (Han, extensions included)."""
    return HAN.search(text) is not None


def join_texts(texts: Sequence[str]) -> str:
    """Join the lines of a paragraph: no space between Chinese, one between Latin words and numbers."""
    joined = ""
    for text in (t.strip() for t in texts):
        latin = joined[-1:].isascii() and text[:1].isascii() and joined[-1:].isalnum() and text[:1].isalnum()
        joined += (" " if latin else "") + text
    return joined


def width_in_characters(text: str) -> float:
    """How many Chinese characters take as much room; Latin letters and digits count half."""
    return sum(1.0 if unicodedata.east_asian_width(c) in "WF" else 0.5 for c in text.strip())


def must_end(above: str, below: str) -> bool:
    """Whether a line cannot go on in the next: it ends a sentence, or the next begins with a label or a bullet."""
    return above.strip().endswith(_ENDS) or bool(_BULLET.match(below.strip()) or _LABEL.match(below.strip()))


def must_go_on(above: str) -> bool:
    """Whether a line stops in the middle: after a comma or a connecting word, or inside a bracket."""
    opened = sum(above.count(c) for c in "（(【《") - sum(above.count(c) for c in "）)】》")
    return above.strip().endswith(_READS_ON) or opened > 0
