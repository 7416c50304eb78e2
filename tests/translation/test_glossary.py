import logging

import pytest

from paddle_vlm.errors import BadText, UsageError
from paddle_vlm.translation.glossary import Glossary, Match, Memory


def write(tmp_path, content: str | bytes, name: str = "terms.tsv"):
    path = tmp_path / name
    path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    return path


def test_rows_comments_and_empty_lines(tmp_path):
    path = write(tmp_path, "# 注释\n\n植物医生\tDR PLANT\n 套餐 \t Set \n")
    assert Glossary.load(path).terms == {"植物医生": "DR PLANT", "套餐": "Set"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16"])
def test_encodings_are_found_out(tmp_path, encoding):
    path = write(tmp_path, "植物医生\tDR PLANT\n".encode(encoding))
    assert Glossary.load(path).terms == {"植物医生": "DR PLANT"}


def test_an_encoding_may_be_named(tmp_path):
    path = write(tmp_path, "植物醫生\tDR PLANT\n".encode("big5"))
    assert Glossary.load(path, encoding="big5").terms == {"植物醫生": "DR PLANT"}
    with pytest.raises(UsageError, match="klingon"):
        Glossary.load(path, encoding="klingon")


@pytest.mark.parametrize("row", ["植物医生", "植物医生\t", "\tDR PLANT", "植物\t医生\tDR PLANT", "植物医生 DR PLANT"])
def test_a_broken_row_is_named_with_its_line(tmp_path, row):
    path = write(tmp_path, f"# 注释\n套餐\tSet\n{row}\n")
    with pytest.raises(BadText, match=r"terms\.tsv 第 3 行"):
        Glossary.load(path)


@pytest.mark.parametrize("content", [b"", b"# only\n\n", b"\xff\xff\xff\xff\xff"])
def test_a_file_without_terms_or_of_unknown_encoding_is_refused(tmp_path, content):
    with pytest.raises(BadText, match="terms.tsv"):
        Glossary.load(write(tmp_path, content))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(BadText, match="nothing.tsv"):
        Glossary.load(tmp_path / "nothing.tsv")


def test_of_a_repeated_term_the_last_counts_and_a_warning_names_both_lines(tmp_path, caplog):
    path = write(tmp_path, "套餐\tSet\n面\tNoodles\n套餐\tSet meal\n")
    with caplog.at_level(logging.WARNING):
        assert Glossary.load(path).terms["套餐"] == "Set meal"
    assert "第 3 行" in caplog.text and "第 1 行" in caplog.text


def test_the_longest_term_at_each_place_is_found():
    glossary = Glossary({"牛肉": "beef", "牛肉面": "beef noodles", "面": "noodles"})
    assert glossary.find("牛肉面和面") == [Match(0, 3, "beef noodles"), Match(4, 5, "noodles")]
    assert glossary.find("") == [] == Glossary({}).find("牛肉面")


def test_latin_terms_are_not_cut_out_of_words():
    glossary = Glossary({"A4": "A4 size"})
    assert glossary.find("BA45") == [] and glossary.find("买A4纸") == [Match(1, 3, "A4 size")]


def test_memory_from_a_table(tmp_path):
    memory = Memory.load(write(tmp_path, "小心地滑\tMind your step\n"))
    assert memory.get("小心地滑") == "Mind your step" and memory.get("地滑") is None


TMX = """<?xml version="1.0" encoding="UTF-8"?><!DOCTYPE tmx SYSTEM "tmx14.dtd">
<tmx version="1.4"><header srclang="zh-CN"/><body>
<tu><tuv xml:lang="zh-CN"><seg>小心<bpt i="1"/>地滑</seg></tuv>
<tuv xml:lang="en-US"><seg>Mind your step</seg></tuv></tu>
<tu><tuv xml:lang="de"><seg>Vorsicht</seg></tuv><tuv xml:lang="en"><seg>Caution</seg></tuv></tu>
</body></tmx>"""


def test_memory_from_tmx_takes_units_with_chinese_and_english(tmp_path):
    assert Memory.load(write(tmp_path, TMX, "m.tmx")).lines == {"小心地滑": "Mind your step"}


def test_a_broken_tmx_is_named_with_its_line(tmp_path):
    with pytest.raises(BadText, match=r"m\.tmx 第 5 行"):
        Memory.load(write(tmp_path, TMX.replace('<tu><tuv xml:lang="de">', "<tu><tuv>>&", 1), "m.tmx"))


def test_a_tmx_without_chinese_is_refused(tmp_path):
    with pytest.raises(BadText, match="中文"):
        Memory.load(write(tmp_path, TMX.replace("zh-CN", "ja"), "m.tmx"))
