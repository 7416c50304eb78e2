from concurrent.futures import ThreadPoolExecutor

import numpy as np
import paddle
import pytest
from paddle import nn
from paddle.nn import functional as F

from paddle_vlm.models import layers, onednn


class Then(nn.Layer):
    """A layer and a function."""

    def __init__(self, layer, function):
        super().__init__()
        self.layer, self.function = layer, function

    def forward(self, x):
        return self.function(self.layer(x))


def results(layer, x):
    """Output, gradients and, of what is not trained, values after one step forwards and backwards."""
    x = paddle.to_tensor(x, stop_gradient=False)
    y = layer(x)
    (y * paddle.sin(paddle.arange(y.size).astype("float32")).reshape(y.shape)).sum().backward()
    found = {"y": y, "x": x.grad} | {name: p if p.grad is None else p.grad for name, p in layer.named_parameters()}
    return {name: value.numpy() for name, value in found.items()}


def expect_same(reference, fast, shape):
    fast.set_state_dict(reference.state_dict())
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    expected, found = results(reference, x), results(fast, x)
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=2e-4, atol=2e-5 * np.abs(value).max(), err_msg=name)


CONVOLUTIONS = {
    "plain": ((3, 8, 3), {}),
    "no bias, padded": ((8, 16, 3), {"padding": 1, "bias_attr": False}),
    "stride": ((8, 12, 3), {"stride": 2, "padding": 1}),
    "groups": ((8, 16, 3), {"groups": 2}),
    "depthwise": ((8, 8, 3), {"groups": 8, "padding": 1}),
    "dilated": ((4, 8, 3), {"dilation": 2}),
    "one by one": ((5, 7, 1), {}),
    "oblong": ((4, 6, (1, 3)), {"padding": (0, 1), "stride": (2, 1)}),
    "same": ((4, 6, 3), {"padding": "SAME"}),
    "reflected": ((4, 6, 3), {"padding": 1, "padding_mode": "reflect"}),
    "four paddings": ((4, 6, 3), {"padding": [0, 1, 2, 1]}),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolution_and_its_gradients_are_those_of_paddle(name):
    arguments, options = CONVOLUTIONS[name]
    shape = [2, arguments[0], 9, 10]
    expect_same(nn.Conv2D(*arguments, **options), layers.Conv2D(*arguments, **options), shape)


def test_channels_last_convolution_is_that_of_paddle():
    reference, fast = (kind(4, 6, 3, data_format="NHWC") for kind in (nn.Conv2D, layers.Conv2D))
    expect_same(reference, fast, [2, 9, 10, 4])


@pytest.mark.parametrize(
    ("size", "options"),
    [((8, 8), {}), ((9, 7), {}), ((9, 9), {"stride": 1}), ((9, 8), {"padding": 1}), ((9, 9), {"ceil_mode": True})],
)
def test_max_pooling_and_its_gradient_are_those_of_paddle(size, options):
    kernel = 3 if options else 2
    expect_same(nn.MaxPool2D(kernel, **options), layers.MaxPool2D(kernel, **options), [2, 8, *size])


def test_batch_norm_its_gradients_and_its_statistics_are_those_of_paddle():
    expect_same(nn.BatchNorm2D(8), layers.BatchNorm2D(8), [4, 8, 5, 6])


def test_batch_norm_with_relu_is_both_one_after_the_other():
    expect_same(Then(nn.BatchNorm2D(8), F.relu), Then(layers.BatchNorm2D(8, relu=True), nn.Identity()), [4, 8, 5, 6])


def test_batch_norm_uses_the_running_statistics_in_evaluation():
    reference, fast = nn.BatchNorm2D(8), layers.BatchNorm2D(8, relu=True)
    x = paddle.randn([4, 8, 5, 6])
    reference(x)
    fast.set_state_dict(reference.state_dict())
    reference.eval()
    fast.eval()
    np.testing.assert_allclose(fast(x), F.relu(reference(x)), atol=1e-6)


@pytest.mark.parametrize("shape", [[7, 30], [4000, 30], [40, 100, 30], [2, 50, 40, 30]])
@pytest.mark.parametrize("bias", [None, False])
def test_linear_and_its_gradients_are_those_of_paddle(shape, bias):
    expect_same(nn.Linear(30, 20, bias_attr=bias), layers.Linear(30, 20, bias_attr=bias), shape)


def network(kind):
    without = {"padding": 1, "bias_attr": False}  # the norm takes any bias away
    parts = [kind.Conv2D(3, 8, 3), kind.MaxPool2D(2), nn.ReLU(), kind.Conv2D(8, 8, 3, **without), kind.BatchNorm2D(8)]
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2D(2), nn.Flatten(), kind.Linear(32, 5))


def test_layers_work_between_paddles_own():
    expect_same(network(nn), network(layers), [3, 3, 12, 14])


def test_pictures_pass_from_layer_to_layer_without_a_copy():
    if onednn.find() is None:
        pytest.skip("Paddle comes without oneDNN here")
    block = nn.Sequential(layers.Conv2D(3, 8, 3), layers.MaxPool2D(2), layers.BatchNorm2D(8))
    images = paddle.randn([2, 3, 12, 14])
    usual, last = block(images), block(layers.channels_last(images))
    assert last.shape == [2, 8, 5, 6]
    assert last.strides == layers.relu(last).strides == [240, 1, 48, 8]
    assert usual.is_contiguous()
    np.testing.assert_allclose(last, usual, atol=1e-5)


class Turned(Then):
    """The input in channels-last order, the output in the usual one."""

    def forward(self, x):
        return self.function(self.layer(layers.channels_last(x)))


def test_channels_last_pictures_have_the_same_gradients():
    reference, fast = network(nn), network(layers)
    expect_same(Then(reference[:5], lambda x: x.flatten(1)), Turned(fast[:5], layers.flatten), [3, 3, 12, 14])


def test_flattening_keeps_paddles_order_and_gradient():
    reference, fast = nn.Conv2D(3, 8, 3), layers.Conv2D(3, 8, 3)
    expect_same(Then(reference, lambda x: x.flatten(1)), Then(fast, layers.flatten), [2, 3, 6, 7])
    np.testing.assert_array_equal(layers.flatten(paddle.ones([2, 3, 4, 5])), paddle.ones([2, 60]))


def test_frozen_weights_get_no_gradient_and_pass_that_of_the_pictures_on():
    frozen = layers.Conv2D(3, 8, 3)
    for parameter in frozen.parameters():
        parameter.stop_gradient = True
    x = paddle.randn([2, 3, 8, 8])
    x.stop_gradient = False
    frozen(x).sum().backward()
    expected = nn.functional.conv2d_transpose(paddle.ones([2, 8, 6, 6]), frozen.weight)
    np.testing.assert_allclose(x.grad, expected, atol=1e-4)
    assert frozen.weight.grad is None


def test_the_last_smaller_batch_of_an_epoch_is_no_problem():
    layer = layers.Conv2D(3, 4, 3)
    x = paddle.randn([5, 3, 8, 8])
    whole = layer(x)
    np.testing.assert_allclose(layer(x[3:]), whole[3:], atol=1e-5)


def test_layers_of_one_shape_do_not_disturb_each_other_in_threads():
    convolutions = [layers.Conv2D(3, 8, 3) for _ in range(4)]
    x = paddle.randn([2, 3, 16, 16])
    expected = [convolution(x).numpy() for convolution in convolutions]

    def often(n):
        return all(np.array_equal(convolutions[n](x), expected[n]) for _ in range(100))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(often, range(4)))


def test_an_exported_network_gives_what_the_trained_one_gives(tmp_path):
    trained = network(layers)
    x = paddle.randn([4, 3, 12, 14])
    trained(x)
    trained.eval()
    paddle.jit.save(trained, str(tmp_path / "net"), [paddle.static.InputSpec([None, 3, 12, 14], "float32")])
    np.testing.assert_allclose(paddle.jit.load(str(tmp_path / "net"))(x), trained(x), atol=1e-5)
