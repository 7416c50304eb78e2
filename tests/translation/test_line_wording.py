"""The words alone tell where a line must end and where it must go on."""

import pytest

from paddle_vlm.translation.line_wording import join_texts, must_end, must_go_on, width_in_characters


def test_joining_adds_a_space_only_between_latin_words():
    assert join_texts(["燕麦β-葡聚", "糖"]) == "燕麦β-葡聚糖"
    assert join_texts(["Dr", "Plant"]) == "Dr Plant"
    assert join_texts(["型号YM", "号"]) == "型号YM号"
    assert join_texts([]) == ""


@pytest.mark.parametrize(
    ("above", "below"),
    [
        ("谢谢。", "再见"),
        ("净重", "【品名】：护发素"),
        ("一", "2、第二项"),
        ("前台", "电话：110"),
        ("（成品）", "包材"),
    ],
)
def test_a_line_ends_at_a_full_stop_a_label_or_a_bullet(above, below):
    assert must_end(above, below)


def test_a_line_may_go_on_otherwise():
    assert not must_end("给干燥的头", "发足够的滋养")


@pytest.mark.parametrize("above", ["宝剑锋从磨砺出，", "（成品", "土地整治与"])
def test_a_comma_an_open_bracket_or_a_connective_must_go_on(above):
    assert must_go_on(above)


def test_width_counts_latin_as_half():
    assert width_in_characters("中文ab") == 3.0
