"""Real models read real and drawn pictures."""

import unicodedata
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pylopdf_fonts_zh_cn
import pytest
from PIL import Image, ImageDraw, ImageFont

from paddle_vlm.errors import MissingWeights, UsageError
from paddle_vlm.translation.layout import group_lines
from paddle_vlm.translation.ocr import TextReader
from paddle_vlm.vision.image import load_image

FONT = Path(pylopdf_fonts_zh_cn.__file__).parent / "NotoSansSC-Regular.otf"
LINE = "欢迎使用手机充电站"


@pytest.fixture(scope="module")
def reader():
    return TextReader(device="cpu")


def drawn(text=LINE, *, vertical=False, angle=0.0, size=40, shape=(600, 600)):
    """Black text in the middle of a light picture, turned anticlockwise by `angle` degrees."""
    font = ImageFont.truetype(str(FONT), size)
    image = Image.new("RGB", (shape[1], shape[0]), (240, 238, 230))
    draw = ImageDraw.Draw(image)
    middle = (shape[1] / 2, shape[0] / 2)
    if vertical:
        for i, character in enumerate(text):
            place = (middle[0], middle[1] + 1.15 * size * (i - (len(text) - 1) / 2))
            draw.text(place, character, (20, 20, 20), font, anchor="mm")
    else:
        draw.text(middle, text, (20, 20, 20), font, anchor="mm")
    return np.asarray(image.rotate(angle, Image.Resampling.BICUBIC, fillcolor=(240, 238, 230))).copy()


def letters(text):
    return Counter(c for c in unicodedata.normalize("NFKC", text).lower() if c.isalnum())


def reading_angle(line):
    """Direction from the first to the second corner in degrees, clockwise from the right as pictures have it."""
    x, y = line.polygon[1] - line.polygon[0]
    return float(np.degrees(np.arctan2(y, x)))


def test_a_line_is_read_where_it_stands(reader):
    [line] = reader.read(drawn())
    assert line.text == LINE
    assert line.score > 0.9
    assert line.orientation == "horizontal"
    assert line.polygon.shape == (4, 2)
    assert line.polygon.dtype == np.float32
    ink = np.argwhere(drawn()[..., 0] < 128)[:, ::-1]
    assert (line.polygon.min(0) <= ink.min(0) + 2).all()
    assert (line.polygon.max(0) >= ink.max(0) - 2).all()
    assert (np.abs(line.polygon.mean(0) - 300) < 8).all()


@pytest.mark.parametrize("angle", [20, -35, 90, -90, 180, 150])
def test_the_polygon_of_a_turned_line_starts_where_reading_starts(reader, angle):
    [line] = reader.read(drawn(angle=angle))
    assert line.text == LINE
    assert line.orientation == "horizontal"
    assert abs((reading_angle(line) + angle + 180) % 360 - 180) < 4


def test_stacked_characters_are_vertical_and_start_at_their_top_left(reader):
    [line] = reader.read(drawn(vertical=True))
    assert line.text == LINE
    assert line.orientation == "vertical"
    assert line.polygon[0] == pytest.approx(line.polygon.min(0), abs=3)
    assert np.ptp(line.polygon[:, 1]) > 5 * np.ptp(line.polygon[:, 0])


def test_a_picture_without_text_has_no_lines(reader):
    assert reader.read(np.full((300, 400, 3), 200, np.uint8)) == []


@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (3, 500), (500, 3), (20, 6000)])
def test_odd_sizes_are_read_without_error(reader, shape):
    assert reader.read(np.full((*shape, 3), 255, np.uint8)) == []


def test_nothing_is_lost_or_doubled_where_a_very_long_picture_is_cut(reader):
    page = np.concatenate([drawn(shape=(150, 500))] * 30)
    lines = reader.read(page)
    assert [line.text for line in lines] == [LINE] * 30
    assert [float(line.polygon[:, 1].mean()) for line in lines] == pytest.approx(
        [75 + 150 * i for i in range(30)], abs=8
    )


def test_small_text_on_a_large_picture_is_read(reader):
    [line] = reader.read(drawn(size=44, shape=(2400, 3200)))
    assert line.text == LINE


def test_lines_below_the_wanted_score_are_dropped():
    blurred = cv2.GaussianBlur(drawn(size=24), (0, 0), 3.5)
    every, sure = TextReader(device="cpu", min_score=0.0), TextReader(device="cpu", min_score=0.999)
    assert len(sure.read(blurred)) < len(every.read(blurred))


def test_four_threads_read_what_one_reads(reader):
    pictures = [drawn(), drawn(vertical=True), drawn("停车场收费处", angle=180), drawn("安全出口", size=70)] * 2

    def read(picture):
        return [(line.text, line.score, line.polygon.tolist()) for line in reader.read(picture)]

    alone = [read(picture) for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(read, pictures)) == alone


@pytest.mark.parametrize("models", ["PP-OCRv4_mobile", "PP-OCRv4_mobile_onnx"])
def test_the_same_weights_read_through_paddle_inference_and_onnx_runtime(models):
    reader = TextReader(models, device="cpu")
    assert [line.text for line in reader.read(drawn())] == [LINE]
    [column] = reader.read(drawn(vertical=True))
    assert (column.text, column.orientation) == (LINE, "vertical")


def test_det_and_rec_can_be_named_apart():
    reader = TextReader("PP-OCRv4_mobile_det", "PP-OCRv6_small_rec", device="cpu")
    assert [line.text for line in reader.read(drawn())] == [LINE]


def test_unknown_models_and_devices_are_refused(monkeypatch):
    monkeypatch.setenv("PADDLE_VLM_OFFLINE", "1")
    with pytest.raises(MissingWeights):
        TextReader("PP-OCRv99_huge", device="cpu")
    with pytest.raises(UsageError):
        TextReader(device="tpu")


def test_photographs_are_read(reader, scene_text):
    wanted = {
        "gate_vertical.jpg": "华南农业大学东图土地整治与土壤修复研究中心",
        "shop_sign_mother_baby.jpg": "aiqin爱亲母婴生活馆",
        "overlay_poem.jpg": "最美的不是下雨天是曾与你躲过雨的屋檐",
        "vertical_scroll.jpg": "奋斗宝剑锋从磨砺出梅花香自苦寒来",
    }
    for name, text in wanted.items():
        lines = reader.read(load_image(scene_text / name).rgb)
        assert letters("".join(line.text for line in lines)) == letters(text), name


def test_a_product_card_falls_into_its_paragraphs(reader, scene_text):
    rgb = load_image(scene_text / "product_card.jpg").rgb
    regions = group_lines(reader.read(rgb), (rgb.shape[1], rgb.shape[0]))
    texts = [region.text for region in regions]
    assert sum("【" in text for text in texts) == 7
    assert any("【主要成分】" in text and text.endswith("泛醌") for text in texts)
    assert any("【主要功能】" in text and text.endswith("滋养") for text in texts)
    assert [region.text for region in regions if not region.translatable] == ["ODM OEM"]


def test_the_columns_of_a_scroll_are_read_from_the_right(reader, scene_text):
    rgb = load_image(scene_text / "vertical_scroll.jpg").rgb
    regions = group_lines(reader.read(rgb), (rgb.shape[1], rgb.shape[0]))
    assert {region.orientation for region in regions} == {"vertical"}
    assert "".join(letters("".join(region.text for region in regions))) == "奋斗宝剑锋从磨砺出梅花香自苦寒来"
