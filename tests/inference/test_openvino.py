"""Programs for OpenVINO against the layers themselves; skipped where it is not to be had."""

import numpy as np
import paddle
import pytest
from paddle import nn
from paddle.static import InputSpec

from paddle_vlm.inference import decoder
from paddle_vlm.inference.decoder import Decoder, export_for_openvino
from paddle_vlm.inference.export import PROGRAM, WEIGHTS, export
from paddle_vlm.inference.openvino import PROGRAM as OLD_PROGRAM
from paddle_vlm.inference.openvino import Int8Projection, can_decode, has_openvino
from paddle_vlm.inference.predictor import Predictor
from paddle_vlm.models.generation import search
from paddle_vlm.models.layers import Projection
from paddle_vlm.models.marian import MarianConfig, MarianTranslator
from paddle_vlm.models.transformer import TransformerConfig, TransformerEncoder

pytestmark = pytest.mark.skipif(not has_openvino(), reason="this Paddle carries no OpenVINO")
decodes = pytest.mark.skipif(not can_decode(), reason="OpenVINO decodes in bfloat16 only, which this processor lacks")


class Logits(nn.Layer):
    def __init__(self, project: nn.Layer, table: np.ndarray) -> None:
        super().__init__()
        self.project = project
        self.table = self.create_parameter(table.shape, default_initializer=nn.initializer.Assign(table))
        self.bias = self.create_parameter([len(table)], default_initializer=nn.initializer.Constant(0.5))

    def forward(self, x):
        return self.project(x, self.table, self.bias)


@pytest.fixture(scope="module")
def network() -> MarianTranslator:
    paddle.seed(0)
    sizes = dict.fromkeys(("encoder_layers", "decoder_layers", "encoder_attention_heads", "decoder_attention_heads"), 2)
    numbers = {"pad_token_id": 499, "decoder_start_token_id": 499, "d_model": 64}
    model = MarianTranslator(MarianConfig(vocab_size=500, encoder_ffn_dim=128, decoder_ffn_dim=128, **sizes, **numbers))
    model.eval()
    return model


@pytest.mark.parametrize(("half", "most"), [(True, 0.1), (False, 1e-4)])
def test_the_program_computes_what_the_layer_computes_for_any_shape(tmp_path, monkeypatch, half, most):
    if not half:
        monkeypatch.setattr("paddle_vlm.inference.predictor.has_bfloat16", lambda: False)
    monkeypatch.chdir(tmp_path)
    paddle.seed(0)
    layer = TransformerEncoder(TransformerConfig(dim=32, heads=2))
    specs = [InputSpec([None, None, 32], "float32", "x"), InputSpec([None], "int64", "lengths")]
    folder = export(layer, specs, tmp_path / "exported", for_openvino=True)
    assert sorted(path.name for path in folder.iterdir()) == [WEIGHTS, OLD_PROGRAM]
    predictor = Predictor(folder, "cpu")
    for rows, steps in ((1, 40), (3, 7), (2, 17)):
        x = np.random.default_rng(rows).normal(size=(rows, steps, 32)).astype(np.float32)
        lengths = np.full(rows, steps)
        wanted = layer(paddle.to_tensor(x), paddle.to_tensor(lengths)).numpy()
        assert np.abs(predictor.run(x, lengths)[0] - wanted).max() < most
    assert [path.name for path in tmp_path.iterdir()] == ["exported"]  # OpenVINO's own cache lies elsewhere too


def test_exports_for_oneDNN_are_not_disturbed(tmp_path):
    layer, specs = nn.Linear(4, 3), [InputSpec([None, 4], "float32")]
    for name, flag in (("old", True), ("new", False)):
        export(layer, specs, tmp_path / name, for_openvino=flag)
    assert (tmp_path / "new" / PROGRAM).is_file() and paddle.in_dynamic_mode()
    x = np.eye(4, dtype=np.float32)
    assert np.abs(Predictor(tmp_path / "new", "cpu").run(x)[0] - layer(paddle.to_tensor(x)).numpy()).max() < 1e-6


def test_logits_in_int8_are_close_and_large_inputs_are_cut_off(tmp_path):
    random = np.random.default_rng(0)
    table, x = random.normal(size=(300, 64)).astype(np.float32), random.normal(size=(5, 64)).astype(np.float32)
    specs, most = [InputSpec([None, 64], "float32", "x")], float(np.abs(x).max())
    exact = Logits(Projection(), table)(paddle.to_tensor(x)).numpy()
    found = Predictor(export(Logits(Int8Projection(table, most), table), specs, tmp_path, for_openvino=True), "cpu")
    deviation = np.abs(found.run(x)[0] - exact)
    assert 0 < deviation.max() < 0.05 * np.abs(exact).max()
    cut, limit = found.run(100 * np.sign(x))[0], found.run(most * np.sign(x))[0]
    assert np.abs(cut - limit).max() < 0.02 * np.abs(limit).max()  # int8 ends at -128 and 127


@decodes
@pytest.mark.parametrize("int8", [True, False])
def test_a_network_writes_nearly_as_probable_lines_beyond_sixteen_pieces(network, tmp_path, int8):
    source = np.random.default_rng(0).integers(1, 498, (3, 9))
    exact = decoder.export_decoder(network, tmp_path / "exact")
    fast = export_for_openvino(network, tmp_path / "fast", int8)
    assert (fast / "step" / OLD_PROGRAM).is_file()
    scores = [
        [line.score for line in search(each.step, each.encode(source), 3, start=499, end=0, max_steps=40, beam=3)]
        for each in (Decoder(exact, "cpu"), Decoder(fast, "cpu"))
    ]
    assert np.abs(np.subtract(*scores)).max() < 0.1


@decodes
def test_wrong_results_lead_back_to_the_ordinary_programs(network, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(decoder, "_CLOSE", 0.0)
    folder = export_for_openvino(network, tmp_path / "checked")
    assert (folder / "step" / PROGRAM).is_file() and not (folder / "step" / OLD_PROGRAM).exists()
    assert "oneDNN" in caplog.text and isinstance(network.project, Projection)
