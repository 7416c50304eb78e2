"""The picture translator as a Python user meets it: sources, results, offline, many threads."""

import base64
import io
import json
import re
import socket
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from paddle_vlm import ImageTranslator
from paddle_vlm.errors import BadImage, OutputError
from paddle_vlm.translation.layout import contains_chinese
from paddle_vlm.vision.image import load_image


@pytest.fixture(scope="module")
def translator() -> ImageTranslator:
    return ImageTranslator()


@pytest.fixture(scope="module")
def picture(chinese_picture) -> np.ndarray:
    return chinese_picture(["小心地滑", "请勿吸烟", "电话 010-88886666"])


@pytest.fixture(scope="module")
def png(picture) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def test_path_bytes_base64_and_array_give_the_same_picture(translator, picture, png, tmp_path):
    (tmp_path / "a.png").write_bytes(png)
    sources = [tmp_path / "a.png", str(tmp_path / "a.png"), png, base64.b64encode(png).decode(), picture]
    results = [translator.translate(source) for source in sources]
    assert all((result.rgb == results[0].rgb).all() for result in results)
    assert (results[0].rgb != picture).any()


def test_chinese_is_gone_and_english_is_read_in_its_place(translator, picture):
    result = translator.translate(picture)
    again = translator.translate(result.rgb)
    assert not any(contains_chinese(region.region.text) for region in again.regions)
    wanted = re.findall(r"[a-z]+", " ".join(r.translation.text for r in result.regions).lower())
    read = "".join(r.region.text for r in again.regions).lower().replace(" ", "")
    assert sum(word in read for word in wanted) >= 0.9 * len(wanted) > 0


def test_numbers_in_a_chinese_line_survive(translator, picture):
    texts = [region.translation.text for region in translator.translate(picture).regions]
    assert "010-88886666" in texts[-1]
    assert not any(contains_chinese(text) for text in texts)


def test_what_lies_outside_the_regions_is_untouched(translator, picture):
    result = translator.translate(picture)
    outside = np.ones(picture.shape[:2], bool)
    for item in result.regions:
        for polygon in [item.region.polygon] + ([item.placement.polygon] if item.placement else []):
            (left, top), (right, bottom) = polygon.min(0).astype(int) - 12, polygon.max(0).astype(int) + 12
            outside[max(0, top) : bottom, max(0, left) : right] = False
    assert outside.mean() > 0.3
    assert (result.rgb[outside] == picture[outside]).all()


def test_the_glossary_and_the_memory_are_obeyed(picture, tmp_path):
    (tmp_path / "terms.tsv").write_text("小心地滑\tMind the wet floor\n", encoding="utf-8")
    (tmp_path / "memory.tsv").write_text("请勿吸烟\tThank you for not smoking\n", encoding="utf-8")
    translator = ImageTranslator(glossary=tmp_path / "terms.tsv", memory=tmp_path / "memory.tsv")
    first, second, _ = translator.translate(picture).regions
    assert (first.translation.text, first.translation.source) == ("Mind the wet floor", "glossary")
    assert (second.translation.text, second.translation.source) == ("Thank you for not smoking", "memory")


def test_white_text_on_transparency_stays_on_transparency(translator, chinese_picture):
    dark = chinese_picture(["安全出口"])
    ink = np.clip((dark[0, 0].astype(int) - dark).max(2) * 2, 0, 255).astype(np.uint8)
    rgba = np.dstack([np.full_like(dark, 255), ink])
    result = translator.translate(rgba)
    assert [r.region.text for r in result.regions] == ["安全出口"]
    assert result.rendering.alpha is not None
    assert (result.rendering.alpha[:5] == 0).all()
    assert result.rendering.alpha.max() > 200


def test_a_sideways_photo_is_turned_by_its_exif_and_stays_turned(translator, picture, tmp_path):
    image = Image.fromarray(np.ascontiguousarray(np.rot90(picture)))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise when shown
    image.save(tmp_path / "phone.jpg", exif=exif, quality=95)
    result = translator.translate(tmp_path / "phone.jpg")
    assert result.rgb.shape == picture.shape
    assert result.regions[0].region.text == "小心地滑"
    saved = load_image(result.save(tmp_path / "out.jpg"))
    assert saved.rgb.shape == picture.shape


def test_nothing_is_left_behind_when_the_result_cannot_be_written(translator, picture, tmp_path):
    result = translator.translate(picture)
    for save, name in ((result.save, "out.png"), (result.save_json, "out.json")):
        with pytest.raises(OutputError, match=re.escape(name)):
            save(tmp_path / "no" / "such" / name)
    assert list(tmp_path.iterdir()) == []


def test_the_record_is_json_with_every_key(translator, picture, tmp_path):
    result = translator.translate(picture)
    record = json.loads(result.save_json(tmp_path / "out.json").read_text(encoding="utf-8"))
    assert record == json.loads(json.dumps(result.to_dict()))
    assert record["image"] is None
    assert all(len(region["polygon"]) == 4 and 0 <= region["ocr_score"] <= 1 for region in record["regions"])
    ocr, translate, erase, typeset, total = (
        record["seconds"][stage] for stage in ("ocr", "translate", "erase", "typeset", "total")
    )
    assert ocr + max(translate, erase) + typeset <= total + 0.01
    assert total <= ocr + translate + erase + typeset + 0.01


def test_tiny_empty_and_extreme_pictures_come_through(translator):
    for shape in ((1, 1), (8, 8), (3, 900), (900, 3), (40, 3000)):
        blank = np.full((*shape, 3), 128, np.uint8)
        assert (translator.translate(blank).rgb == blank).all()


def test_what_is_no_picture_is_a_bad_image(translator, tmp_path):
    (tmp_path / "note.jpg").write_text("不是图片", encoding="utf-8")
    for source in (
        tmp_path / "note.jpg",
        tmp_path / "missing.jpg",
        b"",
        b"\xff\xd8\xff",
        np.zeros((0, 5, 3), np.uint8),
    ):
        with pytest.raises(BadImage):
            translator.translate(source)


def test_threads_share_one_translator(translator, picture, chinese_picture):
    pictures = [picture, chinese_picture(["欢迎光临", "免费停车"])] * 3
    alone = [translator.translate(p).to_dict()["regions"] for p in pictures]
    with ThreadPoolExecutor(4) as pool:
        together = [result.to_dict()["regions"] for result in pool.map(translator.translate, pictures)]
    assert together == alone


def test_after_a_first_run_it_works_with_the_network_cut(picture, monkeypatch):
    ImageTranslator()

    def refuse(*_):
        raise OSError("the network is cut")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    result = ImageTranslator().translate(picture)
    assert [r.region.text for r in result.regions][:2] == ["小心地滑", "请勿吸烟"]
