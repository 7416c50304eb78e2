"""The commands index, search, dedup and classify --labels, with a model that needs no weights."""

import json

import pytest

from paddle_vlm.cli import main
from paddle_vlm.retrieval.encoder import SearchModel
from paddle_vlm.vision.image import load_image


@pytest.fixture(autouse=True)
def colours(monkeypatch, colour_model):
    monkeypatch.setattr(SearchModel, "load", lambda *_: colour_model)


@pytest.fixture
def gallery(tmp_path, colour_photos):
    photos = colour_photos(红=2, 蓝=2)
    (photos / "bad.jpg").write_bytes(b"no picture")
    assert main(["index", str(photos), "--index", str(tmp_path / "gallery")]) == 0
    return tmp_path / "gallery"


def test_index_reports_what_it_did_and_lists_what_it_could_not_read(tmp_path, colour_photos, capsys, caplog):
    photos, gallery = colour_photos(红=2, 蓝=2), tmp_path / "gallery"
    (photos / "bad.jpg").write_bytes(b"no picture")
    assert main(["index", str(photos), "--index", str(gallery)]) == 0
    out = capsys.readouterr().out
    assert "索引共 4 张" in out
    assert "索引结构" in out
    assert "bad.jpg" in caplog.text
    assert main(["index", str(photos), "--index", str(gallery), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["unchanged"], record["added"], len(record["unreadable"])) == (4, 0, 1)


def test_search_prints_a_table_and_writes_the_sheet_and_the_record(tmp_path, gallery, capsys):
    arguments = ["search", "红苹果", "--index", str(gallery), "-k", "2", "--fast", "-o", str(tmp_path / "hits.jpg")]
    assert main(arguments) == 0
    assert "红0.png" in capsys.readouterr().out
    assert load_image(tmp_path / "hits.jpg").rgb.ndim == 3
    assert len(json.loads((tmp_path / "hits.json").read_text(encoding="utf-8"))["hits"]) == 2


def test_search_by_picture_with_filters_as_json(tmp_path, gallery, capsys):
    capsys.readouterr()
    photos = tmp_path / "photos"
    arguments = ["search", "--image", str(photos / "蓝0.png"), "--index", str(gallery), "--under", str(photos)]
    assert main([*arguments, "--json"]) == 0
    hits = json.loads(capsys.readouterr().out)["hits"]
    assert [len(hits), hits[0]["path"]] == [4, str(photos / "蓝0.png")]
    assert main([*arguments, "--json", "--before", "1999-01-01"]) == 0
    assert json.loads(capsys.readouterr().out)["hits"] == []


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (["search", "--index", "GALLERY"], 2),
        (["search", "红", "--image", "a.jpg", "--index", "GALLERY"], 2),
        (["search", " ", "--index", "GALLERY"], 2),
        (["search", "红", "--index", "GALLERY", "-k", "0"], 2),
        (["search", "红", "--index", "GALLERY", "--after", "yesterday"], 2),
        (["search", "红", "--index", "GALLERY", "--min", "7"], 2),
        (["search", "红", "--index", "nowhere"], 1),
        (["search", "--image", "missing.jpg", "--index", "GALLERY"], 1),
        (["index", "--index", "GALLERY"], 2),
        (["index", "missing", "--index", "GALLERY"], 2),
        (["dedup", "missing"], 2),
        (["classify", "missing.jpg", "--labels", "猫"], 2),
    ],
)
def test_wrong_usage_is_explained(gallery, wrong, code, caplog, capsys):
    caplog.clear()
    assert main([str(gallery) if word == "GALLERY" else word for word in wrong]) == code
    assert "错误" in caplog.text + capsys.readouterr().err


def test_dedup_lists_the_files_that_are_too_many(tmp_path, gallery, capsys):
    photos = tmp_path / "photos"
    (photos / "copy.png").write_bytes((photos / "红0.png").read_bytes())
    capsys.readouterr()
    assert main(["dedup", str(photos), "--json", "-o", str(tmp_path / "groups.jpg")]) == 0
    groups = json.loads(capsys.readouterr().out)["groups"]
    assert any(group["exact"] and len(group["photos"]) == 2 for group in groups) or len(groups[0]["photos"]) > 2
    assert (tmp_path / "groups.json").exists()
    assert main(["dedup", str(photos), "--list"]) == 0
    listed = capsys.readouterr().out.split()
    assert listed
    assert all(path.endswith(".png") for path in listed)


def test_classify_by_labels(tmp_path, gallery, capsys):
    capsys.readouterr()
    assert main(["classify", str(tmp_path / "photos/红0.png"), "--labels", "蓝,红,绿"]) == 0
    assert capsys.readouterr().out.splitlines()[0].endswith("红")
