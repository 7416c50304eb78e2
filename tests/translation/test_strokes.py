"""The stroke mask: all of the glyphs, their glow and shadow, and nothing else."""

import cv2
import numpy as np
import pylopdf_fonts_zh_cn
import pytest
from PIL import Image, ImageDraw, ImageFont

from paddle_vlm.translation.ocr import TextLine
from paddle_vlm.translation.strokes import find_strokes, glyph_mask

FONT = str(pylopdf_fonts_zh_cn.sans_path())


def marked(picture, *lines, kept=()):
    """The mask of these lines' strokes."""
    return glyph_mask(picture.shape, find_strokes(picture, lines, kept), kept)


def written(ground, text="安全出口", at=(60, 60), size=48, color=(20, 30, 90), **style):
    """(picture with the text, pixels that differ, its line)."""
    image = Image.fromarray(ground)
    draw, font = ImageDraw.Draw(image), ImageFont.truetype(FONT, size)
    draw.text(at, text, color, font, **style)
    x0, y0, x1, y1 = draw.textbbox(at, text, font, stroke_width=style.get("stroke_width", 0))
    polygon = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float32)
    picture = np.asarray(image).copy()
    changed = np.abs(picture.astype(int) - ground).max(axis=2) > 8
    return picture, changed, TextLine(polygon, text, 1.0, "horizontal")


def grounds():
    ys, xs = np.mgrid[0:180, 0:360]
    rng = np.random.default_rng(0)
    yield "flat", np.full((180, 360, 3), (236, 228, 210), np.uint8)
    yield "gradient", np.stack([120 + xs // 4, 200 - ys // 3, 150 + ys // 3], axis=2).astype(np.uint8)
    yield "grain", np.clip(190 + rng.normal(0, 6, (180, 360, 3)), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("ground", [pytest.param(g, id=name) for name, g in grounds()])
def test_every_pixel_of_the_text_is_marked_and_little_else(ground):
    picture, changed, line = written(ground)
    mask = marked(picture, line)
    assert mask[changed].all()
    assert not mask[cv2.distanceTransform(np.uint8(~changed), cv2.DIST_L2, 5) > 9].any()


def test_outline_and_soft_shadow_are_marked_with_the_glyphs():
    ground = np.full((180, 360, 3), (60, 140, 90), np.uint8)
    _, shape, _ = written(ground, at=(66, 67))
    shade = cv2.GaussianBlur(shape.astype(np.float32), (0, 0), 2)[..., None]
    shaded = (ground * (1 - 0.6 * shade)).astype(np.uint8)
    picture, _, line = written(shaded, color=(255, 255, 255), stroke_width=3, stroke_fill=(150, 20, 30))
    seen = np.abs(picture.astype(int) - ground).max(axis=2) > 12
    assert marked(picture, line)[seen].mean() > 0.995


def test_a_wide_glow_is_marked_to_its_end():
    ground = np.full((220, 400, 3), 255, np.uint8)
    _, shape, _ = written(ground, at=(80, 70))
    glow = np.clip(3 * cv2.GaussianBlur(shape.astype(np.float32), (0, 0), 7), 0, 1)[..., None]
    lit = (ground * (1 - glow) + np.array([255, 150, 160]) * glow).astype(np.uint8)
    picture, _, line = written(lit, at=(80, 70), color=(220, 0, 0))
    seen = np.abs(picture.astype(int) - ground).max(axis=2) > 20
    assert marked(picture, line)[seen].mean() > 0.98


def test_a_frame_beside_the_text_is_left_alone():
    ground = np.full((180, 360, 3), (250, 250, 245), np.uint8)
    cv2.rectangle(ground, (46, 52), (270, 130), (20, 30, 90), 3)
    frame = (ground != (250, 250, 245)).any(axis=2)
    picture, _, line = written(ground)
    assert marked(picture, line)[frame].mean() < 0.02


def test_lines_that_stay_are_not_touched():
    ground = np.full((240, 360, 3), (250, 250, 245), np.uint8)
    picture, _, gone = written(ground, at=(60, 60))
    picture, stays_shape, stays = written(picture, "TAXI", at=(60, 112))
    assert not marked(picture, gone, kept=[stays])[stays_shape].any()


def test_no_lines_give_an_empty_mask():
    assert not marked(np.zeros((20, 30, 3), np.uint8)).any()


def test_a_line_that_sticks_out_of_the_picture_is_no_error():
    polygon = np.array([[-30, -20], [50, -20], [50, 20], [-30, 20]], np.float32)
    picture = np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    outside = polygon + 500
    mask = marked(picture, TextLine(polygon, "一", 1.0, "horizontal"), TextLine(outside, "二", 1.0, "vertical"))
    assert mask.shape == (40, 60)
