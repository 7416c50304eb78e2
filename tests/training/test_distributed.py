"""One process alone; two are tested with the loop."""

import paddle

from paddle_vlm.training import distributed


def test_alone_everything_is_as_it_was():
    layer = paddle.nn.Linear(2, 2)
    layer(paddle.ones([1, 2])).sum().backward()
    before = layer.weight.grad.numpy().copy()
    distributed.start()
    distributed.average_gradients(layer.parameters())
    distributed.copy_from_first(layer)
    distributed.wait()
    assert (layer.weight.grad.numpy() == before).all()
    assert distributed.agree({"a": 0.1}) == {"a": 0.1}
    assert distributed.is_first()
    assert distributed.processes() == 1
