"""An exported folder in use."""

import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from paddle_vlm.deployment.build import ExportConfig, export_model
from paddle_vlm.deployment.loaded import load_exported
from paddle_vlm.errors import Busy, MissingWeights, UsageError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("exported") / "topic"
    export_model(ExportConfig("text_classify", "topic"), out)
    return out


def words(seed: int = 0, dtype: str = "int64") -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 500, (2, 9)).astype(dtype)


def test_arrays_go_in_and_come_out_by_name(folder):
    found = load_exported(folder, "cpu", threads=1)["classify"].run(words=words())
    assert list(found) == ["probabilities"]
    np.testing.assert_allclose(found["probabilities"].sum(-1), 1, rtol=1e-5)


@pytest.mark.parametrize(
    "arrays,message",
    [
        ({"word": words()}, "是否想写 words"),
        ({}, "缺少输入 words"),
        ({"words": words(dtype="int32")}, "应是 int64.*给出的是 int32"),
        ({"words": words()[0]}, r"形状 \[任意、任意\].*形状 \[9\]"),
    ],
)
def test_what_does_not_fit_is_refused(folder, arrays, message):
    with pytest.raises(UsageError, match=message):
        load_exported(folder, "cpu")["classify"].run(**arrays)


def test_an_unknown_program_is_refused(folder):
    with pytest.raises(UsageError, match="可用:classify"):
        load_exported(folder, "cpu")["image"]


def test_a_changed_file_is_not_run(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "copy")
    path = tmp_path / "copy" / "classify" / "inference.pdiparams"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(MissingWeights, match="与清单不符"):
        load_exported(tmp_path / "copy", "cpu")


def test_with_a_pool_many_threads_get_their_own_answers(folder):
    alone, shared = load_exported(folder, "cpu", 1)["classify"], load_exported(folder, "cpu", 1, size=3)["classify"]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda seed: shared.run(words=words(seed))["probabilities"], range(30)))
    for seed, value in enumerate(found):
        assert np.array_equal(value, alone.run(words=words(seed))["probabilities"])


def test_a_full_queue_is_refused(folder):
    program = load_exported(folder, "cpu", 1, size=2, waiting=0)["classify"]
    with program._runner.borrow(), program._runner.borrow(), pytest.raises(Busy):
        program.run(words=words())
