"""Lines with known places become the paragraphs, cells and columns that a reader sees."""

import subprocess
import sys

import numpy as np
import pytest

from paddle_vlm.translation.layout import contains_chinese, group_lines
from paddle_vlm.translation.ocr import TextLine

PAGE = (1000, 1000)


def line(text, x, y, size=30, *, width=None, turn=0.0):
    """A horizontal line whose box begins at (x, y), turned about that point by `turn` degrees."""
    width = size * sum(1.0 if ord(c) > 0x2E7F else 0.5 for c in text) if width is None else width
    angle = np.radians(turn)
    right, down = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    start = np.array([x, y], float)
    corners = [start, start + width * right, start + width * right + size * down, start + size * down]
    return TextLine(np.array(corners, np.float32), text, 0.99, "horizontal")


def column(text, x, y, size=30):
    """A vertical line whose box begins at (x, y)."""
    height = size * len(text)
    corners = [(x, y), (x + size, y), (x + size, y + height), (x, y + height)]
    return TextLine(np.array(corners, np.float32), text, 0.99, "vertical")


def texts(lines):
    return [region.text for region in group_lines(lines, PAGE)]


def test_a_wrapped_sentence_is_one_paragraph_without_spaces():
    lines = [line("即时持久改善头发光泽的效果，给干燥的头", 20, 100), line("发足够的滋养", 20, 140)]
    [region] = group_lines(lines, PAGE)
    assert region.text == "即时持久改善头发光泽的效果，给干燥的头发足够的滋养"
    assert region.kind == "paragraph"
    assert region.lines == lines
    assert region.polygon.tolist() == [[20, 100], [590, 100], [590, 170], [20, 170]]


def test_latin_words_keep_a_space_where_the_line_breaks():
    assert texts([line("本产品由以下公司联合出品 Dr", 20, 100), line("Plant有限公司", 20, 140)]) == [
        "本产品由以下公司联合出品 Dr Plant有限公司"
    ]


@pytest.mark.parametrize(
    "below",
    [
        "【主要功能】：可紧致头发",
        "·适合所有肤质的人群",
        "2、适合所有肤质的人群",
        "电话：请拨打前台的号码",
        "第三条适合所有肤质",
    ],
)
def test_a_label_or_bullet_begins_anew(below):
    assert len(texts([line("鲸蜡硬脂醇燕麦葡聚糖椰油酰胺", 20, 100), line(below, 20, 140)])) == 2


def test_the_end_of_a_sentence_ends_the_paragraph():
    assert len(texts([line("请不要在草坪上面行走和停留。", 20, 100), line("谢谢各位游客的配合与支持", 20, 140)])) == 2


def test_lines_of_different_size_stay_apart():
    assert (
        len(texts([line("纯臻营养护发素产品信息", 20, 60, 50), line("适合所有肤质的护发产品信息", 20, 115, 30)])) == 2
    )


def test_menu_rows_keep_names_and_prices_apart():
    rows = [("宫保鸡丁", "38元"), ("鱼香肉丝", "32元"), ("麻婆豆腐", "¥26")]
    lines = [line(t, x, 100 + 45 * i) for i, row in enumerate(rows) for t, x in zip(row, (50, 500), strict=True)]
    regions = group_lines(lines, PAGE)
    assert [region.text for region in regions] == ["宫保鸡丁", "38元", "鱼香肉丝", "32元", "麻婆豆腐", "¥26"]
    assert {region.kind for region in regions} == {"cell"}
    assert [region.translatable for region in regions] == [True, True, True, True, True, False]


def test_two_columns_of_text_are_read_one_after_the_other():
    left = ["昨天下午本市举行了一场热闹的", "群众文艺演出吸引了上千名市民"]
    right = ["据气象台消息未来三天本市将有", "一次较为明显的降温和降雨过程"]
    lines = [line(t, x, 100 + 38 * i) for i in range(2) for x, t in ((20, left[i]), (520, right[i]))]
    assert texts(lines) == ["".join(left), "".join(right)]


def test_a_couplet_is_two_regions_from_right_to_left():
    assert texts([column("福满人间喜盈门", 100, 100, 60), column("春回大地千山秀", 800, 100, 60)]) == [
        "春回大地千山秀",
        "福满人间喜盈门",
    ]


def test_columns_of_a_scroll_that_read_on_are_one_region():
    lines = [column("梅花香自苦寒来。", 180, 150, 36), column("宝剑锋从磨砺出，", 234, 150, 36)]
    [region] = group_lines(lines, PAGE)
    assert region.text == "宝剑锋从磨砺出，梅花香自苦寒来。"
    assert region.orientation == "vertical"
    assert region.polygon.tolist() == [[180, 150], [270, 150], [270, 438], [180, 438]]


def test_single_characters_above_one_another_are_vertical_text():
    [region] = group_lines([line("奋", 300, 100, 60), line("斗", 302, 170, 60)], PAGE)
    assert (region.text, region.orientation) == ("奋斗", "vertical")


def test_single_characters_beside_one_another_are_one_line():
    [region] = group_lines([line("通", 300, 100, 60), line("知", 430, 101, 60)], PAGE)
    assert (region.text, region.orientation) == ("通知", "horizontal")


def test_a_turned_paragraph_is_joined_in_its_own_direction():
    lines = [line("请保持安静不要大声喧哗以免", 300, 300, turn=30), line("影响他人", 280, 334.6, turn=30)]
    [region] = group_lines(lines, PAGE)
    assert region.text == "请保持安静不要大声喧哗以免影响他人"
    across, along = region.polygon[3] - region.polygon[0], region.polygon[1] - region.polygon[0]
    assert np.degrees(np.arctan2(along[1], along[0])) == pytest.approx(30, abs=0.5)
    assert np.linalg.norm(across) == pytest.approx(70, abs=1)


def test_lines_at_different_angles_stay_apart():
    lines = [line("请保持安静不要大声喧哗以免", 300, 300, turn=30), line("影响他人学习和休息的时间", 290, 340)]
    assert len(texts(lines)) == 2


@pytest.mark.parametrize("text", ["13800138000", "¥38.00", "www.example.com", "info@example.com", "LOTIONSPA", "No. 5"])
def test_what_holds_no_chinese_is_kept(text):
    [region] = group_lines([line(text, 20, 20)], PAGE)
    assert not region.translatable


def test_mixed_lines_are_translated():
    [region] = group_lines([line("WiFi密码8888", 20, 20)], PAGE)
    assert region.translatable


@pytest.mark.parametrize("text", ["中", "㐀", "〇", "\U00020000", "a一"])
def test_chinese_characters_are_known_extensions_included(text):
    assert contains_chinese(text)


@pytest.mark.parametrize("text", ["", "abc", "１２３", "カナ", "，。"])
def test_other_characters_are_not_chinese(text):
    assert not contains_chinese(text)


def test_nothing_read_gives_no_region():
    assert group_lines([], PAGE) == []
    assert group_lines([line("  ", 20, 20)], PAGE) == []


def test_no_line_is_lost_or_doubled_whatever_the_layout():
    random = np.random.default_rng(0)
    for _ in range(30):
        lines = [
            (column if random.random() < 0.3 else line)(
                "汉字文本样例"[: random.integers(1, 7)], *random.integers(0, 900, 2)
            )
            for _ in range(40)
        ]
        grouped = [one.polygon.tolist() for region in group_lines(lines, PAGE) for one in region.lines]
        assert sorted(grouped) == sorted(one.polygon.tolist() for one in lines)


def test_layout_does_not_load_paddle():
    code = "import sys, paddle_vlm.translation.layout; sys.exit('paddle' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
