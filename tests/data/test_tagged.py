import gzip

import pytest

from paddle_vlm.data.tagged import read_bio, read_conllu, spans_of, split
from paddle_vlm.errors import BadText

BIO = "张\tB-PER\n三\tI-PER\n在 O\n北 B-LOC\n京 I-LOC\n\n好\tO\n"
CONLLU = "# text = 我爱北京\n1\t我\t我\tPRON\n2-3\t爱北京\t_\t_\n2\t爱\t爱\tVERB\n3\t北京\t北京\tPROPN\n\n"


def test_names_of_a_bio_file(tmp_path):
    path = tmp_path / "a.bio.gz"
    path.write_bytes(gzip.compress(BIO.encode()))
    first, second = read_bio(path)
    assert (first.text, first.spans) == ("张三在北京", ((0, 2, "PER"), (3, 5, "LOC")))
    assert (second.text, second.spans) == ("好", ())


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        (["B-PER", "B-PER", "I-PER"], [(0, 1, "PER"), (1, 3, "PER")]),
        (["B-PER", "I-LOC", "O"], [(0, 1, "PER"), (1, 2, "LOC")]),
        (["I-ORG", "I-ORG"], [(0, 2, "ORG")]),
    ],
)
def test_a_name_ends_where_another_begins(tags, spans):
    assert list(spans_of(tags)) == spans


@pytest.mark.parametrize("line", ["张三\tB-PER", "张", "张\tX"])
def test_a_broken_row_is_named_with_its_line(tmp_path, line):
    path = tmp_path / "a.bio"
    path.write_text(f"好\tO\n{line}\n", encoding="utf-8")
    with pytest.raises(BadText, match="第 2 行"):
        read_bio(path)


def test_words_of_a_conllu_file(tmp_path):
    path = tmp_path / "a.conllu"
    path.write_text(CONLLU, encoding="utf-8")
    (sentence,) = read_conllu(path)
    assert sentence.text == "我爱北京"
    assert [sentence.text[a:b] for a, b, _ in sentence.spans] == ["我", "爱", "北京"]


def test_files_without_sentences_or_in_gbk_are_refused(tmp_path):
    path = tmp_path / "a"
    path.write_text("# nothing\n", encoding="utf-8")
    with pytest.raises(BadText, match="没有句子"):
        read_conllu(path)
    path.write_bytes(BIO.encode("gbk"))
    with pytest.raises(BadText, match="UTF-8"):
        read_bio(path)
    with pytest.raises(BadText, match="无法读取"):
        read_bio(tmp_path / "absent")


def test_the_split_is_always_the_same_and_shares_no_text(tmp_path):
    path = tmp_path / "a.bio"
    path.write_text("".join(f"{chr(0x4E00 + n % 50)} O\n\n" for n in range(200)), encoding="utf-8")
    sentences = read_bio(path)
    rest, out = split(sentences, 20)
    assert (rest, out) == split(sentences, 20)
    assert len(out) == 20
    assert not {s.text for s in rest} & {s.text for s in out}
