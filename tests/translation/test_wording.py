import pytest

from paddle_vlm.text.han import HAN
from paddle_vlm.translation.wording import normalize, polish


@pytest.mark.parametrize(
    ("raw", "polished"),
    [
        ("the the good good food", "The good food"),
        ("south china south china university", "South china university"),
        ("Net content：220ml", "Net content: 220ml"),
        ("Net content :220ml", "Net content: 220ml"),
        ("【Suitable for】：All skin types", "[Suitable for]: All skin types"),
        ("a，b。", "A, b."),
        ("a orange , b", "An orange, b"),
        ("www.abc.com", "www.abc.com"),
        ("iPhone 6", "iPhone 6"),
        ("12:30,1,000", "12:30,1,000"),
        ("https://a.cn/b", "https://a.cn/b"),
        ("《Little Prince》", '"Little Prince"'),
        ("welcome! please come in. thank you", "Welcome! Please come in. Thank you"),
        ("100% off . ok", "100% off. Ok"),
        ("@ Bubu", "@Bubu"),
        ("", ""),
        ("5kg", "5kg"),
    ],
)
def test_english_is_put_in_order(raw, polished):
    assert polish(raw) == polished


@pytest.mark.parametrize("text", ["5公斤", "iPhone手机壳", "𠮷野家", "〇一", "北京 Beijing 北京"])
def test_no_chinese_character_is_left(text):
    assert not HAN.search(polish(text))


def test_input_is_made_plain_but_keeps_chinese_punctuation():
    assert normalize("ＡＢＣ１２３（ａ）　宫保\t鸡丁：；") == "ABC123（a） 宫保 鸡丁：；"
    assert normalize("⼥ 金\x00") == "女 金"
