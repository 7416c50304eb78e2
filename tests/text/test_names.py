import pytest

from paddle_vlm.text.han import HAN
from paddle_vlm.text.names import person, pinyin, place


@pytest.mark.parametrize(
    ("name", "english"),
    [
        ("张伟", "Zhang Wei"),
        ("黄家驹", "Huang Jiaju"),
        ("欧阳修", "Ouyang Xiu"),
        ("司马相如", "Sima Xiangru"),
        ("阿宝", "Abao"),
    ],
)
def test_persons(name, english):
    assert person(name) == english


@pytest.mark.parametrize(
    ("name", "english"),
    [
        ("四川省", "Sichuan Province"), ("陕西", "Shaanxi"), ("陕西南路", "Shaanxi South Road"), ("沙县", "Shaxian"),
        ("广州", "Guangzhou"), ("中山街", "Zhongshan Street"), ("海淀区", "Haidian District"),
        ("人民东路", "Renmin East Road"),
    ],
)  # fmt: skip
def test_places(name, english):
    assert place(name) == english


def test_a_character_without_a_reading_vanishes():
    assert not HAN.search(pinyin("𠮷野家")) and pinyin("野家") == "Yejia"
