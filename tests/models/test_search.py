import json

import numpy as np
import paddle
import pytest

from paddle_vlm.errors import MissingWeights
from paddle_vlm.models.calibration import Calibration
from paddle_vlm.models.dual_encoder import DualEncoderConfig
from paddle_vlm.models.fusion import FusionConfig
from paddle_vlm.models.search import SearchConfig, SearchNetwork, fitting


def small() -> SearchNetwork:
    paddle.seed(0)
    dual = DualEncoderConfig(image="lite0", size=96, characters=20, words=20, word_width=8, width=16, hidden=16, dim=12)
    config = SearchConfig(dual, FusionConfig(channels=320, cells=9, characters=20, word_width=8, width=16, hidden=16))
    config.cosine, config.rerank_weight = Calibration(7.0, -2.0), 0.3
    return SearchNetwork(config)


def test_it_comes_back_as_it_was_saved_in_half_precision(tmp_path):
    model = small()
    model.save(tmp_path)
    again = SearchNetwork.load(tmp_path)
    assert again.config == model.config
    for name, value in again.state_dict().items():
        np.testing.assert_allclose(value.numpy(), model.state_dict()[name].numpy(), rtol=1e-3, atol=1e-4)


def test_the_fusion_is_made_to_fit_the_dual_encoder():
    fusion = fitting(FusionConfig(width=64), small().dual)
    assert (fusion.channels, fusion.cells, fusion.characters, fusion.word_width, fusion.width) == (320, 9, 20, 8, 64)


def test_the_second_look_adds_its_weighted_logit_to_the_cosine():
    model = small()
    model.eval()
    grid, numbers = paddle.randn([2, 9, 320]), paddle.to_tensor(np.array([[3, 4, 5], [3, 4, 5]]))
    images = paddle.nn.functional.normalize(paddle.randn([2, 12]), axis=-1)
    cosines = paddle.to_tensor(np.array([0.2, 0.9], np.float32))
    with paddle.no_grad():
        with_fusion = model.rerank(grid, images, numbers, numbers, cosines).numpy()
        model.config.rerank_weight = 0.0
        np.testing.assert_allclose(
            model.rerank(grid, images, numbers, numbers, cosines).numpy(), cosines.numpy() / 0.07, rtol=1e-4
        )
    assert not np.allclose(with_fusion, cosines.numpy() / 0.07)


@paddle.no_grad()
def test_a_picture_that_is_close_to_the_bank_is_found_less_readily():
    model = small()
    model.eval()
    model.bank.set_value(paddle.nn.functional.normalize(paddle.randn([1, 12]), axis=-1))
    near, far = model.bank[0], -model.bank[0]
    readiness = model.readiness(paddle.stack([near, far]))
    np.testing.assert_allclose(readiness.numpy(), [1 / 0.07, -1 / 0.07], rtol=1e-4)
    grid, numbers = paddle.randn([1, 9, 320]).expand([2, -1, -1]), paddle.full([2, 3], 4, "int64")
    model.config.bank_weight = 0.5
    scores = model.rerank(grid, paddle.stack([near, far]), numbers, numbers, paddle.full([2], 0.3))
    assert float(scores[1] - scores[0]) == pytest.approx(1 / 0.07, rel=1e-3)


@pytest.mark.parametrize("content", [None, "{", "[]", json.dumps({"dual": {"no_such": 1}})])
def test_a_damaged_config_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(MissingWeights, match=r"config\.json"):
        SearchNetwork.load(tmp_path)
