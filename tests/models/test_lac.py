"""LAC-small against Paddle 1.x's own operators (stored outputs; see data/make_lac_reference.py)."""

import shutil
from itertools import product
from pathlib import Path

import numpy as np
import paddle
import pytest

from paddle_vlm.errors import MissingWeights
from paddle_vlm.models.lac import LAC, viterbi
from paddle_vlm.weights import fetch

REFERENCE = Path(__file__).parent / "data" / "lac_reference.npz"


@pytest.fixture(scope="module")
def model() -> LAC:
    return LAC.from_jieba(fetch("lac_small") / "model_baseline")


@pytest.fixture(scope="module")
def reference() -> dict[str, np.ndarray]:
    with np.load(REFERENCE) as stored:
        return dict(stored)


@pytest.fixture(scope="module")
def batch(reference) -> tuple[np.ndarray, np.ndarray]:
    """The sentences as one padded batch: characters [B, T], lengths [B]."""
    lengths = reference["lengths"]
    padded = np.zeros((len(lengths), lengths.max()), np.int64)
    for row, sentence in zip(padded, np.split(reference["characters"], np.cumsum(lengths)[:-1]), strict=True):
        row[: len(sentence)] = sentence
    return padded, lengths


def test_scores_in_a_padded_batch_are_those_of_the_original_operators(model, reference, batch):
    characters, lengths = (paddle.to_tensor(a) for a in batch)
    with paddle.no_grad():
        scores = model(characters, lengths).numpy()
    flat = np.concatenate([row[:length] for row, length in zip(scores, batch[1], strict=True)])
    assert np.abs(flat - reference["scores"]).max() < 1e-3


def test_tags_are_those_of_the_original_operators(model, reference, batch):
    tags = model.decode(*(paddle.to_tensor(a) for a in batch))
    flat = np.concatenate([row[:length] for row, length in zip(tags, batch[1], strict=True)])
    assert (flat == reference["tags"]).all()


def test_viterbi_finds_the_path_that_trying_all_finds():
    generator = np.random.default_rng(0)
    scores, lengths = generator.normal(size=(3, 4, 3)).astype(np.float32), np.array([4, 2, 1])
    start, end, between = (generator.normal(size=s).astype(np.float32) for s in (3, 3, (3, 3)))
    found = viterbi(scores, lengths, start, end, between)
    for row, length, path in zip(scores, lengths, found, strict=True):

        def value(tags, row=row, length=length):
            inner = sum(between[a, b] for a, b in zip(tags, tags[1:], strict=False))
            return start[tags[0]] + end[tags[-1]] + inner + sum(row[t, tags[t]] for t in range(length))

        assert tuple(path[:length]) == max(product(range(3), repeat=length), key=value)


def test_gradients_reach_every_parameter(model, batch):
    characters, lengths = (paddle.to_tensor(a) for a in batch)
    model(characters, lengths).sum().backward()
    without = [name for name, p in model.named_parameters() if p.grad is None]
    model.clear_gradients()
    assert set(without) <= {"start", "end", "transitions"}


def test_a_missing_file_is_named(tmp_path):
    source = fetch("lac_small") / "model_baseline"
    folder = shutil.copytree(source, tmp_path / "weights")
    (folder / "gru_2.w_0").unlink()
    with pytest.raises(MissingWeights, match="gru_2.w_0"):
        LAC.from_jieba(folder)
