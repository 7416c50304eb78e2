"""Mixed precision is left to devices that have it."""

import paddle

from paddle_vlm.training.precision import Precision


def test_a_cpu_computes_in_single_precision_with_unscaled_losses():
    paddle.set_device("cpu")
    precision = Precision(wanted=True)
    x = paddle.ones([2, 2])
    x.stop_gradient = False
    with precision.context():
        y = paddle.matmul(x, x)
    precision.backward(y.sum())
    assert y.dtype == paddle.float32
    assert x.grad.numpy().tolist() == [[4, 4], [4, 4]]
    assert precision.state() == {}
