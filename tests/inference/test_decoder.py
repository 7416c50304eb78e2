"""Choosing the likeliest pieces, rows of any number, and bfloat16; what the networks write: tests/models."""

from pathlib import Path

import numpy as np
import paddle
import pytest

from paddle_vlm.inference.decoder import LARGE, CachedState, Decoder, export_decoder, likeliest
from paddle_vlm.inference.openvino import has_bfloat16
from paddle_vlm.inference.predictor import OneDNN
from paddle_vlm.models.generation import search
from paddle_vlm.models.marian import MarianTranslator

FOLDER = Path(__file__).parents[1] / "models" / "data" / "marian"
PAD, EOS = 59, 0


@pytest.mark.parametrize("size", [7, 60, 141 * 461, 1009])  # 7 and 1009 are primes
@pytest.mark.parametrize("count", [1, 5])
def test_the_likeliest_are_those_that_topk_finds(size, count):
    paddle.seed(0)
    values = paddle.randn([3, size])
    best, places = likeliest(values, paddle.to_tensor([count]))
    wanted = paddle.topk(values, count, -1)
    assert np.array_equal(best.numpy(), wanted[0].numpy())
    assert np.array_equal(places.numpy(), wanted[1].numpy())


def test_more_may_be_asked_for_than_there_are_blocks():
    values = paddle.arange(60).astype("float32").unsqueeze(0)  # 6 blocks of 10
    assert likeliest(values, paddle.to_tensor([9]))[1].tolist() == [[59, 58, 57, 56, 55, 54, 53, 52, 51]]


def test_lines_are_filled_up_and_their_beams_reordered():
    rows = paddle.arange(10).astype("float32").reshape([5, 2])
    state = CachedState([rows], [rows * 10], 5, fill=True)
    state.reorder(np.array([4, 4, 0, 0, 2, 2, 2, 1, 3, 3]))  # two beams each
    assert (len(state.source[0]), len(state.own[0])) == (5, 32)
    state.select(np.array([4, 0, 2]), np.array([8, 9, 1, 0, 4, 7]))
    assert len(state.source[0]) == 4 and len(state.own[0]) == 8
    assert state.source[0][:3, 0].tolist() == [8, 0, 4]
    assert state.own[0][:6, 0].tolist() == [60, 60, 80, 80, 40, 20]


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> Path:
    return export_decoder(MarianTranslator.load(FOLDER), tmp_path_factory.mktemp("exported"))


def sources(rows: int) -> np.ndarray:
    found = np.random.default_rng(0).integers(1, PAD, (rows, 7))
    found[:, -1] = EOS
    return found


def write(decoder: Decoder, rows: np.ndarray) -> list[list[int]]:
    options = {"start": PAD, "end": EOS, "max_steps": 8, "beam": 3}
    return [line.pieces for line in search(decoder.step, decoder.encode(rows), len(rows), **options)]


@pytest.mark.parametrize("onednn", [None, OneDNN(shapes=0)])
def test_a_line_is_written_alike_in_batches_of_any_size(exported, onednn):
    decoder = Decoder(exported, "cpu", onednn=onednn)
    together = write(decoder, sources(50))  # 150 rows, more than the largest size
    for count in (1, 2, 7, 23):
        assert write(decoder, sources(50)[:count]) == together[:count]


def test_padding_is_never_written(exported):
    assert all(PAD not in line for line in write(Decoder(exported, "cpu"), sources(20)))


def test_bfloat16_gives_nearly_the_same_probabilities(exported):
    if not has_bfloat16():
        pytest.skip("the processor has no bfloat16")
    exact, fast = Decoder(exported, "cpu"), Decoder(exported, "cpu", onednn=LARGE)
    rows, last = sources(6), np.full(6, PAD)
    (right, pieces), (found, others) = (
        decoder.step(last, decoder.encode(rows), 0, PAD - 1) for decoder in (exact, fast)
    )
    right, found = (
        np.take_along_axis(values, np.argsort(where, -1), -1) for values, where in ((right, pieces), (found, others))
    )
    assert 0 < np.abs(np.exp(right) - np.exp(found)).max() < 0.01
