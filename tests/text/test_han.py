import pytest

from paddle_vlm.text.han import HAN, simplify


def test_traditional_characters_become_simplified_and_offsets_stay():
    assert simplify("臺灣大學圖書館,A4紙") == "台湾大学图书馆,A4纸"


@pytest.mark.parametrize("text", ["", "中国人民", "hello 🍎 123", "沈阳的著作"])
def test_other_texts_stay_as_they_are(text):
    assert simplify(text) == text


def test_rare_characters_keep_their_place():
    assert len(simplify("𠮷野家的燒肉")) == len("𠮷野家的燒肉")


def test_han_knows_extensions_but_not_kana():
    assert HAN.findall("𠮷〇あ漢a") == ["𠮷", "〇", "漢"]
