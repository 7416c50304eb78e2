from pathlib import Path

import pytest

from paddle_vlm.errors import MissingWeights
from paddle_vlm.text.wordpiece import WordPiece

VOCABULARY = Path(__file__).parent.parent / "models/data/chinese_clip/vocab.txt"


# The right-hand sides are those of transformers.BertTokenizer with the same vocabulary.
@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("一只小狗", ["一", "只", "小", "狗"]),
        ("红apple!", ["红", "app", "##le", "!"]),
        ("Àpple,狗", ["app", "##le", ",", "狗"]),
        ("ap xyz", ["a", "##p", "[UNK]"]),
        ("猫\t狗\u200b", ["[UNK]", "狗"]),
        ("", []),
    ],
)
def test_pieces_are_those_of_bert(text, pieces):
    assert WordPiece(VOCABULARY).pieces(text) == pieces


def test_numbers_are_framed_padded_and_cut():
    found = WordPiece(VOCABULARY).encode(["小狗", "红苹果一只小狗"], longest=6)
    assert found.tolist()[0][:1] == [2]
    assert found[0].tolist()[3:] == [3, 0, 0]
    assert found[1, -1] == 3
    assert (found[1] > 0).all()


def test_another_file_is_refused(tmp_path):
    (tmp_path / "vocab.txt").write_text("红\n苹\n", encoding="utf-8")
    with pytest.raises(MissingWeights, match="不是 BERT 的词表"):
        WordPiece(tmp_path / "vocab.txt")
    with pytest.raises(MissingWeights, match="无法读取词表"):
        WordPiece(tmp_path / "none.txt")
