"""Files in UTF-8, UTF-16, GBK and in a mixture."""

import logging

import pytest

from paddle_vlm.errors import BadText, UsageError
from paddle_vlm.text.reading import decode, read_text

LINES = "今天天气很好\n酒店的服务不错\nhello\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16"])
def test_the_encoding_is_found_out(tmp_path, encoding):
    path = tmp_path / "a.txt"
    path.write_bytes(LINES.encode(encoding))
    assert read_text(path) == LINES


def test_gbk_is_named(tmp_path, caplog):
    path = tmp_path / "a.txt"
    path.write_bytes(LINES.encode("gbk"))
    with caplog.at_level(logging.INFO, "paddle_vlm"):
        read_text(path)
    assert "GBK" in caplog.text and "a.txt" in caplog.text


def test_lines_of_two_encodings_are_each_read_in_their_own(caplog):
    raw = "第一行是统一码\n第二行也是\n".encode() + "第三行是国标码\n".encode("gbk")
    assert decode(raw, "混合.txt") == "第一行是统一码\n第二行也是\n第三行是国标码\n"
    assert "混有两种编码" in caplog.text


def test_a_given_encoding_is_obeyed():
    assert decode("臺北".encode("big5"), "x", "big5") == "臺北"


def test_what_is_in_no_such_encoding_is_refused_with_a_remedy():
    with pytest.raises(BadText, match="UTF-8"):
        decode(b"\xff\xff\xff\x00\x81", "图片.bin")
    with pytest.raises(UsageError, match="不认识的文字编码"):
        decode(b"a", "x", "klingon")


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(BadText, match=r"没有\.txt"):
        read_text(tmp_path / "没有.txt")
