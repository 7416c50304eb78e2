"""Penalties, label smoothing and the moving average against their formulas."""

import numpy as np
import paddle
import pytest
from paddle import nn
from paddle.nn import functional as F

from paddle_vlm.training.regularize import MovingAverage, add_penalties, cross_entropy


def test_penalties_add_the_gradient_of_their_formula_to_weights_only():
    layer = nn.Linear(3, 4)
    x = paddle.randn([5, 3])
    layer(x).sum().backward()
    plain = [parameter.grad.numpy().copy() for parameter in layer.parameters()]
    add_penalties(layer, l1=0.3, l2=0.2)
    by_hand = [parameter.grad.numpy().copy() for parameter in layer.parameters()]
    layer.clear_gradients()
    penalty = 0.3 * layer.weight.abs().sum() + 0.1 * (layer.weight**2).sum()
    (layer(x).sum() + penalty).backward()
    assert by_hand[0] == pytest.approx(layer.weight.grad.numpy(), abs=1e-5)
    assert by_hand[1] == pytest.approx(plain[1])


def test_cross_entropy_without_smoothing_is_paddles():
    logits, labels = paddle.randn([6, 5]), paddle.to_tensor([0, 1, 2, 3, 4, 0])
    assert cross_entropy(logits, labels).item() == pytest.approx(F.cross_entropy(logits, labels).item())


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_smoothed_hard_and_soft_labels_agree_with_paddles_soft_label_loss(smoothing):
    logits, labels = paddle.randn([6, 5]), paddle.to_tensor([0, 1, 2, 3, 4, 0])
    soft = F.label_smooth(F.one_hot(labels, 5), epsilon=smoothing)
    wanted = F.cross_entropy(logits, soft, soft_label=True).item()
    assert cross_entropy(logits, labels, smoothing).item() == pytest.approx(wanted, abs=1e-5)
    assert cross_entropy(logits, F.one_hot(labels, 5), smoothing).item() == pytest.approx(wanted, abs=1e-5)


def test_the_moving_average_follows_its_formula_and_copies_no_gradient():
    layer = nn.Linear(1, 1)
    layer.weight.set_value(np.array([[1.0]], np.float32))
    average = MovingAverage(layer, 0.9)
    expected, value = 1.0, 1.0
    for n in range(1, 200):
        value += 1.0
        layer.weight.set_value(np.array([[value]], np.float32))
        average.update(layer)
        decay = min(0.9, (1 + n) / (10 + n))
        expected = decay * expected + (1 - decay) * value
    assert average.model.weight.item() == pytest.approx(expected, rel=1e-5)
    assert average.model.weight.stop_gradient
    assert layer.weight.item() == value
