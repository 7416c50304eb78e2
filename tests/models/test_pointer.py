"""The network against its PyTorch twin (stored outputs; see data/make_pointer_reference.py), and against itself."""

import json
from pathlib import Path

import numpy as np
import paddle
import pytest
import sentencepiece

from paddle_vlm.errors import MissingWeights
from paddle_vlm.inference.decoder import Decoder, export_decoder
from paddle_vlm.models.generation import search
from paddle_vlm.models.pointer import EOS, PAD, PointerConfig, PointerTranslator
from paddle_vlm.weights import fetch

REFERENCE = Path(__file__).parent / "data" / "pointer_reference.npz"


@pytest.fixture(scope="module")
def model() -> PointerTranslator:
    return PointerTranslator.load(fetch("translator"))


@pytest.fixture(scope="module")
def reference() -> dict[str, np.ndarray]:
    with np.load(REFERENCE) as stored:
        return dict(stored)


@pytest.fixture(scope="module")
def decoder(model, tmp_path_factory) -> Decoder:
    return Decoder(export_decoder(model, tmp_path_factory.mktemp("exported")), "cpu")


def decode(decoder: Decoder, source: np.ndarray, **options) -> list[str]:
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(fetch("translator") / "joint.model"))
    found = search(decoder.step, decoder.encode(source), len(source), start=PAD, end=EOS, max_steps=40, **options)
    return [pieces.decode(hypothesis.pieces) for hypothesis in found]


def empty_cache(model: PointerTranslator, lines: int) -> list:
    none = paddle.zeros([lines, model.config.heads, 0, model.config.dim // model.config.heads])
    return [(none, none) for _ in model.decoder]


def test_it_computes_what_the_pytorch_twin_computes(model, reference):
    with paddle.no_grad():
        logits, attention, gate = model(paddle.to_tensor(reference["source"]), paddle.to_tensor(reference["target"]))
    assert np.abs(logits.numpy()[..., reference["columns"]] - reference["logits"]).max() < 1e-4
    assert np.abs(attention.numpy() - reference["attention"]).max() < 1e-4
    assert np.abs(gate.numpy() - reference["gate"]).max() < 1e-4


def test_greedy_decoding_with_a_cache_writes_what_the_twin_writes_without(decoder, reference):
    assert decode(decoder, reference["source"]) == reference["greedy"].tolist()


def test_a_step_with_cached_keys_equals_the_full_forward_pass(model, reference):
    source, target = paddle.to_tensor(reference["source"]), paddle.to_tensor(reference["target"])
    with paddle.no_grad():
        logits, attention, gate = model(source, target)
        (kept, cross), own, steps = model.encode(source), empty_cache(model, len(source)), []
        for t in range(target.shape[1]):
            chances, own = model.step(target[:, t], paddle.to_tensor([t]), source, kept, cross, own)
            steps.append(chances)
    written = paddle.nn.functional.softmax(logits, -1) * (1 - gate)
    copied = attention * gate
    full = [paddle.put_along_axis(written[:, t], source, copied[:, t], 1, reduce="add") for t in range(target.shape[1])]
    assert np.abs((paddle.stack(full, 1) - paddle.stack(steps, 1)).numpy()).max() < 1e-5


def test_a_line_decodes_the_same_alone_and_in_a_padded_batch(decoder, reference):
    together = decode(decoder, reference["source"], beam=4)
    for row, text in zip(reference["source"], together, strict=True):
        assert decode(decoder, row[None, row != PAD], beam=4) == [text]


def test_loss_is_the_mean_negative_log_probability_of_the_steps(model, reference):
    source = paddle.to_tensor(reference["source"][:1])
    target = [piece for piece in reference["target"][0].tolist()[1:] if piece != PAD] + [EOS]
    with paddle.no_grad():
        loss = float(model.loss(source, paddle.to_tensor([target])))
        (kept, cross), own, total = model.encode(source), empty_cache(model, 1), 0.0
        for t, (last, piece) in enumerate(zip([PAD, *target[:-1]], target, strict=True)):
            place = paddle.to_tensor([t])
            chances, own = model.step(paddle.to_tensor([last]), place, source, kept, cross, own)
            total -= float(paddle.log(chances[0, piece]))
    assert loss == pytest.approx(total / len(target), abs=1e-4)


def test_a_small_network_learns_to_copy_what_it_reads(tmp_path):
    paddle.seed(0)
    model = PointerTranslator(PointerConfig(vocab=60, dim=32, heads=2, encoder=1, decoder=1, dropout=0.0))
    optimizer = paddle.optimizer.AdamW(3e-3, parameters=model.parameters())
    generator = np.random.default_rng(0)
    for _ in range(150):
        rows = generator.integers(3, 60, (32, 4))
        rows[:, 3] = EOS
        loss = model.loss(paddle.to_tensor(rows), paddle.to_tensor(rows))
        loss.backward()
        optimizer.step()
        optimizer.clear_grad()
    model.eval()
    fresh = np.array([[7, 58, 31, EOS], [44, 9, 44, EOS]])
    decoder = Decoder(export_decoder(model, tmp_path), "cpu")
    found = search(decoder.step, decoder.encode(fresh), 2, start=PAD, end=EOS, max_steps=6)
    assert [h.pieces for h in found] == [[7, 58, 31], [44, 9, 44]]


def test_saved_weights_load_again_to_the_same_network(model, reference, tmp_path):
    model.save(tmp_path)
    again = PointerTranslator.load(tmp_path)
    source, target = paddle.to_tensor(reference["source"]), paddle.to_tensor(reference["target"])
    with paddle.no_grad():
        for found, expected in zip(again(source, target), model(source, target), strict=True):
            assert np.array_equal(found.numpy(), expected.numpy())


def test_saving_keeps_what_others_wrote_into_the_configuration(tmp_path):
    model = PointerTranslator(PointerConfig(vocab=60, dim=32, heads=2, encoder=1, decoder=1))
    (tmp_path / "config.json").write_text('{"confidence": {"bias": 1.5}, "dim": 7}', encoding="utf-8")
    model.save(tmp_path)
    stored = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    assert stored["confidence"] == {"bias": 1.5} and stored["dim"] == 32


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(MissingWeights, match="config.json"):
        PointerTranslator.load(tmp_path)
    (tmp_path / "config.json").write_text('{"vocab": 60, "dim": 32, "heads": 2, "encoder": 1, "decoder": 1}')
    with pytest.raises(MissingWeights, match="model.safetensors"):
        PointerTranslator.load(tmp_path)


def test_weights_of_another_size_are_refused(tmp_path):
    PointerTranslator(PointerConfig(vocab=60, dim=32, heads=2, encoder=1, decoder=1)).save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    (tmp_path / "config.json").write_text(json.dumps(config | {"encoder": 2}), encoding="utf-8")
    with pytest.raises(MissingWeights, match="不符"):
        PointerTranslator.load(tmp_path)


def test_a_configuration_of_a_foreign_architecture_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "marian", "d_model": 512}', encoding="utf-8")
    with pytest.raises(MissingWeights, match="缺少"):
        PointerTranslator.load(tmp_path)
