import dataclasses
from pathlib import Path

import numpy as np
import paddle
import pytest

from paddle_vlm.errors import MissingWeights
from paddle_vlm.models.efficientnet import VARIANTS, EfficientNet
from paddle_vlm.weights import fetch

DATA = Path(__file__).parent / "data"


def picture(size: int) -> paddle.Tensor:
    """As in data/make_efficientnet_reference.py."""
    y, x = np.mgrid[:size, :size].astype(np.float32) / size
    return paddle.to_tensor(np.stack([np.sin(6 * x), np.cos(9 * y), np.sin(20 * x * y)])[None])


def weights(variant: str) -> Path:
    try:
        return fetch(f"efficientnet_{variant}") / "model.pth"
    except MissingWeights as error:
        pytest.skip(f"ImageNet weights cannot be fetched here: {error}")


@pytest.mark.parametrize("variant", ["lite0", "lite2"])
def test_answers_are_those_of_the_original_network(variant):
    model = EfficientNet(dataclasses.replace(VARIANTS[variant], classes=1000))
    model.load_torch(weights(variant))
    model.eval()
    with np.load(DATA / "efficientnet_reference.npz") as reference, paddle.no_grad():
        pixels = picture(model.config.size)
        logits = model.classify(pixels).numpy()
        np.testing.assert_allclose(logits[:, :100], reference[f"{variant}_logits"], atol=1e-4)
        means = model(pixels).mean([2, 3]).numpy()
        np.testing.assert_allclose(means, reference[f"{variant}_means"], atol=1e-4)


def test_lower_and_upper_part_together_are_the_whole():
    model = EfficientNet(VARIANTS["lite0"])
    model.eval()
    pixels = picture(64)
    with paddle.no_grad():
        whole = model.narrow(pixels).numpy()
        for blocks in (0, 11, 16):
            np.testing.assert_allclose(model.upper(model.lower(pixels, blocks), blocks).numpy(), whole, atol=1e-5)


def test_the_statistics_of_batch_normalisation_do_not_follow_small_batches():
    model = EfficientNet(VARIANTS["lite0"])
    model.train()
    before = model.stem.norm._mean.numpy().copy()
    model(picture(64))
    np.testing.assert_array_equal(model.stem.norm._mean.numpy(), before)


def test_weights_of_the_other_size_are_refused():
    with pytest.raises(MissingWeights, match="请检查型号"):
        EfficientNet(VARIANTS["lite0"]).load_torch(weights("lite2"))
