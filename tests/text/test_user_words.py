import pytest

from paddle_vlm.errors import BadText
from paddle_vlm.text.lexical import LexicalAnalyzer
from paddle_vlm.text.user_words import UserWords


@pytest.fixture(scope="module")
def analyzer() -> LexicalAnalyzer:
    return LexicalAnalyzer()


def words(analyzer: LexicalAnalyzer, text: str, user: UserWords | None) -> list[tuple[str, str]]:
    return [(token.word, token.tag) for token in analyzer.analyze([text], words=user)[0]]


def test_a_word_stays_whole_with_its_tag(analyzer):
    text = "我爱吃螺蛳粉面"
    assert ("螺蛳粉面", "nz") not in words(analyzer, text, None)
    assert ("螺蛳粉面", "nz") in words(analyzer, text, UserWords({"螺蛳粉面": "nz"}))


def test_the_longest_word_wins_and_the_rest_of_a_cut_word_stands_alone(analyzer):
    found = words(analyzer, "高科技公司", UserWords({"科技": "n", "科技公": "nz"}))
    assert found[0][0] == "高" and found[1] == ("科技公", "nz") and found[2][0] == "司"


def test_without_a_tag_it_takes_that_of_its_first_character(analyzer):
    assert words(analyzer, "百度是公司", UserWords({"百度是": None}))[0] == ("百度是", "ORG")


def test_rows_of_jieba_and_of_lac_are_read(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("# 我的词\n螺蛳粉 100 n\n云岭雅苑 LOC\n\n新词\n常用词 5\n", encoding="gbk")
    assert UserWords.load(path).words == {"螺蛳粉": "n", "云岭雅苑": "LOC", "新词": None, "常用词": None}


def test_all_broken_rows_are_named(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("好词 n\n坏 1 n 多余 列\n也坏 名词\n", encoding="utf-8")
    with pytest.raises(BadText, match=r"有 2 行不对[\s\S]*第 2 行[\s\S]*第 3 行"):
        UserWords.load(path)


def test_a_file_without_words_is_refused(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("# 只有注释\n", encoding="utf-8")
    with pytest.raises(BadText, match="没有词"):
        UserWords.load(path)
