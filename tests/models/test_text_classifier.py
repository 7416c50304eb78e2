"""The five encoders in one classifier."""

import numpy as np
import paddle
import pytest
from paddle.nn import functional as F

from paddle_vlm.models.text_classifier import NGramVotes, TextClassifier, TextClassifierConfig

ENCODERS = [("textcnn", 0), ("rnn", 0), ("lstm", 0), ("gru", 0), ("transformer", 0), ("textcnn", 3)]
SIZES = {"dim": 16, "hidden": 16, "dropout": 0.0, "word_dropout": 0.0}


@pytest.fixture(params=ENCODERS)
def network(request) -> TextClassifier:
    paddle.seed(0)
    model, ngrams = request.param
    made = TextClassifier(TextClassifierConfig(model, ngrams=ngrams, **SIZES), 20, 2)
    if made.wide is not None:
        made.wide.votes.weight.set_value(paddle.randn([made.config.buckets, 2]))
    return made


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


def test_ngrams_vote_by_their_order_and_nothing_votes_in_the_padding():
    votes = NGramVotes(2, 1000, 1)
    generator = np.random.default_rng(0)
    table = generator.normal(size=(1000, 1)).astype(np.float32)
    votes.votes.weight.set_value(table)
    words = np.array([[7, 3, 7], [7, 7, 3], [9, 0, 0]])
    mask = paddle.to_tensor((words > 0)[..., None].astype(np.float32))
    found = votes(paddle.to_tensor(words), mask, mask).numpy()[:, 0]
    single = {word: table[word, 0] for word in (3, 7, 9)}
    pair = {(a, b): table[(a * 1_000_003 + b) % 1000, 0] for a, b in ((7, 3), (3, 7), (7, 7))}
    unigrams = 2 * single[7] + single[3]
    assert found[0] == pytest.approx((unigrams + pair[7, 3] + pair[3, 7]) / 3**0.5, abs=1e-5)
    assert found[1] == pytest.approx((unigrams + pair[7, 7] + pair[7, 3]) / 3**0.5, abs=1e-5)
    assert found[2] == pytest.approx(single[9], abs=1e-5)


@pytest.mark.parametrize("sizes", [{"ngrams": -1}, {"ngrams": 2, "buckets": 0}])
def test_impossible_sizes_of_ngrams_are_refused(sizes):
    with pytest.raises(ValueError, match="ngrams"):
        TextClassifierConfig(**sizes)
