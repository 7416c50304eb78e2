import pytest

from paddle_vlm.data.tagged import Sentence
from paddle_vlm.text.lexical import LexicalAnalyzer
from paddle_vlm.text.segment import Segmenter
from paddle_vlm.training.text_scores import jieba_names, jieba_words, names_of, score, words_of

SENTENCES = [
    Sentence("张三在北京市工作", ((0, 2, "nr"), (3, 6, "ns"))),
    Sentence("今天天气真好", ()),
]
LABELS = {"nr": "PER", "ns": "LOC"}


@pytest.fixture(scope="module")
def analyzer() -> LexicalAnalyzer:
    return LexicalAnalyzer()


def test_names_count_with_their_ends_and_kind_and_only_of_kinds_that_the_file_knows(analyzer):
    """今天 is a TIME, which these sentences do not mark."""
    found = score(SENTENCES, names_of(analyzer), LABELS)
    assert (found.precision, found.recall) == (1.0, 1.0)


def test_a_missed_and_a_wrong_name_lower_recall_and_precision():
    found = score(SENTENCES, lambda texts: [[(0, 2, "PER"), (3, 5, "LOC")], []], LABELS)
    assert (found.precision, found.recall) == (0.5, 0.5)


def test_words_of_both_taggers_are_compared_by_their_places(analyzer):
    words = [Sentence("我爱北京", ((0, 1, "word"), (1, 2, "word"), (2, 4, "word")))]
    assert score(words, words_of(analyzer)).f1 == 1.0
    assert score(words, jieba_words(Segmenter())).f1 == 1.0


def test_names_of_jieba_have_the_same_kinds():
    spans = jieba_names(Segmenter())(["张三在北京市工作"])[0]
    assert (3, 6, "LOC") in spans
