"""The translate command: names of outputs, exit codes, what is written."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from paddle_vlm.cli import main
from paddle_vlm.cli.translate import plan_jobs
from paddle_vlm.errors import UsageError
from paddle_vlm.vision.image import load_image


@pytest.fixture(scope="module")
def menu(tmp_path_factory, chinese_picture) -> Path:
    path = tmp_path_factory.mktemp("menu") / "menu.png"
    cv2.imwrite(str(path), chinese_picture(["红烧牛肉面", "酸辣土豆丝", "12元"])[..., ::-1])
    return path


def test_one_picture_takes_the_given_name(tmp_path):
    (job,) = plan_jobs([tmp_path / "a.jpg"], tmp_path / "out.jpg")
    assert (job.picture.name, job.record.name, job.comparison.name) == ("out.jpg", "out.json", "out_compare.jpg")


def test_without_output_the_result_stands_in_the_current_folder_with_a_name_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (job,) = plan_jobs([Path("photos/a.jpg")], None)
    assert job.picture == Path("a_en.jpg")


def test_many_pictures_go_into_a_folder_that_is_made(tmp_path):
    jobs = plan_jobs([tmp_path / "a.jpg", tmp_path / "b.png"], tmp_path / "english")
    assert [job.picture for job in jobs] == [tmp_path / "english/a.jpg", tmp_path / "english/b.png"]
    assert (tmp_path / "english").is_dir()


def test_no_two_pictures_share_an_output_or_a_record(tmp_path):
    sources = [tmp_path / "x/a.jpg", tmp_path / "x/a.png", tmp_path / "y/a.jpg", tmp_path / "x/a_jpg.png"]
    jobs = plan_jobs(sources, tmp_path / "out")
    assert len({job.picture for job in jobs}) == len({job.record for job in jobs}) == 4


def test_an_output_that_is_the_input_is_refused(tmp_path):
    with pytest.raises(UsageError, match="覆盖输入"):
        plan_jobs([tmp_path / "a.jpg"], tmp_path / "a.jpg")
    (tmp_path / "in").mkdir()
    with pytest.raises(UsageError, match="覆盖输入"):
        plan_jobs([tmp_path / "in/a.jpg", tmp_path / "in/b.jpg"], tmp_path / "in")


def test_many_pictures_into_one_file_is_refused(tmp_path):
    (tmp_path / "out.jpg").write_bytes(b"mine")
    with pytest.raises(UsageError, match="文件夹"):
        plan_jobs([tmp_path / "a.jpg", tmp_path / "b.jpg"], tmp_path / "out.jpg")
    assert (tmp_path / "out.jpg").read_bytes() == b"mine"


def test_a_picture_becomes_an_english_picture_with_its_record(menu, tmp_path, capsys):
    assert main(["translate", str(menu), "-o", str(tmp_path / "out.png"), "--compare"]) == 0
    record = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    original, result = load_image(menu), load_image(tmp_path / "out.png")
    assert result.rgb.shape == original.rgb.shape
    assert (record["width"], record["height"]) == (original.rgb.shape[1], original.rgb.shape[0])
    assert [r["text"] for r in record["regions"]] == ["红烧牛肉面", "酸辣土豆丝", "12元"]
    assert all(set(r) == {"polygon", "text", "translation", "source", "ocr_score", "translation_score", "orientation",
                          "font_size", "color"} for r in record["regions"])  # fmt: skip
    assert set(record["seconds"]) == {"ocr", "translate", "erase", "typeset", "total"}
    assert load_image(tmp_path / "out_compare.png").rgb.size > 2 * original.rgb.size
    assert "红烧牛肉面" in capsys.readouterr().out


def test_json_goes_to_standard_output_a_picture_a_line(menu, tmp_path, capsys):
    assert main(["translate", str(menu), "-o", str(tmp_path / "out.png"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["regions"][0]["text"] == "红烧牛肉面"


def test_one_bad_picture_among_many_is_named_and_the_rest_is_done(menu, tmp_path, caplog):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "good.png").write_bytes(menu.read_bytes())
    (folder / "bad.jpg").write_bytes(b"this is text")
    (folder / "plain.png").write_bytes(cv2.imencode(".png", np.full((60, 80, 3), 200, np.uint8))[1].tobytes())
    assert main(["translate", str(folder), "-o", str(tmp_path / "out")]) == 1
    assert sorted(p.name for p in (tmp_path / "out").glob("*.png")) == ["good.png", "plain.png"]
    assert "bad.jpg" in caplog.text
    assert "失败 1 张" in caplog.text


def test_a_picture_without_chinese_comes_out_as_it_was(tmp_path):
    picture = np.full((120, 300, 3), 240, np.uint8)
    cv2.putText(picture, "EXIT 24", (40, 75), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (20, 20, 20), 3)
    cv2.imwrite(str(tmp_path / "exit.png"), picture)
    assert main(["translate", str(tmp_path / "exit.png"), "-o", str(tmp_path / "out.png")]) == 0
    assert (load_image(tmp_path / "out.png").rgb == load_image(tmp_path / "exit.png").rgb).all()
    record = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert {r["source"] for r in record["regions"]} <= {"kept"}


@pytest.mark.parametrize("wrong", [["translate"], ["translate", "missing.jpg", "--nonsense"]])
def test_wrong_usage_ends_with_2(wrong):
    assert main(wrong) == 2


def test_a_missing_picture_is_named(tmp_path, caplog):
    assert main(["translate", str(tmp_path / "missing.jpg"), "-o", str(tmp_path / "out.jpg")]) == 1
    assert "missing.jpg" in caplog.text


def test_a_broken_glossary_is_named_with_its_line_before_any_work(menu, tmp_path, caplog):
    (tmp_path / "terms.tsv").write_text("牛肉\tbeef\n土豆丝\n", encoding="utf-8")
    arguments = ["translate", str(menu), "-o", str(tmp_path / "out.png"), "--glossary", str(tmp_path / "terms.tsv")]
    assert main(arguments) == 1
    assert "terms.tsv" in caplog.text
    assert "2" in caplog.text
    assert not (tmp_path / "out.png").exists()
