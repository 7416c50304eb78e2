import pytest

from paddle_vlm.translation.clauses import keeps_tokens, split_fixed, split_line, split_pauses, split_words
from paddle_vlm.translation.glossary import Glossary

LINES = ["【适用人群】:适合所有肤质", "1.黑芝麻糊,28元/斤", "电话:010-51721277", "!!!", "", "好鞋🍎不贵", "a，b。c"]


def chinese(parts) -> list[str]:
    return [part.text for part in parts if part.to_translate]


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("split", [split_line, split_pauses, split_fixed])
def test_parts_are_the_line_in_order(line, split):
    assert "".join(part.text for part in split(line, [])) == line


@pytest.mark.parametrize(
    ("line", "clauses"),
    [
        ("【适用人群】:适合所有肤质", ["适用人群", "适合所有肤质"]),
        ("净含量:220ml", ["净含量"]),
        ("营业时间 9:00-22:00", ["营业时间 9:00-22:00"]),
        ("地址:勉阳大道(西桥二楼)", ["地址", "勉阳大道", "西桥二楼"]),
        ("1.黑芝麻糊", ["黑芝麻糊"]),
        ("欢迎光临!谢谢惠顾。", ["欢迎光临", "谢谢惠顾"]),
        ("🍎苹果", ["苹果"]),
        ("3.5元起", ["3.5元起"]),
    ],
)
def test_labels_brackets_sentences_and_numbering_are_boundaries(line, clauses):
    assert chinese(split_line(line, [])) == clauses


def test_a_term_of_the_glossary_is_never_cut():
    glossary = Glossary({"小心:地滑": "Mind your step"})
    line = "注意小心:地滑!快走"
    assert chinese(split_line(line, glossary.find(line))) == ["注意小心:地滑", "快走"]


def test_fixed_parts_stand_apart_and_terms_carry_their_english():
    line = "本店iPhone手机套餐28元"
    parts = split_fixed(line, Glossary({"套餐": "Set"}).find(line))
    assert [(p.text, p.english) for p in parts] == [
        ("本店", None), ("iPhone", None), ("手机", None), ("套餐", "Set"), ("28元", None),
    ]  # fmt: skip


def test_words_are_grouped_up_to_the_limit_and_longer_ones_are_cut():
    assert [p.text for p in split_words(["我们", "爱", "北京天安门"], 3)] == ["我们爱", "北京天", "安门"]


@pytest.mark.parametrize(
    ("source", "english", "kept"),
    [
        ("净含量220ml", "Net content 220 ml", True),
        ("净含量220ml", "Net content 20m", False),
        ("电话010-5172", "Tel 010-5172", True),
        ("买A4纸2包A4", "A4 paper, 2 packs", False),
        ("好鞋不贵", "anything", True),
        ("WiFi密码", "Wifi password", True),
        ("净重1.5公斤", "Net weight 1.5kg", True),
        ("净重1.5公斤", "Net weight 1.5 yuan", False),
    ],
)
def test_numbers_and_latin_words_must_come_through(source, english, kept):
    assert keeps_tokens(source, english) is kept
