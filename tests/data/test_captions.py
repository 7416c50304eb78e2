import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from paddle_vlm.data.captions import CaptionSet
from paddle_vlm.errors import BadData

FLICKR = Path(__file__).parents[3] / "shared/data/flickr8k_cn"


def make(folder: Path, rows: list[dict], pictures: list[str]) -> Path:
    (folder / "val.jsonl").write_text("\n".join(json.dumps(row) for row in rows) + "\n", encoding="utf-8")
    with tarfile.open(folder / "val.tar", "w") as archive:
        for number, name in enumerate(pictures):
            content = io.BytesIO()
            Image.fromarray(np.full((8, 8, 3), 40 * number, np.uint8)).save(content, "PNG")
            member = tarfile.TarInfo(f"some/folder/{name}")
            member.size = len(content.getvalue())
            archive.addfile(member, io.BytesIO(content.getvalue()))
    return folder


def test_pictures_come_with_the_number_of_their_line(tmp_path):
    rows = [{"image": "b.png", "zh": ["狗"]}, {"image": "a.png", "zh": ["猫"], "en": ["cat"]}]
    data = CaptionSet(make(tmp_path, rows, ["a.png", "unlisted.png", "b.png"]), "val")
    found = {number: int(rgb[0, 0, 0]) for number, rgb in data.pixels()}
    assert found == {1: 0, 0: 80}
    assert data.photos[1].texts(["zh", "en", "zh_mt"]) == ["猫", "cat"]


def test_a_picture_that_the_archive_lacks_is_named(tmp_path):
    data = CaptionSet(make(tmp_path, [{"image": "gone.png", "zh": ["狗"]}], ["a.png"]), "val")
    with pytest.raises(BadData, match=r"缺少 1 张图片,例如 gone\.png"):
        list(data.pixels())


def test_a_truncated_archive_is_refused(tmp_path):
    make(tmp_path, [{"image": "a.png", "zh": ["狗"]}], ["a.png"])
    (tmp_path / "val.tar").write_bytes((tmp_path / "val.tar").read_bytes()[:700])
    with pytest.raises(BadData):
        list(CaptionSet(tmp_path, "val").pixels())


@pytest.mark.parametrize("line", ["{", '{"zh": ["狗"]}', "[1]"])
def test_a_line_of_another_form_is_named(tmp_path, line):
    make(tmp_path, [{"image": "a.png", "zh": ["狗"]}], ["a.png"])
    with (tmp_path / "val.jsonl").open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    with pytest.raises(BadData, match="第 2 行"):
        CaptionSet(tmp_path, "val")


def test_missing_files_are_explained(tmp_path):
    with pytest.raises(BadData, match=r"test\.jsonl.*布局"):
        CaptionSet(tmp_path, "test")


@pytest.mark.skipif(not FLICKR.is_dir(), reason="../shared/data/flickr8k_cn is not here")
def test_flickr8k_cn_is_read():
    data = CaptionSet(FLICKR, "val")
    assert len(data) == 1000
    assert {len(photo.texts()) for photo in data.photos} == {5}
    number, rgb = next(data.pixels())
    assert rgb.shape == (224, 224, 3)
    assert 0 <= number < 1000
