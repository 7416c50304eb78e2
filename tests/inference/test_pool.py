"""Several predictors of one model."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import paddle
import pytest
from paddle import nn
from paddle.static import InputSpec

from paddle_vlm.errors import Busy, UsageError
from paddle_vlm.inference.export import export
from paddle_vlm.inference.pool import PredictorPool
from paddle_vlm.inference.predictor import Predictor


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    paddle.seed(0)
    net = nn.Sequential(nn.Conv2D(3, 8, 3), nn.BatchNorm2D(8), nn.ReLU(), nn.AdaptiveAvgPool2D(1), nn.Flatten())
    return export(net, [InputSpec([None, 3, 24, 24], "float32")], tmp_path_factory.mktemp("exported"))


def pictures(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(1 + seed % 3, 3, 24, 24)).astype(np.float32)


@pytest.mark.parametrize("onednn", [True, False])
def test_threads_get_the_answers_of_a_single_predictor(folder, onednn):
    alone = [Predictor(folder, "cpu", 1, onednn).run(pictures(seed))[0] for seed in range(20)]
    pool = PredictorPool(folder, 3, device="cpu", threads=1, onednn=onednn)
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(lambda seed: pool.run(pictures(seed))[0], range(20)))
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


def test_a_full_queue_is_refused_at_once_and_has_room_again_later(folder):
    pool = PredictorPool(folder, 1, waiting=0, device="cpu")
    with pool.borrow(), pytest.raises(Busy, match="排队"):
        pool.run(pictures(0))
    assert len(pool.run(pictures(0))) == 1


def test_waiting_ends(folder):
    pool = PredictorPool(folder, 1, waiting=1, timeout=0.05, device="cpu")
    with pool.borrow(), pytest.raises(Busy, match=r"0\.05 秒"):
        pool.run(pictures(0))


def test_a_predictor_comes_back_after_an_error(folder):
    pool = PredictorPool(folder, 1, waiting=0, device="cpu")
    for _ in range(3):
        with pytest.raises(UsageError):
            pool.run(pictures(0), pictures(0))
    assert len(pool.run(pictures(0))) == 1


def test_an_impossible_size_is_refused(folder):
    with pytest.raises(UsageError):
        PredictorPool(folder, 0)
