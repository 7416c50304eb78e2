import numpy as np
import paddle
import pytest

from paddle_vlm.models import onednn, onednn_ops

pytestmark = pytest.mark.skipif(onednn.find() is None, reason="Paddle comes without oneDNN here")


def test_what_onednn_cannot_do_is_an_exception():
    with pytest.raises(NotImplementedError):
        onednn_ops.Convolution([1, 2, 2, 3], [4, 3, 5, 5], True, (1, 1), (0, 0), (1, 1), 1)  # larger than the picture


def test_a_convolution_can_be_used_again_with_other_tensors():
    convolution = onednn_ops.Convolution([1, 4, 4, 1], [1, 1, 1, 1], True, (1, 1), (0, 0), (1, 1), 1)
    x = paddle.arange(16).astype("float32").reshape([1, 4, 4, 1])
    for factor, offset in ((2.0, 1.0), (-3.0, 0.5)):
        y = convolution.forward(x, paddle.full([1, 1, 1, 1], factor), paddle.full([1], offset))
        np.testing.assert_array_equal(y, factor * x + offset)


def test_pooling_sends_the_gradient_to_the_largest_pixel():
    x = paddle.to_tensor([[1.0, 2.0], [4.0, 3.0]]).reshape([1, 2, 2, 1])
    pooling = onednn_ops.MaxPooling(x.shape, (2, 2), (2, 2), (0, 0))
    result, places = pooling.forward(x)
    assert float(result) == 4
    gradient = pooling.gradient(paddle.full([1, 1, 1, 1], 5.0), places)
    np.testing.assert_array_equal(gradient.reshape([2, 2]), [[0, 0], [5, 0]])


def test_batch_norm_gives_mean_0_and_variance_1():
    x = 3 + 2 * paddle.randn([8, 6, 5, 4])
    norm = onednn_ops.BatchNorm(x.shape, 1e-5, relu=False)
    y, (mean, variance) = norm.forward(x, paddle.ones([4]), paddle.zeros([4]))
    np.testing.assert_allclose(y.mean([0, 1, 2]), np.zeros(4), atol=1e-5)
    np.testing.assert_allclose(y.numpy().var((0, 1, 2)), np.ones(4), atol=1e-3)
    np.testing.assert_allclose(mean, x.mean([0, 1, 2]), rtol=1e-5)
    np.testing.assert_allclose(variance, x.numpy().var((0, 1, 2)), rtol=1e-4)


def test_every_view_becomes_contiguous():
    x = paddle.randn([2, 3, 4, 5])
    for view in (x, x.transpose([0, 2, 3, 1]), x.transpose([3, 1, 0, 2]), x[:, 1:, :, 2:4], x[1]):
        packed = onednn_ops.packed(view)
        assert packed.is_contiguous()
        np.testing.assert_array_equal(packed, view.numpy())
