"""TextCNN against its definition, and independence of padding."""

import numpy as np
import paddle
import pytest

from paddle_vlm.models.textcnn import TextCNN


@pytest.fixture
def network() -> TextCNN:
    paddle.seed(0)
    return TextCNN(inputs=3, filters=4, widths=(2, 3))


def test_each_filter_gives_its_strongest_answer_over_all_windows(network):
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    padded = np.concatenate([x, np.zeros((2, 3), np.float32)])
    expected = []
    for width, layer in zip(network.widths, network.windows, strict=True):
        windows = np.stack([padded[t : t + width].reshape(-1) for t in range(5)])
        expected.append(np.maximum(windows @ layer.weight.numpy() + layer.bias.numpy(), 0).max(0))
    found = network(paddle.to_tensor(x[None]), paddle.ones([1, 5, 1])).numpy()[0]
    assert np.allclose(found, np.concatenate(expected), atol=1e-6)
    assert found.shape == (network.width,)


def test_padding_changes_nothing(network):
    x = np.random.default_rng(0).normal(size=(1, 5, 3)).astype(np.float32)
    longer = np.concatenate([x, np.zeros((1, 9, 3), np.float32)], 1)
    mask = (np.arange(14) < 5).astype(np.float32)[None, :, None]
    short = network(paddle.to_tensor(x), paddle.ones([1, 5, 1])).numpy()
    assert np.allclose(network(paddle.to_tensor(longer), paddle.to_tensor(mask)).numpy(), short, atol=1e-6)
