"""Fine-tuning on a handful of sentences."""

from pathlib import Path

import numpy as np
import pytest

from paddle_vlm.config import load_config
from paddle_vlm.data.tagged import Sentence
from paddle_vlm.errors import BadConfig
from paddle_vlm.text.lexical import LexicalAnalyzer
from paddle_vlm.training import tagging

NAMES = ["阿卡", "波洛", "苏乐", "米卡"]


def bio(tmp_path: Path, kind: str = "PER") -> Path:
    """Invented names, 80 sentences."""
    lines = []
    for n in range(80):
        name, rest = NAMES[n % 4], f"今天在家看书第{n}页"
        lines += [f"{name[0]} B-{kind}", f"{name[1]} I-{kind}", *(f"{character} O" for character in rest), ""]
    path = tmp_path / "names.bio"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def config(path: Path, **changes: object) -> tagging.Config:
    settings = {"held_out": 10, "validation": 10, "train.epochs": 4, "train.batch_size": 16, "train.lr": 3e-3}
    settings |= {"data": path, "train.monitor": "f1", "train.visualdl": "false", **changes}
    return load_config(tagging.Config, None, [f"{key}={value}" for key, value in settings.items()])


def test_a_tuned_tagger_knows_the_names_and_still_the_words(tmp_path):
    result = tagging.run(config(bio(tmp_path)), tmp_path / "run")
    tuned = LexicalAnalyzer(tmp_path / "run" / "tagger")
    text = "苏乐今天在家看书第9页"
    assert result.best_metric == pytest.approx(1.0)
    assert [(t.word, t.tag) for t in tuned.analyze([text])[0]][:2] == [("苏乐", "PER"), ("今天", "TIME")]
    size = (tmp_path / "run" / "tagger" / "model.safetensors").stat().st_size
    assert size < 4_000_000
    original = LexicalAnalyzer()
    moved = np.abs(original.weights["embedding.weight"] - tuned.weights["embedding.weight"]).max(1) > 0
    assert 0 < moved.sum() < 40  # only the characters that occur
    assert np.abs(original.weights["emission.weight"] - tuned.weights["emission.weight"]).max() > 1e-3


def test_kinds_of_the_file_are_mapped_or_named(tmp_path):
    path = bio(tmp_path, kind="nr")
    with pytest.raises(BadConfig, match="标签 nr"):
        tagging.run(config(path), tmp_path / "run")
    with pytest.raises(BadConfig, match="不够留出"):
        tagging.run(config(path, held_out=80, labels="{nr: PER}"), tmp_path / "run")


def test_gold_names_overrule_the_tags_and_what_is_left_of_a_word_begins_anew():
    sentence = Sentence("北京市长张三", ((0, 2, "ns"), (4, 6, "nr")))
    tags = ["LOC-B", "LOC-I", "LOC-I", "n-B", "ORG-B", "n-B"]
    assert tagging.merge(tags, sentence, {"ns": "LOC", "nr": "PER"}) == [
        "LOC-B", "LOC-I", "n-B", "n-B", "PER-B", "PER-I",
    ]  # fmt: skip


def test_names_that_the_file_does_not_confirm_become_other_proper_nouns():
    assert tagging.merge(["ORG-B", "ORG-I", "TIME-B"], Sentence("百度今", ()), {}) == ["nz-B", "nz-I", "TIME-B"]
