"""All parts of the analysis together, with the shipped models."""

import json

import pytest

from paddle_vlm import TextAnalyzer
from paddle_vlm.errors import OutputError, UsageError

TEXT = "张伟昨天在北京大学听了报告。报告的内容很精彩,同学们的反应非常热烈!"


@pytest.fixture(scope="module")
def analyzer() -> TextAnalyzer:
    return TextAnalyzer()


def test_one_call_gives_every_part(analyzer):
    found = analyzer.analyze(TEXT, keywords=3, sentences=1)
    assert "".join(token.word for token in found.words) == TEXT
    assert ("张伟", "PER") in [(token.word, token.tag) for token in found.names]
    assert ("北京大学", "ORG") in [(token.word, token.tag) for token in found.names]
    assert found.sentiment.label in ("正面", "负面") and found.topic.label
    assert len(found.keywords) == 3 and len(found.summary) == 1


def test_only_what_was_asked_for_is_there(analyzer):
    found = analyzer.analyze(TEXT, parts=["keywords"])
    assert found.words is found.sentiment is found.topic is found.summary is None
    assert set(found.to_dict()) == {"text", "keywords"}
    with pytest.raises(UsageError, match="sentiments"):
        analyzer.analyze(TEXT, parts=["sentiments"])


@pytest.mark.parametrize("text", ["", " \n", "🍎🍌", "hello world", "臺北市政府", "好" * 3000])
def test_odd_texts_are_analysed_all_the_same(analyzer, text):
    found = analyzer.analyze(text)
    assert "".join(token.word for token in found.words) == text
    assert (found.sentiment is None) == (not text.strip())
    json.dumps(found.to_dict(), ensure_ascii=False)


def test_many_texts_get_what_each_gets_alone(analyzer):
    texts = [TEXT, "房间很干净", ""]
    together = analyzer.analyze_many(texts, parts=["words", "keywords"])
    assert together == [analyzer.analyze(text, parts=["words", "keywords"]) for text in texts]


def test_the_record_is_json_with_offsets_and_the_table_is_chinese(analyzer, tmp_path):
    found = analyzer.analyze(TEXT)
    record = json.loads(found.save(tmp_path / "a.json").read_text(encoding="utf-8"))
    assert all(TEXT[each["start"] : each["end"]] == each["word"] for each in record["words"])
    assert record["names"] and record["sentiment"]["probability"] <= 1
    assert "张伟/人名" in found.table() and "摘要" in found.table()
    with pytest.raises(OutputError, match="无法写入"):
        found.save(tmp_path / "absent" / "a.json")


def test_a_user_dictionary_is_obeyed(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("听了报告 n\n", encoding="utf-8")
    found = TextAnalyzer(words=path).analyze(TEXT, parts=["words"])
    assert ("听了报告", "n") in [(token.word, token.tag) for token in found.words]
