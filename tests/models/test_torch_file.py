import pickle
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from paddle_vlm.errors import MissingWeights
from paddle_vlm.models.torch_file import read_state_dict

DATA = Path(__file__).parent / "data"  # made by data/make_chinese_clip_reference.py


@pytest.mark.parametrize("name", ["torch_archive.bin", "torch_stream.bin"])
def test_both_formats_give_the_same_tensors_as_safetensors(name):
    found, expected = read_state_dict(DATA / name), load_file(DATA / "chinese_clip/model.safetensors")
    np.testing.assert_array_equal(found.pop("transposed"), np.arange(6.0).reshape(2, 3).T)
    assert len(found) > 4
    for key, value in found.items():
        np.testing.assert_array_equal(value, expected[key])


class Attack:
    """What a hostile checkpoint holds: a call that the reader makes while it reads."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return Path.touch, (self.target,)


def test_a_pickle_that_calls_something_is_refused_and_not_run(tmp_path):
    (tmp_path / "bad.pth").write_bytes(pickle.dumps({"weight": Attack(tmp_path / "touched")}))
    with pytest.raises(MissingWeights, match="不是只含张量"):
        read_state_dict(tmp_path / "bad.pth")
    assert not (tmp_path / "touched").exists()


def test_a_hostile_object_behind_the_header_is_refused(tmp_path):
    parts = [0x1950A86A20F9469CFC6C, 1001, {}, {"weight": Attack(tmp_path / "touched")}]
    (tmp_path / "bad.pth").write_bytes(b"".join(pickle.dumps(part, 2) for part in parts))
    with pytest.raises(MissingWeights, match="no part of a state dict"):
        read_state_dict(tmp_path / "bad.pth")
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize("name", ["torch_archive.bin", "torch_stream.bin"])
def test_a_truncated_file_is_refused(tmp_path, name):
    content = (DATA / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(MissingWeights, match="已损坏"):
        read_state_dict(tmp_path / name)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(MissingWeights, match="无法读取权重"):
        read_state_dict(tmp_path / "none.pth")
