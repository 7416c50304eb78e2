import gzip
import logging
import re

import pytest

from paddle_vlm.errors import MissingWeights
from paddle_vlm.text.hints import HintBook
from paddle_vlm.weights import fetch


@pytest.fixture(scope="module")
def book() -> HintBook:
    return HintBook(fetch("translator") / "cedict_glosses.tsv.gz")


@pytest.mark.parametrize(
    ("line", "augmented"),
    [
        ("张伟", "张伟 ⇢ Zhangwei"),
        ("净含量220ml", "净含量220ml ⇢ net weight"),
        ("好鞋不贵", "好鞋不贵 ⇢ Haoxie | no; not so / not; un- | your / expensive"),
        ("ABC 123", "ABC 123 ⇢ "),
        ("", " ⇢ "),
    ],
)
def test_lines_are_augmented(book, line, augmented):
    assert book.augment(line) == augmented


def test_lines_are_augmented_as_when_the_weights_were_trained(book):
    """The recipe's own steps, on jieba's global tokenizer."""
    import jieba
    import jieba.posseg
    from pypinyin import lazy_pinyin

    jieba.setLogLevel(logging.ERROR)
    with gzip.open(fetch("translator") / "cedict_glosses.tsv.gz", "rt", encoding="utf-8") as file:
        glosses = {word: senses.split(" / ") for word, senses in (line.rstrip("\n").split("\t") for line in file)}
    jieba.initialize()
    before, total = dict(jieba.dt.FREQ), jieba.dt.total
    for word in glosses:
        if 1 < len(word) <= 6 and word not in jieba.dt.FREQ:
            jieba.add_word(word, freq=3)
    try:
        for line in (
            "华南农业大学土地整治与土壤修复研究中心",
            "红烧牛肉面 28元",
            "小心地滑,请勿攀爬!",
            "四川省成都市武侯区",
        ):
            hints = []
            for word, tag in jieba.posseg.cut(line):
                if not re.search("[\u4e00-\u9fff]", word):
                    continue
                known, reading = glosses.get(word, []), "".join(lazy_pinyin(word)).capitalize()
                named = tag[:2] in ("nr", "ns", "nt", "nz") or not known
                hints.append(" / ".join(known[:1] + [reading]) if named else " / ".join(known))
            assert book.augment(line) == f"{line} ⇢ {' | '.join(hints)}"
    finally:
        jieba.dt.FREQ, jieba.dt.total = before, total


def test_a_term_of_the_user_has_one_sense_only(book):
    assert book.augment("好鞋不贵", {"好鞋": "Fine Shoes"}).split(" ⇢ ")[1].startswith("Fine Shoes | ")


def test_the_longest_term_is_taken(book):
    augmented = book.augment("农业大学", {"农业": "farming", "农业大学": "Agri Uni"})
    assert augmented == "农业大学 ⇢ Agri Uni"


def test_a_broken_table_is_named(tmp_path):
    (tmp_path / "glosses.tsv.gz").write_bytes(b"not gzip")
    with pytest.raises(MissingWeights, match="glosses.tsv.gz"):
        HintBook(tmp_path / "glosses.tsv.gz")
