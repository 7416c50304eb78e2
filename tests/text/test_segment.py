import importlib
import logging

import jieba
import pytest

from paddle_vlm.text.segment import Segmenter


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter()


def test_words_are_those_of_jieba(segmenter):
    jieba.setLogLevel(logging.ERROR)
    for text in ("我来到北京清华大学", "他来到了网易杭研大厦", "小明硕士毕业于中国科学院计算所", "A4纸 100张,3.5元"):
        assert segmenter.cut(text) == jieba.lcut(text)
        assert segmenter.cut(text, "all") == jieba.lcut(text, cut_all=True)
        assert segmenter.cut(text, "search") == jieba.lcut_for_search(text)


def test_tags_are_those_of_jieba(segmenter):
    posseg = importlib.import_module("jieba.posseg")
    for text in ("我爱北京天安门", "张伟在上海工作", "云计算方面的专家"):
        assert segmenter.tag(text) == [(pair.word, pair.flag) for pair in posseg.lcut(text)]


def test_extra_words_stay_together_and_the_global_tokenizer_does_not_learn_them(segmenter):
    text = "今天吃螺蛳粉面"
    assert "螺蛳粉面" not in segmenter.cut(text)
    assert "螺蛳粉面" in Segmenter(["螺蛳粉面"], frequency=10_000).cut(text)
    assert "螺蛳粉面" not in jieba.lcut(text)


def test_the_stored_table_gives_the_same_words_as_a_fresh_one(monkeypatch, tmp_path):
    monkeypatch.setenv("PADDLE_VLM_HOME", str(tmp_path))
    fresh = Segmenter(["螺蛳粉面"])
    assert list(tmp_path.glob("words-*.npz"))
    stored = Segmenter(["螺蛳粉面"])
    text = "他来到了网易杭研大厦吃螺蛳粉面"
    assert stored.cut(text) == fresh.cut(text)
    assert stored._jieba.FREQ == fresh._jieba.FREQ and stored._jieba.total == fresh._jieba.total


def test_a_damaged_table_is_made_anew(monkeypatch, tmp_path):
    monkeypatch.setenv("PADDLE_VLM_HOME", str(tmp_path))
    Segmenter()
    next(tmp_path.glob("words-*.npz")).write_bytes(b"PK\x03\x04 not a table")
    assert Segmenter().cut("我来到北京清华大学") == ["我", "来到", "北京", "清华大学"]


def test_a_cache_folder_that_cannot_be_written_does_no_harm(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PADDLE_VLM_HOME", str(tmp_path / "file" / "below"))
    assert Segmenter().cut("我来到北京清华大学") == ["我", "来到", "北京", "清华大学"]


def test_empty_text_has_no_words(segmenter):
    assert segmenter.cut("") == [] and segmenter.tag("") == []
