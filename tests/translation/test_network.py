import json
import shutil
from pathlib import Path

import pytest
import sentencepiece

from paddle_vlm.errors import MissingWeights
from paddle_vlm.translation.network import JointPieces, Network
from paddle_vlm.weights import fetch


@pytest.fixture(scope="module")
def network() -> Network:
    return Network(fetch("translator"))


LINES = ["张伟 ⇢ Zhangwei", "好鞋不贵 ⇢ good shoes | not | expensive", "华南 ⇢ south china", "我 ⇢ i"]


def test_a_line_gives_the_same_alone_and_in_a_batch(network):
    together = network.write(LINES, beam=4)
    for line, draft in zip(LINES, together, strict=True):
        alone = network.write([line], beam=4)[0]
        assert alone.text == draft.text and alone.confidence == pytest.approx(draft.confidence, abs=1e-3)


def test_confidence_is_a_log_probability(network):
    assert all(draft.confidence <= 1e-6 for draft in network.write(LINES))


def test_no_lines_give_no_drafts_and_empty_or_endless_ones_an_answer(network):
    assert network.write([]) == []
    drafts = network.write(["", "长" * 5000], beam=2, no_repeat=3)
    assert len(drafts) == 2 and all(draft.pieces <= JointPieces.longest_target for draft in drafts)


def test_a_missing_vocabulary_is_named(tmp_path):
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(MissingWeights, match="joint.model"):
        Network(tmp_path)


@pytest.fixture(scope="module")
def marian(tmp_path_factory) -> Path:
    """A folder as OPUS-MT comes, with a network that has learnt to write its input backwards."""
    folder = tmp_path_factory.mktemp("marian")
    for file in ("config.json", "model.safetensors"):
        shutil.copy(Path(__file__).parents[1] / "models/data/marian" / file, folder)
    letters = "abcdefghijklmnopqrstuvwxyz"
    for name, line in (("source", "红苹果甜水好山人大小上下"), ("target", letters)):
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter([*line] * 3), model_prefix=str(folder / name), vocab_size=len(line) + 4,
            model_type="char", character_coverage=1.0, minloglevel=2,
        )  # fmt: skip
        (folder / f"{name}.model").rename(folder / f"{name}.spm")
    pieces = ["</s>", "<unk>", "▁", *"红苹果甜水好山人大小上下", *letters]
    pieces += [f"<{n}>" for n in range(59 - len(pieces))] + ["<pad>"]
    (folder / "vocab.json").write_text(json.dumps({piece: n for n, piece in enumerate(pieces)}), encoding="utf-8")
    return folder


def test_a_marian_folder_is_read_with_its_own_pieces(marian):
    network = Network(marian)
    assert not network.takes_hints and network.source_pieces("红苹果") == 4  # with the blank before the first word
    drafts = network.write(["红苹果", "好人"], beam=2)
    assert [draft.text for draft in drafts] == [network.write([line], beam=2)[0].text for line in ("红苹果", "好人")]
    assert all(draft.confidence < 0 and draft.pieces > 0 for draft in drafts)


@pytest.mark.parametrize("name", ["source.spm", "target.spm", "vocab.json", "model.safetensors"])
def test_a_missing_file_of_a_marian_folder_is_named(marian, tmp_path, name):
    shutil.copytree(marian, tmp_path / "model")
    (tmp_path / "model" / name).unlink()
    with pytest.raises(MissingWeights, match=name):
        Network(tmp_path / "model")


def test_a_damaged_vocabulary_and_a_foreign_architecture_are_named(marian, tmp_path):
    shutil.copytree(marian, tmp_path / "model")
    (tmp_path / "model/source.spm").write_bytes(b"x")
    with pytest.raises(MissingWeights, match="source.spm"):
        Network(tmp_path / "model")
    (tmp_path / "model/config.json").write_text('{"model_type": "t5"}', encoding="utf-8")
    with pytest.raises(MissingWeights, match="t5"):
        Network(tmp_path / "model")
