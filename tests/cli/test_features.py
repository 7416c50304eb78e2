import json

import numpy as np
import pytest
from PIL import Image

from paddle_vlm.cli import main


@pytest.fixture
def sign(tmp_path, chinese_picture):
    path = tmp_path / "sign.png"
    Image.fromarray(chinese_picture(["红烧牛肉面", "酸辣土豆丝"])).save(path)
    return path


@pytest.mark.parametrize("kind", ["sift", "hog", "segment", "words"])
def test_one_picture_is_drawn(sign, kind, tmp_path, capsys):
    out = tmp_path / "out.jpg"
    assert main(["features", str(sign), "-o", str(out), "--kind", kind]) == 0
    assert np.asarray(Image.open(out)).std() > 5
    assert str(out) in capsys.readouterr().out


def test_two_pictures_are_matched(sign, tmp_path, capsys):
    turned = tmp_path / "turned.png"
    Image.open(sign).rotate(12, expand=True).save(turned)
    assert main(["features", str(sign), str(turned), "-o", str(tmp_path / "m.png"), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["same_scene"] and record["inliers"] > 30
    assert (tmp_path / "m.png").is_file()


@pytest.mark.parametrize(
    ("images", "options", "message"),
    [(["a.png"] * 3, [], "给了 3 张图片"), (["a.png"] * 2, ["--kind", "hog"], "只能用 SIFT")],
)
def test_wrong_usage_ends_with_code_2(images, options, message, tmp_path, caplog):
    assert main(["features", *images, "-o", str(tmp_path / "out.png"), *options]) == 2
    assert message in caplog.text


def test_bad_files_end_with_code_1_and_leave_nothing(sign, tmp_path, caplog):
    assert main(["features", str(tmp_path / "none.png"), "-o", str(tmp_path / "out.png")]) == 1
    assert "找不到图片" in caplog.text
    assert main(["features", str(sign), "-o", str(sign)]) == 1
    assert main(["features", str(sign), "-o", str(tmp_path / "out.docx")]) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"sign.png"}
