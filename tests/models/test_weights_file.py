"""Weights come back as they were saved; what does not fit is explained."""

import numpy as np
import paddle
import pytest
from paddle import nn

from paddle_vlm.errors import MissingWeights, OutputError
from paddle_vlm.files import write_json
from paddle_vlm.models.weights_file import load_weights, read_tensors, save_weights, write_tensors


def test_parameters_and_buffers_come_back(tmp_path):
    saved, other = (nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1D(2)) for _ in range(2))
    saved(paddle.randn([8, 3]))  # moves the running statistics
    save_weights(saved, tmp_path / "new/folder/w.safetensors", {"epoch": "3"})
    load_weights(other, tmp_path / "new/folder/w.safetensors")
    saved.eval(), other.eval()
    x = paddle.randn([4, 3])
    assert np.array_equal(saved(x).numpy(), other(x).numpy())
    assert read_tensors(tmp_path / "new/folder/w.safetensors")[1] == {"epoch": "3"}


def test_half_precision_is_read_into_single(tmp_path):
    layer = nn.Linear(2, 2)
    write_tensors({"weight": np.eye(2, dtype=np.float16), "bias": np.zeros(2, np.float16)}, tmp_path / "w", {})
    load_weights(layer, tmp_path / "w")
    assert layer.weight.dtype == paddle.float32
    assert layer.weight.numpy().tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize(("other", "message"), [
    (nn.Linear(3, 3), "的形状是"), (nn.Linear(2, 2, bias_attr=False), "多出 bias"),
    (nn.Sequential(nn.Linear(2, 2)), "缺少 0.bias"),
])  # fmt: skip
def test_another_networks_weights_are_refused(tmp_path, other, message):
    save_weights(nn.Linear(2, 2), tmp_path / "w")
    with pytest.raises(MissingWeights, match=message):
        load_weights(other, tmp_path / "w")


def test_a_missing_and_a_cut_file_are_explained(tmp_path):
    with pytest.raises(MissingWeights, match="找不到权重文件"):
        read_tensors(tmp_path / "none")
    save_weights(nn.Linear(20, 20), tmp_path / "w")
    (tmp_path / "w").write_bytes((tmp_path / "w").read_bytes()[:500])
    with pytest.raises(MissingWeights, match="不是完整的 safetensors"):
        read_tensors(tmp_path / "w")


def test_what_cannot_be_written_leaves_the_old_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="无法写入"):
        write_json(tmp_path / "file" / "below.json", {})
    write_json(tmp_path / "a.json", {"名": 1})
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == '{\n "名": 1\n}\n'
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "file"]
