import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from paddle_vlm.cli import main
from paddle_vlm.cli.classify import plan_heatmaps
from paddle_vlm.data import cifar10
from paddle_vlm.errors import UsageError


@pytest.fixture
def photos(tmp_path, dots):
    """Five pictures of dots and a broken one."""
    folder = tmp_path / "photos"
    folder.mkdir()
    images, labels = dots(5, 77)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        Image.fromarray(image).save(folder / f"{number}_{'红点' if label == 0 else '蓝点'}.png")
    (folder / "9_broken.png").write_bytes(b"not a picture")
    return folder


def test_one_picture_gives_a_table_and_a_heat_map(photos, dot_classifier, tmp_path, capsys):
    picture = next(photos.glob("0_*"))
    heat = tmp_path / "heat.jpg"
    assert main(["classify", str(picture), "--model", str(dot_classifier), "--heatmap", str(heat)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and lines[0].endswith(picture.stem[2:]) and "%" in lines[0]
    assert np.asarray(Image.open(heat)).shape == (32, 32, 3)


def test_one_broken_picture_does_not_stop_the_others(photos, dot_classifier, tmp_path, capsys, caplog):
    record, heats = tmp_path / "out.json", tmp_path / "heats"
    arguments = ["classify", str(photos), "--model", str(dot_classifier), "-k", "1"]
    assert main([*arguments, "--json", str(record), "--heatmap", str(heats)]) == 1
    rows = json.loads(record.read_text(encoding="utf-8"))
    assert len(rows) == 5 and len(list(heats.iterdir())) == 5
    right = [row["classes"][0]["label"] == Path(row["image"]).stem[2:] for row in rows]
    assert sum(right) >= 4
    assert capsys.readouterr().out.count("\t") == 5
    assert "9_broken.png" in caplog.text and "完成 5 张,失败 1 张" in caplog.text


def test_wrong_usage_ends_with_code_2(photos, dot_classifier, caplog):
    assert main(["classify", str(photos), "-k", "0"]) == 2
    assert "-k 至少为 1" in caplog.text
    assert main(["classify", str(photos), "--heatmap", "a.jpg", "--model", str(dot_classifier)]) == 2
    assert "是一个文件" in caplog.text


def test_an_unknown_model_ends_with_code_1(photos, tmp_path, caplog):
    assert main(["classify", str(photos), "--model", str(tmp_path / "none")]) == 1
    assert "不存在" in caplog.text


def test_heat_maps_have_distinct_names(tmp_path):
    names = plan_heatmaps([Path("x/a.jpg"), Path("y/a.jpg"), Path("b.png")], tmp_path / "out")
    assert len(set(names)) == 3 and (tmp_path / "out").is_dir()
    assert plan_heatmaps([Path("a.jpg")], tmp_path / "heat.png") == [tmp_path / "heat.png"]
    assert plan_heatmaps([Path("a.jpg")], None) == [None]
    with pytest.raises(UsageError, match="覆盖输入图片"):
        plan_heatmaps([Path("x/a.jpg"), tmp_path / "out/a_heat.jpg"], tmp_path / "out")
    with pytest.raises(UsageError, match="共有 2 张"):
        plan_heatmaps([Path("a.jpg"), Path("b.jpg")], tmp_path / "heat.png")


def test_without_a_model_the_shipped_one_names_ten_classes_in_chinese(photos, capsys):
    assert main(["classify", str(next(photos.glob("0_*"))), "-k", "10"]) == 0
    assert {line.split()[-1] for line in capsys.readouterr().out.splitlines()} == set(cifar10.CHINESE)
