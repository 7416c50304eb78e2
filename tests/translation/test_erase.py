"""What stands where text was: the true background, where it is known."""

import cv2
import numpy as np
import pylopdf_fonts_zh_cn
import pytest
from PIL import Image, ImageDraw, ImageFont

from paddle_vlm.translation.erase import erase
from paddle_vlm.translation.ocr import TextLine
from paddle_vlm.translation.strokes import find_strokes, glyph_mask

FONT = str(pylopdf_fonts_zh_cn.sans_path())


def marked(picture, *lines, kept=()):
    """The mask of these lines' strokes."""
    return glyph_mask(picture.shape, find_strokes(picture, lines, kept), kept)


def erased(ground, size=44, text="禁止停车", color=(180, 20, 30), quality=None):
    """(result, mask, picture with the text) of writing a text onto `ground` and erasing it."""
    image = Image.fromarray(ground)
    draw, at = ImageDraw.Draw(image), (50, 50)
    font = ImageFont.truetype(FONT, size)
    draw.text(at, text, color if ground.shape[2] == 3 else (*color, 255), font)
    x0, y0, x1, y1 = draw.textbbox(at, text, font)
    line = TextLine(np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float32), text, 1.0, "horizontal")
    picture = np.asarray(image).copy()
    if quality:
        coded = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        picture = np.ascontiguousarray(cv2.imdecode(coded, cv2.IMREAD_COLOR)[..., ::-1])
    mask = marked(np.ascontiguousarray(picture[..., :3]), line)
    return erase(picture, mask, [line]), mask, picture


def gradient():
    ys, xs = np.mgrid[0:160, 0:320]
    return np.stack([90 + xs // 3, 220 - ys // 2, 140 + (xs + ys) // 6], axis=2).astype(np.uint8)


def test_a_flat_background_comes_back_exactly():
    ground = np.full((160, 320, 3), (244, 236, 220), np.uint8)
    assert np.array_equal(erased(ground)[0], ground)


def test_a_flat_background_comes_back_within_the_noise_of_a_jpeg():
    result, mask, picture = erased(np.full((160, 320, 3), (244, 236, 220), np.uint8), quality=85)
    assert np.abs(result[mask].astype(int) - np.median(picture[~mask], axis=0)).max() <= 2


def test_a_gradient_comes_back_within_two_levels():
    ground = gradient()
    assert np.abs(erased(ground)[0].astype(int) - ground).max() <= 2


def test_grain_comes_back_as_strong_as_it_was_and_without_a_trace_of_the_text():
    rng = np.random.default_rng(1)
    ground = np.clip(gradient() + rng.normal(0, 7, (160, 320, 1)), 0, 255).astype(np.uint8)
    result, mask, picture = erased(ground)
    noise = (result.astype(float) - cv2.GaussianBlur(result, (0, 0), 4))[mask].std()
    assert 4 < noise < 9
    assert np.abs(cv2.blur(result, (9, 9)).astype(int) - cv2.blur(ground, (9, 9)))[mask].mean() < 4
    assert np.array_equal(result[~mask], picture[~mask])


@pytest.mark.parametrize("size", [14, 28, 90])
def test_small_and_large_letters_vanish_alike(size):
    ground = gradient()
    assert np.abs(erased(ground, size=size, text="停车")[0].astype(int) - ground).max() <= 3


def test_a_step_in_the_background_survives_on_both_sides():
    ground = np.full((160, 320, 3), (240, 240, 235), np.uint8)
    ground[:, 140:] = (40, 70, 120)
    result = erased(ground, color=(250, 190, 40))[0].astype(int)
    assert np.abs(result[:, :110] - ground[:, :110]).max() <= 12
    assert np.abs(result[:, 170:] - ground[:, 170:]).max() <= 12


def test_letters_on_nothing_leave_nothing():
    ground = np.zeros((160, 320, 4), np.uint8)
    result, mask, _ = erased(ground)
    assert mask.any()
    assert result[..., 3].max() <= 2


def test_opaque_pixels_of_a_picture_with_alpha_stay_opaque():
    ground = np.dstack([gradient(), np.full((160, 320), 255, np.uint8)])
    result, _, _ = erased(ground)
    assert result[..., 3].min() == 255
    assert np.abs(result.astype(int) - ground).max() <= 2


def test_marks_far_from_every_line_are_filled_too():
    ground = np.full((80, 120, 3), 200, np.uint8)
    picture, mask = ground.copy(), np.zeros((80, 120), bool)
    picture[30:40, 50:60], mask[28:42, 48:62] = 0, True
    assert np.abs(erase(picture, mask, []).astype(int) - ground).max() <= 1


def test_the_given_picture_is_not_changed():
    ground = np.full((160, 320, 3), 230, np.uint8)
    image = Image.fromarray(ground)
    ImageDraw.Draw(image).text((50, 50), "出口", (0, 0, 0), ImageFont.truetype(FONT, 40))
    picture = np.asarray(image).copy()
    before = picture.copy()
    line = TextLine(np.array([[50, 58], [132, 58], [132, 102], [50, 102]], np.float32), "出口", 1.0, "horizontal")
    erase(picture, marked(picture, line), [line])
    assert np.array_equal(picture, before)


def test_a_frame_close_to_the_text_does_not_bleed_into_the_ground():
    ys = np.linspace(150, 175, 190, dtype=np.float32)[:, None, None]
    ground = np.broadcast_to(ys * (1, 0.16, 0.17), (190, 420, 3)).astype(np.uint8).copy()
    for y in (44, 160):
        cv2.line(ground, (20, y), (400, y + 4), (235, 200, 115), 3)
    result, mask, _ = erased(ground, size=84, text="老城面馆", color=(236, 202, 116))
    assert np.abs(result.astype(int) - ground)[mask].max() < 8
