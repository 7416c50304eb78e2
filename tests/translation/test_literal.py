import json

import pytest

from paddle_vlm.errors import MissingWeights
from paddle_vlm.text.cedict import Cedict
from paddle_vlm.text.hints import HintBook
from paddle_vlm.translation.literal import LiteralWriter, more_hints
from paddle_vlm.weights import fetch


@pytest.fixture(scope="module")
def book() -> HintBook:
    return HintBook(fetch("translator") / "cedict_glosses.tsv.gz")


@pytest.fixture
def writer(book) -> LiteralWriter:
    """Small tables, so that each test shows where a word comes from."""
    words, signs = (
        {"的": "-", "中心": "Center", "元": "yuan", "店": "Store"},
        {"小心地滑": "Caution: wet floor", "请勿吸烟": "No smoking"},
    )
    return LiteralWriter(book, Cedict.load(), words=words, signs=signs, lexicon={"修复": "repair", "水果": "fruit"})


@pytest.mark.parametrize(
    ("line", "english"),
    [
        ("小心地滑", "Caution: wet floor"),
        ("小心地滑请勿吸烟", "Caution: wet floor. No smoking"),
        ("土壤修复中心", "Soil Repair Center"),
        ("水果店", "Fruit Store"),
        ("我的植物", "I plant"),
        ("张伟", "Zhang Wei"),
        ("武汉", "Wuhan"),
        ("陕西南路", "Shaanxi South Road"),
        ("电话010-87772197", "telephone 010-87772197"),
        ("牛肉28元", "beef 28 yuan"),
        ("", ""),
    ],
)
def test_words_in_order(writer, line, english):
    assert writer.write(line).text == english


def test_the_share_of_known_characters_tells_how_much_is_more_than_pinyin(writer):
    assert writer.write("植物医生").known == 1.0
    assert writer.write("绿尚").known < 0.5


@pytest.mark.parametrize(
    ("line", "english"),
    [
        ("小心地滑", "Caution: wet floor"),
        ("宫保鸡丁", "Kung Pao Chicken"),
        ("免费", "free"),
        ("土壤修复中心", None),
        ("绿尚", None),
    ],
)
def test_whole_phrases(writer, line, english):
    assert writer.phrase(line) == english


@pytest.mark.parametrize(
    ("line", "english"),
    [
        ("小心地滑", "Caution: wet floor"),
        ("小心地滑 请勿吸烟", "Caution: wet floor. No smoking"),
        ("小心地滑 免费", None),  # no sign term
        ("22", None),
    ],
)
def test_lines_of_nothing_but_sign_terms(writer, line, english):
    assert writer.sign(line) == english


@pytest.mark.parametrize(
    ("line", "hints"),
    [
        ("土壤修复中心", "soil | repair | Center"),
        ("张伟", "Zhang Wei"),
        ("牛肉28元", "beef | 28 yuan"),
        ("我的植物", "I | plant"),
        ("ABC 123", ""),
        ("", ""),
    ],
)
def test_the_network_sees_the_words_in_order(writer, line, hints):
    assert writer.augment(line) == f"{line} ⇢ {hints}"


def test_a_term_of_the_user_is_a_words_only_sense(writer):
    assert writer.augment("修复水果店", {"水果": "Fine Fruits"}) == "修复水果店 ⇢ repair | Fine Fruits | Store"


def test_the_longest_term_is_taken(writer):
    assert writer.augment("农业大学", {"农业": "farming", "农业大学": "Agri Uni"}) == "农业大学 ⇢ Agri Uni"


@pytest.mark.parametrize(
    ("line", "more", "hints"),
    [
        ("水果", ["pinyin"], "fruit / Shuiguo"),
        ("修复", ["gloss", "pinyin"], "mending / repair / Xiufu"),
        ("水果", ["gloss", "pinyin"], "fruit / Shuiguo"),  # the dictionary says the same
        ("幸福路", ["pinyin"], "happy / Xingfu | Road"),
        ("张伟", ["gloss", "pinyin"], "Zhang Wei"),  # a name has no other
        ("店的牛肉28元", ["gloss", "pinyin"], "Store | beef / Niurou | 28 yuan"),  # our own words are as they should be
    ],
)
def test_the_network_may_see_more_of_each_word(book, line, more, hints):
    words, learnt = {"的": "-", "店": "Store", "路": "Road"}, {"修复": "mending", "水果": "fruit"}
    writer = LiteralWriter(book, Cedict.load(), words=words, signs={}, lexicon=learnt, more_hints=more)
    assert writer.augment(line) == f"{line} ⇢ {hints}"
    assert writer.augment(line, {line: "X"}) == f"{line} ⇢ X"


def test_a_folder_says_what_its_network_sees(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    assert more_hints(tmp_path) == []
    (tmp_path / "config.json").write_text(json.dumps({"more_hints": ["pinyin", "tones"]}))
    with pytest.raises(MissingWeights, match="tones.*gloss、pinyin"):
        more_hints(tmp_path)
