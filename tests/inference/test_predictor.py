"""Exported layers through Paddle Inference against the layers themselves."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import paddle
import pytest
from paddle import inference, nn
from paddle.static import InputSpec

from paddle_vlm.errors import MissingWeights, OutputError, UsageError
from paddle_vlm.inference.export import export
from paddle_vlm.inference.predictor import Gpu, Predictor, make_config


class Both(nn.Layer):
    """Two inputs of different width, two outputs; the names are not in alphabetical order."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(4, 3), nn.Linear(5, 3)

    def forward(self, zebra, apple):
        return self.left(zebra) + nn.functional.relu(self.right(apple)), self.left(zebra)


@pytest.fixture(scope="module")
def layer() -> Both:
    paddle.seed(0)
    return Both()


@pytest.fixture(scope="module")
def folder(layer, tmp_path_factory):
    specs = [InputSpec([None, 4], "float32"), InputSpec([None, 5], "float32")]
    return export(layer, specs, tmp_path_factory.mktemp("exported"))


def arrays(rows: int, seed: int = 0) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    return [generator.normal(size=(rows, width)).astype(np.float32) for width in (4, 5)]


@pytest.mark.parametrize("onednn", [True, False])
def test_the_program_computes_what_the_layer_computes_for_any_number_of_rows(layer, folder, onednn):
    predictor = Predictor(folder, "cpu", onednn=onednn)
    for rows in (1, 7, 2):
        given = arrays(rows, seed=rows)
        expected = layer(*map(paddle.to_tensor, given))
        for found, wanted in zip(predictor.run(*given), expected, strict=True):
            assert np.abs(found - wanted.numpy()).max() < 1e-5


def test_tensors_give_what_arrays_give(folder):
    predictor = Predictor(folder, "cpu")
    for seed in (0, 1):
        given = arrays(3, seed)
        found = [tensor.numpy() for tensor in predictor.run_tensors(*map(paddle.to_tensor, given))]
        for one, other in zip(found, Predictor(folder, "cpu").run(*given), strict=True):
            assert np.array_equal(one, other)


def test_threads_that_share_a_predictor_get_their_own_answers(folder):
    predictor = Predictor(folder, "cpu")
    given = [arrays(2, seed=seed) for seed in range(40)]
    alone = [predictor.run(*pair)[0] for pair in given]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda pair: predictor.run(*pair)[0], given))
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


def test_a_wrong_number_of_inputs_is_refused(folder):
    with pytest.raises(UsageError, match="2 个输入"):
        Predictor(folder, "cpu").run(arrays(1)[0])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(MissingWeights, match="inference.json"):
        Predictor(tmp_path, "cpu")


def test_a_damaged_program_is_refused(folder, tmp_path):
    (tmp_path / "inference.json").write_text("{", encoding="utf-8")
    (tmp_path / "inference.pdiparams").write_bytes((folder / "inference.pdiparams").read_bytes()[:20])
    with pytest.raises(MissingWeights, match="重新导出"):
        Predictor(tmp_path, "cpu")


def test_a_failed_export_leaves_nothing_behind(layer, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(OutputError):
        export(layer, [InputSpec([None, 4], "float32"), InputSpec([None, 5], "float32")], tmp_path / "taken")
    with pytest.raises(ValueError):
        export(layer, [InputSpec([None, 4], "float32")], tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []


def test_the_gpu_configuration_uses_the_gpu_and_no_onednn(folder):
    config = make_config(folder, "gpu")
    assert not config.mkldnn_enabled()
    if paddle.is_compiled_with_cuda():
        assert config.use_gpu()


def test_a_card_its_memory_and_its_precision_are_the_callers_choice(folder):
    assert Gpu().arguments() == (512, 0, inference.PrecisionType.Float32)
    chosen = Gpu(card=1, memory=2048, half=True)
    assert chosen.arguments() == (2048, 1, inference.PrecisionType.Half)
    if paddle.is_compiled_with_cuda():
        config = make_config(folder, "gpu", gpu=chosen)
        assert (config.memory_pool_init_size_mb(), config.gpu_device_id()) == (2048, 1)


def test_a_clone_answers_alike_and_apart(folder):
    first = Predictor(folder, "cpu")
    (left, right), others = arrays(3), arrays(2, seed=1)
    wanted = first.run(left, right)[0]
    second = first.clone()
    second.run(*others)
    assert np.array_equal(first.run(left, right)[0], wanted)
    assert np.array_equal(second.run(left, right)[0], wanted)


def test_threads_are_the_callers_choice(folder):
    assert make_config(folder, "cpu", threads=3).cpu_math_library_num_threads() == 3
