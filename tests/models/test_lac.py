"""LAC-small against Paddle 1.x's own operators (stored outputs; see data/make_lac_reference.py)."""

import shutil
from pathlib import Path

import numpy as np
import paddle
import pytest

from paddle_vlm.errors import MissingWeights
from paddle_vlm.models.lac import LAC, LACConfig
from paddle_vlm.models.lac_decoder import LACDecoder, jieba_weights
from paddle_vlm.models.recurrence import Packing
from paddle_vlm.models.weights_file import assign
from paddle_vlm.weights import fetch

REFERENCE = Path(__file__).parent / "data" / "lac_reference.npz"


@pytest.fixture(scope="module")
def weights() -> dict[str, np.ndarray]:
    return jieba_weights(fetch("lac_small") / "model_baseline")


@pytest.fixture(scope="module")
def model(weights) -> LAC:
    model = LAC(LACConfig())
    assign(model.state_dict(), weights)
    model.eval()
    return model


@pytest.fixture(scope="module")
def reference() -> dict[str, np.ndarray]:
    with np.load(REFERENCE) as stored:
        return dict(stored)


@pytest.fixture(scope="module")
def sentences(reference) -> list[np.ndarray]:
    return np.split(reference["characters"], np.cumsum(reference["lengths"])[:-1])


@pytest.fixture(scope="module")
def packing(reference) -> Packing:
    return Packing.of(reference["lengths"])


@pytest.fixture(scope="module")
def order(reference, packing) -> np.ndarray:
    """Packed row -> row of the reference, which has the sentences one after the other."""
    lengths, padded = reference["lengths"], np.zeros((len(reference["lengths"]), reference["lengths"].max()), np.int64)
    for row, start, length in zip(padded, np.cumsum(lengths) - lengths, lengths, strict=True):
        row[:length] = np.arange(start, start + length)
    return padded.reshape(-1)[packing.positions]


def test_scores_are_those_of_the_original_operators(weights, reference, sentences, packing, order):
    padded = np.zeros((len(sentences), len(packing.counts)), np.int64)
    for row, sentence in zip(padded, sentences, strict=True):
        row[: len(sentence)] = sentence
    scores = LACDecoder(weights).scores(padded, packing)
    assert np.abs(scores - reference["scores"][order]).max() < 1e-3


def test_tags_are_those_of_the_original_operators(weights, reference, sentences):
    assert (np.concatenate(LACDecoder(weights).decode(sentences)) == reference["tags"]).all()


def test_the_network_that_is_trained_gives_the_same_scores(model, reference, packing, order):
    with paddle.no_grad():
        scores = model(paddle.to_tensor(reference["characters"][order]), packing).numpy()
    assert np.abs(scores - reference["scores"][order]).max() < 1e-3


def test_a_step_along_the_gradient_lowers_the_loss_and_reaches_every_parameter(model, reference, packing, order):
    characters, tags = paddle.to_tensor(reference["characters"][order]), (reference["tags"][order] + 1) % 57
    before = {name: parameter.numpy() for name, parameter in model.named_parameters()}
    optimizer = paddle.optimizer.SGD(1e-3, model.parameters())
    losses = []
    for _ in range(2):
        loss = model.loss(characters, tags, packing)
        losses.append(float(loss))
        loss.backward()
        optimizer.step()
        optimizer.clear_grad()
    unmoved = [name for name, parameter in model.named_parameters() if (parameter.numpy() == before[name]).all()]
    assign(model.state_dict(), before)
    assert losses[1] < losses[0]
    assert not unmoved


def test_a_missing_or_damaged_file_is_named(tmp_path):
    folder = shutil.copytree(fetch("lac_small") / "model_baseline", tmp_path / "weights")
    (folder / "gru_2.w_0").write_bytes((folder / "gru_2.w_0").read_bytes()[:1000])
    with pytest.raises(MissingWeights, match=r"gru_2\.w_0 已损坏"):
        jieba_weights(folder)
    (folder / "gru_2.w_0").unlink()
    with pytest.raises(MissingWeights, match=r"缺少.*gru_2\.w_0"):
        jieba_weights(folder)
