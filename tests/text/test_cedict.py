import pytest

from paddle_vlm.text.cedict import Cedict
from paddle_vlm.text.han import HAN


@pytest.fixture(scope="module")
def cedict() -> Cedict:
    return Cedict.load()


def test_senses_come_in_the_order_of_the_dictionary(cedict):
    assert cedict.senses("宫保鸡丁") == ["Kung Pao Chicken", "spicy diced chicken"]
    assert cedict.senses("免费")[0] == "free"


def test_common_words_come_before_family_names(cedict):
    assert "plum" in cedict.senses("李")[0]


@pytest.mark.parametrize("word", ["行", "的", "面", "北京", "请勿", "台湾", "个", "省"])
def test_senses_hold_no_notes_brackets_or_chinese(cedict, word):
    for sense in cedict.senses(word):
        assert not HAN.search(sense) and not set(sense) & set("()[]") and not sense.startswith(("CL:", "variant"))


def test_an_unknown_word_has_no_senses(cedict):
    assert cedict.senses("龘龘龘") == [] and "龘龘龘" not in cedict


@pytest.mark.parametrize(
    ("traditional", "simplified"),
    [("臺灣國立大學", "台湾国立大学"), ("乾淨", "干净"), ("丹參", "丹参"), ("特徵在於", "特征在于"), ("人參", "人参")],
)
def test_traditional_characters_become_simplified(cedict, traditional, simplified):
    assert cedict.simplify(traditional) == simplified


@pytest.mark.parametrize("text", ["著名品牌", "什么", "皇后大道干杯", "ABC 123 🍎", "发面里程"])
def test_simplified_text_stays(cedict, text):
    assert cedict.simplify(text) == text
