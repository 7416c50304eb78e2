"""A contact sheet: found pictures in a grid, each with its rank, its probability and its name."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from paddle_vlm.errors import BadImage
from paddle_vlm.runtime import parallel_map
from paddle_vlm.vision.image import load_image

CELL, MARGIN, LINE = 240, 12, 26  # pixels: a picture's place, the space around it, a line of text
_WIDEST = 6  # pictures in a row
_PAPER, _INK, _FAINT = (255, 255, 255), (32, 32, 32), (128, 128, 128)
_ROBOTO = Path(__file__).parent.parent / "assets/fonts/Roboto-Regular.ttf"
# What Windows, macOS and Linux have for Chinese, where no font comes with Python; Pillow knows their folders.
_SYSTEM_FONTS = ("NotoSansCJK-Regular.ttc", "msyh.ttc", "PingFang.ttc", "Hiragino Sans GB.ttc", "wqy-microhei.ttc",
                 "SourceHanSansSC-Regular.otf", "simhei.ttf", "uming.ttc")  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """A picture and the two lines below it."""

    path: str
    title: str
    detail: str = ""


def contact_sheet(entries: Sequence[Entry], heading: str = "", columns: int | None = None) -> np.ndarray:
    """uint8 RGB [H, W, 3]; a picture that cannot be read leaves a grey place.

    Args:
        columns: pictures in a row; near a square unless given, six at most.
    """
    columns = columns or min(_WIDEST, max(1, math.ceil(math.sqrt(len(entries)))))
    rows = math.ceil(len(entries) / columns)
    top = MARGIN + (LINE + MARGIN if heading else 0)
    step = CELL + 2 * LINE + MARGIN
    sheet = Image.new("RGB", (MARGIN + columns * (CELL + MARGIN), top + rows * step), _PAPER)
    pen, font = ImageDraw.Draw(sheet), chinese_font(18)
    pen.text((MARGIN, MARGIN), _fitting(heading, font, sheet.width - 2 * MARGIN), _INK, font)
    for number, (entry, picture) in enumerate(zip(entries, parallel_map(_thumbnail, entries), strict=True)):
        x, y = MARGIN + number % columns * (CELL + MARGIN), top + number // columns * step
        sheet.paste(picture, (x + (CELL - picture.width) // 2, y + (CELL - picture.height) // 2))
        pen.text((x, y + CELL + 4), _fitting(entry.title, font, CELL), _INK, font)
        pen.text((x, y + CELL + 4 + LINE - 4), _fitting(entry.detail, font, CELL), _FAINT, font)
    return np.asarray(sheet)


def chinese_font(size: int) -> ImageFont.FreeTypeFont:
    """A font with Chinese characters where there is one on this machine; Roboto, without them, otherwise."""
    names: list[str | Path] = [*_SYSTEM_FONTS, _ROBOTO]
    try:
        import pylopdf_fonts_zh_cn

        names.insert(0, Path(pylopdf_fonts_zh_cn.__file__).parent / "NotoSansSC-Regular.otf")
    except ImportError:
        pass
    for name in names[:-1]:
        try:
            return ImageFont.truetype(str(name), size)
        except OSError:
            continue
    return ImageFont.truetype(str(_ROBOTO), size)


def _thumbnail(entry: Entry) -> Image.Image:
    try:
        picture = Image.fromarray(load_image(entry.path, at_least=CELL).rgb)
    except BadImage:
        return Image.new("RGB", (CELL, CELL), (225, 225, 225))
    scale = CELL / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.BICUBIC)


def _fitting(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """The text, or its beginning and its end (where names differ) with an ellipsis between them."""
    if font.getlength(text) <= width:
        return text
    for kept in range(len(text) - 1, 1, -1):
        shortened = f"{text[: kept - kept // 2]}…{text[-(kept // 2) :]}"
        if font.getlength(shortened) <= width:
            return shortened
    return "…"
