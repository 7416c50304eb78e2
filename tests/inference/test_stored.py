"""Weights in few bytes."""

import numpy as np
import paddle
import pytest
from paddle import nn
from paddle.static import InputSpec

from paddle_vlm.inference.export import Program, export_program
from paddle_vlm.inference.predictor import Predictor
from paddle_vlm.inference.stored import quantize


class Tied(nn.Layer):
    """A table that is also the output matrix, a filter bank, a GRU, and two arguments of which one is a list."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(30, 8)
        self.filters, self.gru = nn.Conv1D(8, 8, 3, padding=1), nn.GRU(8, 8)

    def forward(self, words, more):
        x = self.table(words) + more[0] + more[1]
        x = self.gru(self.filters(x.transpose([0, 2, 1])).transpose([0, 2, 1]))[0]
        return paddle.matmul(x, self.table.weight, transpose_y=True)


def program() -> Program:
    paddle.seed(0)
    added = [InputSpec([None, None, 8], "float32", name) for name in ("first", "second")]
    return Program(Tied(), [InputSpec([None, None], "int64", "words"), added], ("logits",))


@pytest.mark.parametrize("precision,error", [("fp16", 2e-3), ("int8", 0.1)])
def test_a_smaller_program_computes_nearly_the_same(precision, error, tmp_path):
    generator = np.random.default_rng(0)
    arrays = [generator.integers(0, 30, (2, 6)), *generator.normal(size=(2, 2, 6, 8)).astype(np.float32)]
    exported = program()
    found = Predictor(export_program(exported, tmp_path / "small", precision), "cpu").run(*arrays)[0]
    plain = Predictor(export_program(exported, tmp_path / "plain"), "cpu").run(*arrays)[0]
    with paddle.no_grad():  # the layer is as it was
        words, *more = map(paddle.to_tensor, arrays)
        np.testing.assert_allclose(exported.layer(words, more).numpy(), plain, atol=1e-5)
    assert 0 < np.abs(found - plain).max() < error
    sizes = [(tmp_path / name / "inference.pdiparams").stat().st_size for name in ("plain", "small")]
    assert sizes[1] < sizes[0]


@pytest.mark.parametrize("first", [True, False])
def test_a_number_is_off_by_half_a_step_of_its_channel_at_most(first):
    value = np.random.default_rng(0).normal(size=(6, 9)).astype(np.float32) * np.arange(1, 10, dtype=np.float32)
    value[:, 4] = 0
    value[2] = 0
    numbers, scale = quantize(value, first)
    assert numbers.dtype == np.int8 and scale.shape == ((6, 1) if first else (1, 9))
    assert (np.abs(numbers * scale - value) <= scale / 2 + 1e-6).all()
    assert np.abs(numbers).max() == 127


@pytest.mark.parametrize("width", [2, 64])
def test_the_numbers_of_a_table_take_a_quarter_of_the_room_however_narrow_it_is(width, tmp_path):
    table = Program(nn.Embedding(5000, width), [InputSpec([None], "int64", "x")], ("rows",))
    for precision in ("fp32", "int8"):
        export_program(table, tmp_path / precision, precision)
    small, plain = ((tmp_path / name / "inference.pdiparams").stat().st_size for name in ("int8", "fp32"))
    assert small < 0.28 * plain
