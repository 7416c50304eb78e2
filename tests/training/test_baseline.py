import numpy as np

from paddle_vlm.data.images import LabelledImages
from paddle_vlm.training.baseline import hog_svm_accuracy


def stripes(count, seed):
    """Upright or lying stripes in any colours with noise."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, count)
    wave = np.sin(np.arange(32) / 2 + rng.uniform(0, 6, (count, 1)))[:, None, :, None]
    wave = np.where(labels[:, None, None, None] == 1, wave, wave.transpose(0, 2, 1, 3))
    images = 128 + 40 * wave * rng.uniform(-1, 1, (count, 1, 1, 3)) + rng.normal(0, 10, (count, 32, 32, 3))
    return LabelledImages(np.clip(images, 0, 255).astype(np.uint8), labels, ["横", "竖"])


def test_directions_are_learnt_and_random_labels_are_not():
    train, test = stripes(200, 0), stripes(100, 1)
    assert hog_svm_accuracy(train, test) > 0.9
    assert hog_svm_accuracy(train, test, most=60) > 0.8
    shuffled = LabelledImages(train.images, np.random.default_rng(2).permutation(train.labels), train.names)
    assert hog_svm_accuracy(shuffled, test) < 0.75
