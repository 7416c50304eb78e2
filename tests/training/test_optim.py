"""Schedules against their formulas, optimizers against a step by hand."""

import math

import numpy as np
import paddle
import pytest
from paddle import nn

from paddle_vlm.training.config import TrainConfig
from paddle_vlm.training.optim import learning_rate, make_optimizer


def rates(updates: int = 100, **settings) -> list[float]:
    config = TrainConfig(lr=1.0, **settings)
    return [learning_rate(config, update, updates) for update in range(updates)]


def test_a_constant_rate_stays():
    assert set(rates(schedule="constant")) == {1.0}


@pytest.mark.parametrize("warmup", [0.1, 10])
def test_warm_up_rises_along_a_line_given_as_a_share_or_a_number(warmup):
    found = rates(schedule="constant", warmup=warmup)
    assert found[:10] == pytest.approx([(n + 1) / 11 for n in range(10)])
    assert set(found[10:]) == {1.0}


def test_linear_and_cosine_fall_to_zero():
    linear, cosine = rates(schedule="linear"), rates(schedule="cosine")
    assert linear == pytest.approx([1 - n / 100 for n in range(100)])
    assert cosine == pytest.approx([(1 + math.cos(math.pi * n / 100)) / 2 for n in range(100)])


def test_one_cycle_rises_for_a_third_and_ends_lowest():
    found = rates(schedule="one_cycle")
    assert found[0] == pytest.approx(1 / 25)
    assert found.index(max(found)) == 30
    assert found[30] == 1.0
    assert min(found) == found[-1] < 0.001


def test_a_warm_up_longer_than_the_run_only_rises():
    found = rates(10, schedule="cosine", warmup=50)
    assert found == sorted(found)


def stepped(config: TrainConfig, gradient: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The weight and the bias of a layer of ones after one step of that gradient."""
    layer = nn.Linear(2, 2)
    for parameter in layer.parameters():
        parameter.set_value(np.ones(parameter.shape, np.float32))
    optimizer = make_optimizer(config, layer)
    optimizer.set_lr(config.lr)
    x = paddle.to_tensor(gradient)
    ((layer.weight * x).sum() + (layer.bias * x[0]).sum()).backward()
    optimizer.step()
    return layer.weight.numpy(), layer.bias.numpy()


GRADIENT = np.array([[3.0, -4.0], [0.0, 0.0]], np.float32)


def test_adam_steps_by_the_rate_against_the_gradients_sign():
    weight, _ = stepped(TrainConfig(optimizer="adam", lr=0.1), GRADIENT)
    assert weight == pytest.approx(np.array([[0.9, 1.1], [1.0, 1.0]]), abs=1e-5)


def test_sgd_takes_nesterovs_first_step():
    weight, _ = stepped(TrainConfig(optimizer="sgd", lr=0.1, momentum=0.5), GRADIENT)
    assert weight == pytest.approx(1 - 0.1 * 1.5 * GRADIENT)


def test_adamw_shrinks_weights_and_spares_biases():
    settings = TrainConfig(optimizer="adamw", lr=0.1, weight_decay=0.5)
    weight, bias = stepped(settings, np.zeros((2, 2), np.float32))
    assert weight == pytest.approx(np.full((2, 2), 1 - 0.1 * 0.5))
    assert bias == pytest.approx(np.ones(2))


def test_clipping_shortens_the_whole_gradient():
    weight, bias = stepped(TrainConfig(optimizer="sgd", momentum=0.0, lr=1.0, clip_norm=1.0), GRADIENT)
    moved = np.concatenate([(1 - weight).ravel(), 1 - bias])
    assert np.linalg.norm(moved) == pytest.approx(1.0, abs=1e-5)
    assert moved[:2] / moved[0] == pytest.approx(GRADIENT[0] / GRADIENT[0, 0])


def test_frozen_parameters_stay():
    layer = nn.Linear(2, 2)
    layer.bias.stop_gradient = True
    assert len(make_optimizer(TrainConfig(), layer)._parameter_list) == 1


def test_adam_updates_all_at_once_as_paddle_does_one_by_one_even_where_a_gradient_comes_and_goes():
    start = [np.random.default_rng(n).standard_normal((3, 4)).astype(np.float32) for n in range(3)]
    ends = []
    for kind in ("ours", "paddle"):
        layer = nn.Layer()
        for n, value in enumerate(start):
            layer.add_parameter(f"p{n}", paddle.create_parameter([3, 4], "float32"))
            getattr(layer, f"p{n}").set_value(value)
        if kind == "ours":
            optimizer = make_optimizer(TrainConfig(lr=0.1), layer)
        else:
            optimizer = paddle.optimizer.Adam(0.1, parameters=layer.parameters())
        for step in range(4):
            ((layer.p0 * step).sin().sum() + (layer.p2**2).sum() + 0 * layer.p1.sum() * (step % 2)).backward()
            optimizer.step()
            optimizer.clear_grad(set_to_zero=False)
        ends.append([parameter.numpy() for parameter in layer.parameters()])
    for ours, paddles in zip(*ends, strict=True):
        np.testing.assert_allclose(ours, paddles, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ends[0][1], start[1], atol=1e-6)


def test_adam_leaves_a_parameter_without_gradient_as_it_is():
    layer = nn.Linear(3, 2)
    before = layer.bias.numpy()
    optimizer = make_optimizer(TrainConfig(), layer)
    layer.weight.sum().backward()
    optimizer.step()
    np.testing.assert_array_equal(layer.bias, before)
