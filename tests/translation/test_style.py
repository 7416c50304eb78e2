"""Colour, outline, weight, slant and size of text of which all that is known."""

import cv2
import numpy as np
import pylopdf_fonts_zh_cn
import pytest
from PIL import Image, ImageDraw, ImageFont

from paddle_vlm.translation.ocr import TextLine
from paddle_vlm.translation.strokes import find_strokes, glyph_mask
from paddle_vlm.translation.style import measure_style

FONT = str(pylopdf_fonts_zh_cn.sans_path())
TEXT = "营业时间"


def marked(picture, *lines, kept=()):
    """The mask of these lines' strokes."""
    return glyph_mask(picture.shape, find_strokes(picture, lines, kept), kept)


def style_of(color, ground, size=48, quality=None, turn=0.0, lean=0.0, **stroke):
    """Draws TEXT (turned clockwise, leaning right, in degrees), finds its strokes and measures it."""
    image = Image.new("RGB", (480, 360), ground)
    draw, font, at = ImageDraw.Draw(image), ImageFont.truetype(FONT, size), (100, 140)
    draw.text(at, TEXT, color, font, **stroke)
    x0, y0, x1, y1 = draw.textbbox(at, TEXT, font, stroke_width=stroke.get("stroke_width", 0))
    matrix = np.vstack([cv2.getRotationMatrix2D((240, 180), -turn, 1), [0, 0, 1]])
    slope = np.tan(np.radians(lean))
    shear = np.array([[1, -slope, slope * 180], [0, 1, 0], [0, 0, 1]])
    picture = cv2.warpPerspective(np.asarray(image), matrix @ shear, (480, 360), borderMode=cv2.BORDER_REPLICATE)
    if quality:
        coded = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        picture = np.ascontiguousarray(cv2.imdecode(coded, cv2.IMREAD_COLOR)[..., ::-1])
    extra = abs(slope) * (y1 - y0) / 2
    box = np.array([[[x0 - extra, y0], [x1 + extra, y0], [x1 + extra, y1], [x0 - extra, y1]]], np.float64)
    line = TextLine(cv2.perspectiveTransform(box, matrix)[0].astype(np.float32), TEXT, 1.0, "horizontal")
    return measure_style(picture, line, marked(picture, line))


def far(first, second):
    return max(abs(a - b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("color,ground", [
    ((200, 20, 30), (250, 248, 240)), ((255, 255, 255), (24, 90, 160)), ((250, 210, 60), (30, 30, 34)),
    ((30, 110, 60), (210, 230, 200)),
])  # fmt: skip
@pytest.mark.parametrize("size", [20, 48, 100])
def test_colours_are_those_that_were_drawn(color, ground, size):
    style = style_of(color, ground, size)
    assert far(style.color, color) <= 16
    assert far(style.background, ground) <= 3
    assert style.outline_color is None
    assert not style.bold
    assert style.slant == 0


def test_a_jpeg_changes_the_measured_colour_little():
    assert far(style_of((200, 20, 30), (250, 248, 240), quality=80).color, (200, 20, 30)) <= 25


@pytest.mark.parametrize("width", [3, 5])
def test_an_outline_is_told_from_the_fill(width):
    style = style_of((255, 255, 255), (90, 150, 80), 72, stroke_width=width, stroke_fill=(170, 20, 40))
    assert far(style.color, (255, 255, 255)) <= 12
    assert style.outline_color is not None and far(style.outline_color, (170, 20, 40)) <= 30
    assert 0.5 * width <= style.outline_width <= 1.6 * width


@pytest.mark.parametrize("size", [24, 48, 90])
def test_heavy_strokes_are_bold(size):
    heavy = round(0.03 * size)
    assert style_of((20, 20, 20), (240, 240, 240), size, stroke_width=heavy, stroke_fill=(20, 20, 20)).bold


@pytest.mark.parametrize("lean", [-15, 15])
def test_a_lean_is_measured(lean):
    assert style_of((20, 20, 20), (240, 240, 240), 60, lean=lean).slant == pytest.approx(lean, abs=5)


@pytest.mark.parametrize("turn", [-25, 90])
def test_turned_text_is_measured_like_upright_text(turn):
    style = style_of((200, 20, 30), (250, 248, 240), 48, turn=turn)
    assert far(style.color, (200, 20, 30)) <= 20
    assert style.height == pytest.approx(44, abs=6)
    assert style.slant == 0


def test_without_any_stroke_a_readable_colour_is_given():
    picture = np.full((60, 120, 3), 240, np.uint8)
    line = TextLine(np.array([[10, 10], [110, 10], [110, 50], [10, 50]], np.float32), "文字", 1.0, "horizontal")
    style = measure_style(picture, line, np.zeros((60, 120), bool))
    assert style.color == (0, 0, 0)
    assert style.height == pytest.approx(40)
