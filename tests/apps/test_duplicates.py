"""The duplicate finder as a Python user meets it."""

import json

import pytest

from paddle_vlm.apps.duplicates import DuplicateFinder
from paddle_vlm.errors import UsageError
from paddle_vlm.vision.image import load_image


def test_groups_are_shown_saved_and_nothing_is_deleted(tmp_path, colour_photos, colour_model):
    photos = colour_photos(红=1, 蓝=1)
    (photos / "copy.png").write_bytes((photos / "红0.png").read_bytes())
    progress = []
    report = DuplicateFinder(encoder=colour_model).find([photos], lambda done, of: progress.append((done, of)))
    assert progress[-1] == (3, 3)
    assert len(report.redundant()) == 1
    assert "完全相同" in report.table()
    report.save(tmp_path / "groups.png")
    record = json.loads((tmp_path / "groups.json").read_text(encoding="utf-8"))
    assert record["wasted_bytes"] == (photos / "copy.png").stat().st_size
    assert record["groups"][0]["keep"] not in report.redundant()
    assert load_image(tmp_path / "groups.png").rgb.shape == report.sheet().shape
    assert len(list(photos.iterdir())) == 3


def test_a_folder_named_twice_is_looked_at_once(colour_photos, colour_model):
    photos = colour_photos(红=2)
    report = DuplicateFinder(encoder=colour_model).find([photos, photos])
    assert report.found.looked_at == 2


def test_missing_and_empty_folders_are_refused(tmp_path, colour_model):
    finder = DuplicateFinder(encoder=colour_model)
    with pytest.raises(UsageError, match="找不到"):
        finder.find([tmp_path / "missing"])
    with pytest.raises(UsageError, match="没有图片"):
        finder.find([tmp_path])
