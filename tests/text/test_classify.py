"""The shipped classifiers."""

import json

import pytest

from paddle_vlm.errors import MissingWeights
from paddle_vlm.text.classify import Classifier, padded


@pytest.fixture(scope="module")
def sentiment() -> Classifier:
    return Classifier.load("sentiment")


def test_plain_praise_and_complaints_are_told_apart(sentiment):
    texts = [
        "房间干净,服务热情,下次还来",
        "质量太差了,用了两天就坏,客服也不理人",
        "味道很好,物流也快",
        "又脏又吵,再也不来了",
    ]
    assert [found.label for found in sentiment.classify(texts)] == ["正面", "负面", "正面", "负面"]


def test_topics_are_those_of_the_goods():
    texts = [
        "苹果很甜,个头也大,水分足",
        "酒店离地铁站很近,早餐不错",
        "洗完头发很顺滑,泡沫丰富",
        "作者的文笔很好,故事感人,值得一读",
    ]
    assert [found.label for found in Classifier.load("topic").classify(texts)] == ["水果", "酒店", "洗发水", "书籍"]


def test_a_text_is_judged_the_same_alone_and_among_others(sentiment):
    texts = ["房间干净", "早餐太少," * 40, "好", "🍎", "x" * 5000]
    together = sentiment.classify(texts)
    for text, found in zip(texts, together, strict=True):
        alone = sentiment.classify([text])[0]
        assert alone.probabilities == pytest.approx(found.probabilities, abs=1e-5)


def test_no_texts_have_no_classes(sentiment):
    assert sentiment.classify([]) == []


def test_a_folder_that_is_no_model_is_named(tmp_path):
    with pytest.raises(MissingWeights, match=r"config\.json"):
        Classifier.load(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"labels": ["a"]}), encoding="utf-8")
    with pytest.raises(MissingWeights, match="不是文本分类模型"):
        Classifier.load(tmp_path)


def test_padding_fills_up_to_the_longest():
    assert padded([[3, 4], []]).tolist() == [[3, 4], [0, 0]]
    assert padded([[]]).tolist() == [[0]]
