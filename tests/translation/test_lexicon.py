import pytest

from paddle_vlm.errors import MissingWeights
from paddle_vlm.translation import lexicon

LINES = [
    (["旗舰店"], "Flagship store"), (["苹果", "旗舰店"], "Apple flagship store"),
    (["联想", "旗舰店"], "Lenovo flagship store"),
    (["联想"], "Lenovo"), (["苹果", "汁"], "Apple juice"), (["苹果"], "An apple"), (["橙", "汁"], "Orange juice"),
    (["新", "橙"], "New orange"), (["罕见"], "Rare"),
]  # fmt: skip


def test_words_learn_the_english_that_goes_with_them():
    found = lexicon.learn(LINES)
    assert found["旗舰店"] == "flagship store" and found["苹果"].lower() == "apple" and found["汁"] == "juice"


def test_names_keep_their_capital():
    found = lexicon.learn([*LINES, (["买", "联想"], "Buy Lenovo"), (["爱", "联想"], "Love Lenovo")])
    assert found["联想"] == "Lenovo"


def test_what_was_seen_once_is_not_learnt():
    assert "罕见" not in lexicon.learn(LINES)


def test_lines_of_one_word_teach_nothing():
    assert lexicon.learn([(["出口"], "Exit")] * 5) == {}


def test_a_stored_lexicon_loads_again_and_equal_ones_are_equal_files(tmp_path):
    found = lexicon.learn(LINES)
    lexicon.save(found, tmp_path / "a.tsv.gz")
    lexicon.save(dict(reversed(found.items())), tmp_path / "b.tsv.gz")
    assert lexicon.load(tmp_path / "a.tsv.gz") == found
    assert (tmp_path / "a.tsv.gz").read_bytes() == (tmp_path / "b.tsv.gz").read_bytes()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(MissingWeights, match="lexicon.tsv.gz"):
        lexicon.load(tmp_path / "lexicon.tsv.gz")
