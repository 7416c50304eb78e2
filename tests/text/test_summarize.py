import numpy as np
import pytest

from paddle_vlm.text.summarize import BLOCK, Summarizer, split_sentences, text_rank

TEXT = (
    "人工智能是计算机科学的一个分支，它企图了解智能的实质。该领域的研究包括机器人、语音识别、图像识别和自然语言处理。"
    "今天中午吃了面条。人工智能从诞生以来，理论和技术日益成熟，应用领域也不断扩大。"
    "人工智能从诞生以来，理论和技术日益成熟，应用领域不断扩大。语音识别和图像识别是人工智能的重要应用。"
)


@pytest.fixture(scope="module")
def summarizer() -> Summarizer:
    return Summarizer()


@pytest.mark.parametrize("method", ["tfidf", "textrank"])
def test_keywords_are_what_the_text_is_about(summarizer, method):
    found = summarizer.keywords(TEXT, 4, method)
    assert len(found) == 4
    assert found[0].weight == 1.0 and all(a.weight >= b.weight for a, b in zip(found, found[1:], strict=False))
    assert "人工智能" in [each.word for each in found]


def test_a_summary_holds_central_sentences_in_order_and_not_the_same_twice(summarizer):
    found = summarizer.summary(TEXT, 3)
    assert [each.text for each in found] == [TEXT[each.start : each.end] for each in found]
    assert [each.start for each in found] == sorted(each.start for each in found)
    assert "今天中午吃了面条。" not in [each.text for each in found]
    assert sum("日益成熟" in each.text for each in found) <= 1


def test_without_regard_for_novelty_the_twin_sentences_come_back(summarizer):
    assert sum("日益成熟" in each.text for each in summarizer.summary(TEXT, 2, novelty=0.0)) == 2


def test_a_short_text_is_its_own_summary(summarizer):
    assert [each.text for each in summarizer.summary("只有一句。", 3)] == ["只有一句。"]


@pytest.mark.parametrize("text", ["", " \n ", "🍎🍎", "。。。!!"])
def test_texts_without_words_have_neither(summarizer, text):
    assert summarizer.summary(text, 3) == [] or text.strip() == "🍎🍎"
    assert summarizer.keywords(text, 3) == []


def test_a_text_of_many_sentences_is_thinned_out(summarizer):
    text = "".join(f"第{n}号房间的客人对酒店早餐提了{n % 7}条意见。" for n in range(2 * BLOCK + 5))
    assert len(summarizer.summary(text, 3)) == 3


def test_sentences_keep_their_closing_quotation_marks_and_end_with_the_line():
    found = split_sentences("他说：“走吧！”她没动。\n标题没有句号\n  结尾…… ")
    assert [each.text for each in found] == ["他说：“走吧！”", "她没动。", "标题没有句号", "结尾……"]


def test_rank_is_the_stationary_distribution_of_the_random_reader():
    likeness = np.array([[0, 1, 1], [1, 0, 0], [1, 0, 0]], float)
    rank = text_rank(likeness)
    assert rank == pytest.approx(0.15 + 0.85 * (likeness / likeness.sum(0)) @ rank, abs=1e-4)
    assert rank[0] > rank[1] == pytest.approx(rank[2])
