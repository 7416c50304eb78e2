"""`tools/eval.py text` on small files of each format."""

import json

import pytest

from paddle_vlm.cli.evaluate import main


@pytest.fixture
def result(tmp_path):
    def evaluate(task: str, name: str, content: str, *more: str) -> dict:
        path = tmp_path / name
        path.write_text(content, encoding="utf-8")
        assert main(["text", "--task", task, "--data", str(path), "--json", str(tmp_path / "o.json"), *more]) == 0
        return json.loads((tmp_path / "o.json").read_text(encoding="utf-8"))

    return evaluate


def test_names(result):
    bio = "张 B-PER\n三 I-PER\n在 O\n北 B-LOC\n京 I-LOC\n工 O\n作 O\n"
    found = result("ner", "a.bio", bio, "--compare")
    assert found["f1"] == 1.0 and found["sentences"] == 1
    assert {"lac_small", "jieba.posseg"} <= set(found["others"])


def test_words(result):
    assert result("segment", "a.conllu", "1\t我\t_\n2\t爱\t_\n3\t北京\t_\n\n")["f1"] == 1.0


def test_sentiment_and_topics(result):
    rows = "cat,label,review\n酒店,1,房间干净服务热情\n水果,0,苹果都烂了太差了\n"
    assert result("sentiment", "a.csv", rows)["accuracy"] == 1.0
    found = result("topic", "b.csv", rows)
    assert found["texts"] == 2 and set(found["recall_of_each_class"]) == {"酒店", "水果"}


def test_labels_that_the_model_does_not_know_are_named(tmp_path, caplog):
    path = tmp_path / "a.tsv"
    path.write_text("股市上涨\tstocks\n", encoding="utf-8")
    assert main(["text", "--task", "topic", "--data", str(path)]) == 1
    assert "stocks" in caplog.text
