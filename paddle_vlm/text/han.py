"""What counts as a Chinese character, and traditional characters made simplified."""

import re

from paddle_vlm.text.cedict import Cedict

# Radicals, iteration mark and 〇, Suzhou numerals, the basic block and extension A, compatibility forms, planes 2, 3.
HAN = re.compile(
    "[\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]"
)


def simplify(text: str) -> str:
    """Character by character, so that the length and all offsets stay.

    The table comes from CC-CEDICT, which takes half a second to load; GB 2312 holds the simplified characters, so a
    text within it is left alone at once.
    """
    try:
        "".join(HAN.findall(text)).encode("gb2312")
    except UnicodeEncodeError:
        return Cedict.load().simplify(text)
    return text
