import jieba
import pytest

from paddle_vlm.errors import MissingWeights
from paddle_vlm.text.hints import Hint, HintBook
from paddle_vlm.weights import fetch


def test_words_have_their_senses_and_are_known_to_the_segmenter():
    book = HintBook(fetch("translator") / "cedict_glosses.tsv.gz")
    assert book.glosses["贵"] == ("your", "expensive")
    jieba.initialize()
    unknown_to_jieba = [word for word in book.glosses if 1 < len(word) <= 6 and word not in jieba.dt.FREQ]
    assert len(unknown_to_jieba) > 1000
    assert all(word in book.segmenter for word in unknown_to_jieba)


def test_names_are_told_by_their_tag():
    assert Hint("张伟", "nr").is_name and not Hint("牛肉", "n").is_name


def test_a_broken_table_is_named(tmp_path):
    (tmp_path / "glosses.tsv.gz").write_bytes(b"not gzip")
    with pytest.raises(MissingWeights, match="glosses.tsv.gz"):
        HintBook(tmp_path / "glosses.tsv.gz")
