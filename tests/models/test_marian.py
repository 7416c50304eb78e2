"""The Marian network against Hugging Face's (stored outputs; see data/make_marian_reference.py)."""

import json
import shutil
from pathlib import Path

import numpy as np
import paddle
import pytest

from paddle_vlm.errors import MissingWeights
from paddle_vlm.inference.decoder import Decoder, export_decoder
from paddle_vlm.models.generation import search
from paddle_vlm.models.marian import MarianTranslator

DATA = Path(__file__).parent / "data"
PAD, EOS, STEPS = 59, 0, 12


@pytest.fixture(scope="module", params=["marian", "marian_separate"])
def folder(request) -> Path:
    return DATA / request.param


@pytest.fixture(scope="module")
def reference(folder) -> dict[str, np.ndarray]:
    with np.load(folder / "outputs.npz") as stored:
        return dict(stored)


@pytest.fixture(scope="module")
def decoder(folder, tmp_path_factory) -> Decoder:
    return Decoder(export_decoder(MarianTranslator.load(folder), tmp_path_factory.mktemp("exported")), "cpu")


def written(rows: np.ndarray) -> list[list[int]]:
    """The pieces between start and end."""
    lines = [row.tolist()[1:] for row in rows]
    return [line[: line.index(EOS)] if EOS in line else [p for p in line if p != PAD] for line in lines]


def test_the_logits_are_those_of_hugging_face(folder, reference):
    model = MarianTranslator.load(folder)
    with paddle.no_grad():
        logits = model(paddle.to_tensor(reference["source"]), paddle.to_tensor(reference["target"])).numpy()
    assert np.abs(logits - reference["logits"]).max() < 1e-4


@pytest.mark.parametrize("name,beam", [("greedy", 1), ("beam", 4)])
def test_decoding_writes_what_hugging_face_writes(decoder, reference, name, beam):
    state = decoder.encode(reference["source"])
    found = search(
        decoder.step,
        state,
        len(reference["source"]),
        start=PAD,
        end=EOS,
        max_steps=STEPS,
        beam=beam,
        length_penalty=1.0,
    )
    assert [line.pieces for line in found] == written(reference[name])


def test_saved_weights_load_again_to_the_same_network(folder, reference, tmp_path):
    model = MarianTranslator.load(folder)
    model.save(tmp_path)
    again = MarianTranslator.load(tmp_path)
    source, target = paddle.to_tensor(reference["source"]), paddle.to_tensor(reference["target"])
    with paddle.no_grad():
        assert np.array_equal(again(source, target).numpy(), model(source, target).numpy())


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(MissingWeights, match="config.json"):
        MarianTranslator.load(tmp_path)
    shutil.copy(DATA / "marian/config.json", tmp_path)
    with pytest.raises(MissingWeights, match="model.safetensors"):
        MarianTranslator.load(tmp_path)


@pytest.mark.parametrize(
    "change,named",
    [
        ({"model_type": "t5"}, "t5"),
        ({"normalize_before": True}, "normalize_before"),
        ({"activation_function": "mish"}, "mish"),
        ({"encoder_layers": 3}, "encoder.layers.2"),
        ({"d_model": 40}, "形状"),
    ],
)
def test_a_foreign_architecture_or_other_sizes_are_named(tmp_path, change, named):
    shutil.copytree(DATA / "marian", tmp_path / "model")
    path = tmp_path / "model/config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change), encoding="utf-8")
    with pytest.raises(MissingWeights, match=named):
        MarianTranslator.load(tmp_path / "model")
