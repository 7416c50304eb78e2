import gzip

import pytest

from paddle_vlm.data.labelled import read_labelled
from paddle_vlm.errors import BadText


def test_rows_of_a_csv_by_the_names_of_its_columns(tmp_path):
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress('cat,label,review\n书籍,1,"好看,推荐"\n酒店,0,\ufeff太吵\n酒店,0,  \n'.encode()))
    assert [(each.text, each.label) for each in read_labelled(path)] == [("好看,推荐", "1"), ("太吵", "0")]
    assert [each.label for each in read_labelled(path, label="cat")] == ["书籍", "酒店"]


def test_rows_of_a_tsv_and_gbk(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_bytes("股市上涨\tstocks\n\n新游戏\t发布\tgame\n".encode("gbk"))
    assert [(each.text, each.label) for each in read_labelled(path)] == [
        ("股市上涨", "stocks"),
        ("新游戏\t发布", "game"),
    ]


def test_an_absent_column_is_named_with_those_that_there_are(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,label\n好,1\n", encoding="utf-8")
    with pytest.raises(BadText, match=r"没有列 review,只有 text、label"):
        read_labelled(path)


def test_broken_rows_and_empty_files_are_named(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("好\t1\n没有标签\n", encoding="utf-8")
    with pytest.raises(BadText, match="第 2 行"):
        read_labelled(path)
    path = tmp_path / "a.csv"
    path.write_text("review,label\n只有文本\n", encoding="utf-8")
    with pytest.raises(BadText, match="第 2 行"):
        read_labelled(path)
    path.write_text("review,label\n", encoding="utf-8")
    with pytest.raises(BadText, match="没有文本"):
        read_labelled(path)


def test_a_review_of_a_megabyte_is_one_row(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(f"review,label\n{'好' * 350_000},1\n", encoding="utf-8")
    assert len(read_labelled(path)[0].text) == 350_000
