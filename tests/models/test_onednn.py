import gc

import numpy as np
import paddle
import pytest

from paddle_vlm.models import onednn

pytestmark = pytest.mark.skipif(onednn.find() is None, reason="Paddle comes without oneDNN here")


def test_something_else_is_refused(tmp_path):
    (tmp_path / "libdnnl.so.3").write_bytes(b"not a library")
    with pytest.raises(OSError):
        onednn.Library(tmp_path / "libdnnl.so.3")


def test_a_refused_object_is_an_exception():
    with pytest.raises(NotImplementedError, match="status"):
        onednn.get().layout([-1, 2])


def test_a_primitive_computes_on_the_tensors_of_each_call_and_keeps_what_it_needs():
    dnn = onednn.get()
    source, target = dnn.layout([1, 3, 4, 5]), dnn.pictures([1, 4, 5, 3])
    turn = onednn.Primitive(dnn.reorder(source, target), {onednn.SRC: source, onednn.DST: target})
    del source, target
    gc.collect()
    for seed in range(3):
        x = np.random.default_rng(seed).standard_normal((1, 3, 4, 5)).astype(np.float32)
        result = paddle.empty([1, 4, 5, 3])
        turn(paddle.to_tensor(x), result)
        np.testing.assert_array_equal(result, x.transpose(0, 2, 3, 1))
