import numpy as np
import paddle
import pytest

from paddle_vlm.models.efficientnet import VARIANTS, EfficientNet
from paddle_vlm.training.image_features import FLIPPED, WHOLE, FeatureStore, see


def pictures(count: int) -> list[tuple[int, np.ndarray]]:
    """In another order than their numbers."""
    rng = np.random.default_rng(0)
    made = [(number, rng.integers(0, 256, (40, 50, 3), np.uint8)) for number in range(count)]
    return made[::-1]


@pytest.fixture(scope="module")
def trunk() -> EfficientNet:
    paddle.seed(0)
    model = EfficientNet(VARIANTS["lite0"])
    model.eval()
    return model


def test_features_lie_at_the_number_of_their_picture_and_fit_together(trunk, tmp_path):
    made = pictures(35)  # more than one batch
    found = FeatureStore(tmp_path, trunk, blocks=11, size=64).get("some", made, 35, views=1)
    number, rgb = made[3]
    pixels = see(rgb, WHOLE, 64, np.random.default_rng(0)).transpose(2, 0, 1)[None].astype(np.float32) / 127.5 - 1
    with paddle.no_grad():
        lower = trunk.lower(paddle.to_tensor(pixels), 11)
        narrow = trunk.upper(lower, 11)
        pooled = trunk.head(narrow).mean([2, 3])
    for stored, expected in ((found.lower, lower), (found.narrow, narrow), (found.pooled, pooled)):
        assert len(stored[0]) == 35
        np.testing.assert_allclose(stored[0][number], expected.numpy()[0], rtol=0.01, atol=0.01)  # fp16


def test_what_is_stored_is_not_computed_again(trunk, tmp_path):
    store = FeatureStore(tmp_path, trunk, blocks=11, size=64)
    first = store.get("some", pictures(4), 4, views=1)
    again = store.get("some", [], 4, views=1)  # no pictures to compute anything from
    np.testing.assert_array_equal(first.pooled[0], again.pooled[0])
    more = store.get("some", pictures(4), 4, views=2)
    assert len(more.pooled) == 2
    assert not np.array_equal(more.pooled[0], more.pooled[1])


def test_views_show_the_whole_the_mirrored_and_a_part():
    rgb = np.zeros((60, 80, 3), np.uint8)
    rgb[:, 40:] = 200
    whole, flipped = (see(rgb, view, 32, np.random.default_rng(0)) for view in (WHOLE, FLIPPED))
    np.testing.assert_array_equal(whole[:, ::-1], flipped)
    rng = np.random.default_rng(0)
    crops = [see(rgb, 2, 32, rng) for _ in range(8)]
    assert all(crop.shape == (32, 32, 3) for crop in crops)
    assert len({float(crop.mean()) for crop in crops}) == 8
