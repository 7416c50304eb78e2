"""The five encoders in one classifier."""

import numpy as np
import paddle
import pytest
from paddle.nn import functional as F

from paddle_vlm.models.text_classifier import TextClassifier, TextClassifierConfig

ENCODERS = ["textcnn", "rnn", "lstm", "gru", "transformer"]


@pytest.fixture(params=ENCODERS)
def network(request) -> TextClassifier:
    paddle.seed(0)
    return TextClassifier(TextClassifierConfig(request.param, dim=16, hidden=16, dropout=0.0, word_dropout=0.0), 20, 2)


def test_a_text_gets_the_same_logits_alone_and_padded(network):
    network.eval()
    words = np.array([[5, 3, 9, 2]])
    padded = np.array([[5, 3, 9, 2, 0, 0, 0], [4, 4, 4, 4, 4, 4, 4]])
    alone = network(paddle.to_tensor(words)).numpy()
    assert np.allclose(network(paddle.to_tensor(padded)).numpy()[:1], alone, atol=1e-5)


def test_a_text_without_words_has_finite_logits(network):
    network.eval()
    assert np.isfinite(network(paddle.zeros([1, 1], "int64")).numpy()).all()


def test_it_learns_which_of_two_words_a_text_holds(network):
    generator = np.random.default_rng(0)
    words = generator.integers(4, 20, (64, 6))
    labels = generator.integers(0, 2, 64)
    words[np.arange(64), generator.integers(0, 6, 64)] = 2 + labels
    inputs, targets = paddle.to_tensor(words), paddle.to_tensor(labels)
    optimizer = paddle.optimizer.Adam(0.01, parameters=network.parameters())
    for _ in range(40):
        F.cross_entropy(network(inputs), targets).backward()
        optimizer.step()
        optimizer.clear_grad()
    network.eval()
    assert (network(inputs).argmax(-1).numpy() == labels).mean() > 0.95
