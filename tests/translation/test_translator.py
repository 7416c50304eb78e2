import re

import pytest

from paddle_vlm.errors import MissingWeights
from paddle_vlm.text.han import HAN
from paddle_vlm.translation.glossary import Glossary, Memory
from paddle_vlm.translation.translator import Translation, Translator


@pytest.fixture(scope="module")
def translator() -> Translator:
    return Translator()


def text_of(translator: Translator, line: str) -> str:
    return translator.translate([line])[0].text


@pytest.mark.parametrize(
    ("line", "english"),
    [
        ("宫保鸡丁", "Kung Pao chicken"),
        ("禁止吸烟", "No smoking"),
        ("净含量:220ml", "Net content: 220ml"),
        ("净含量：500克", "Net content: 500 g"),
        ("鱼香肉丝 22元/份", "Fish-flavored shredded pork 22 yuan/portion"),
        ("1、请排队等候", "1. Please line up here"),
        ("【适用人群】:适合所有肤质", "[Suitable for]: Suitable for all skin types"),
        ("电话：010-51721277", "Tel: 010-51721277"),
        ("2015年10月30日", "October 30, 2015"),
        ("紅燒牛肉麵　２８元", "Braised beef noodles 28 yuan"),
        ("臺灣大學", "National Taiwan University"),
        ("张伟", "Zhang Wei"),
    ],
)
def test_signs_labels_menus_and_names(translator, line, english):
    assert text_of(translator, line).lower() == english.lower()


@pytest.mark.parametrize("line", ["", "   ", "!!!", "。。。", "ABC", "138-0013-8000", "🍎", "www.example.cn", "¥28.00"])
def test_what_holds_no_chinese_is_kept_as_it_is(translator, line):
    assert translator.translate([line]) == [Translation(line, "kept", 1.0)]


MIXED = [
    "土地整治与土壤修复研究中心", "本店提供免费WiFi,欢迎光临!", "🍎苹果 ¥5.00/斤", "𠮷野家",
    "购买iPhone6即送50元代金券",
    "订餐电话13800138000,营业时间9:00-22:00", "长71cm宽40cm高8cm", "巨额优惠卷免费领", "龘靐齉齾",
    "GKT16.5型液压升降平台",
]  # fmt: skip


@pytest.mark.parametrize("line", MIXED)
def test_no_chinese_is_left_and_numbers_latin_words_and_emoji_come_through(translator, line):
    english = text_of(translator, line)
    assert english and not HAN.search(english)
    squeezed = re.sub(r"[\s,]", "", english.lower())
    for token in re.findall(r"[A-Za-z0-9.:\-]{2,}|🍎", line):
        assert re.sub(r"[\s,]", "", token.lower()) in squeezed


def test_scores_are_probabilities_and_sources_are_named(translator):
    for translation in translator.translate(MIXED):
        assert 0 <= translation.score <= 1 and translation.source in ("model", "dictionary")


def test_lines_give_the_same_together_and_alone(translator):
    together = translator.translate(MIXED)
    assert [t.text for t in together] == [text_of(translator, line) for line in MIXED]
    assert translator.translate([]) == []


def test_ten_thousand_characters_with_and_without_punctuation(translator):
    for text in ("我们的饭店很好吃" * 1250, "我们的饭店很好吃," * 1112):
        english = text_of(translator, text)
        assert len(english.split()) > 1000 and not HAN.search(english)


def test_the_memory_comes_first_and_is_exact():
    memory = Memory({"小心地滑": "Mind your step"})
    translator = Translator(glossary=Glossary({"小心地滑": "Slippery"}), memory=memory)
    assert translator.translate(["小心地滑"]) == [Translation("Mind your step", "memory", 1.0)]
    assert "Slippery" in translator.translate(["请小心地滑"])[0].text


def test_a_line_that_is_a_term_becomes_the_term_as_the_user_spells_it():
    translator = Translator(glossary=Glossary({"植物医生": "dr PLANT,cn"}))
    assert translator.translate(["植物医生", "植物醫生"]) == [Translation("dr PLANT,cn", "glossary", 1.0)] * 2


TERMS = {
    "植物医生": "DR PLANT",
    "授权": "licence",
    "牛肉面": "iNoodles",
    "面": "WRONG",
    "小心:地滑": "Mind: step",
    "会员": "~Member~",
}


@pytest.fixture(scope="module")
def obedient() -> Translator:
    return Translator(glossary=Glossary(TERMS))


@pytest.mark.parametrize(
    "line",
    [
        "植物医生官方唯一授权", "牛肉面28元", "红烧牛肉面", "欢迎植物医生会员", "牛肉面牛肉面", "注意小心:地滑!",
        "会员", "免费植物医生WiFi",
        "植物醫生在北京的旗舰店开业了,会员免费领取牛肉面一份,每人限领一份,先到先得,送完即止,详情请咨询店内工作人员",
    ],
)  # fmt: skip
def test_terms_are_always_obeyed_longest_first(obedient, line):
    glossary = Glossary(TERMS)
    english = text_of(obedient, line)
    for match in glossary.find(line.replace("醫", "医")):
        assert match.english in english
    assert english.count("iNoodles") == line.count("牛肉面") and "WRONG" not in english


def test_a_thousand_terms_are_obeyed_in_every_line():
    characters = "天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往秋收冬藏闰余成岁律吕调阳云腾"
    terms = {a + b: f"Term{i}x{j}" for i, a in enumerate(characters) for j, b in enumerate(characters) if i != j}
    glossary = Glossary(dict(list(terms.items())[:1000]))
    lines = [f"欢迎来到{term}餐厅" for term in list(glossary.terms)[::40]]
    for line, translation in zip(lines, Translator(glossary=glossary).translate(lines), strict=True):
        for match in glossary.find(line):
            assert match.english in translation.text


def test_a_missing_model_is_named(tmp_path):
    with pytest.raises(MissingWeights):
        Translator(tmp_path / "nowhere")
    with pytest.raises(MissingWeights, match="config.json"):
        Translator(tmp_path)
