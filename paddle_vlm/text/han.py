"""What counts as a Chinese character."""

import re

# Radicals, iteration mark and 〇, Suzhou numerals, the basic block and extension A, compatibility forms, planes 2, 3.
HAN = re.compile(
    "[\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]"
)
