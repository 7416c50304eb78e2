import cv2
import numpy as np

from paddle_vlm.vision.features import hog
from paddle_vlm.vision.svm import HogSvm


def shapes(count, seed):
    """Circles, squares and crosses somewhere in noisy 32 x 32 pictures, in any colours."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, count)
    images = np.zeros((count, 32, 32, 3), np.uint8) + rng.integers(0, 255, (count, 1, 1, 3)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        x, y = (int(v) for v in rng.integers(13, 19, 2))
        colour = rng.integers(0, 255, 3).tolist()
        if label == 0:
            cv2.circle(image, (x, y), 9, colour, 2)
        elif label == 1:
            cv2.rectangle(image, (x - 8, y - 8), (x + 8, y + 8), colour, 2)
        else:
            cv2.line(image, (x - 8, y - 8), (x + 8, y + 8), colour, 2)
            cv2.line(image, (x - 8, y + 8), (x + 8, y - 8), colour, 2)
    noise = rng.normal(0, 8, images.shape)
    return np.clip(images + noise, 0, 255).astype(np.uint8), labels


def test_shapes_are_told_apart_whatever_their_colour():
    model = HogSvm().fit(*shapes(300, 0))
    images, labels = shapes(200, 1)
    assert (model.predict(images) == labels).mean() > 0.93
    assert model.scores(images).shape == (200, 3)


def test_it_finds_the_optimum_of_its_objective():
    images, labels = shapes(60, 2)
    model = HogSvm(penalty=0.1, steps=600).fit(images, labels)
    x = np.concatenate([hog(images), np.ones((60, 1), np.float32)], 1).astype(np.float64)
    y = np.where(labels[:, None] == np.arange(3), 1.0, -1.0)
    w = model.weights.astype(np.float64)
    gradient = w - 2 * 0.1 * x.T @ (y * np.maximum(0, 1 - y * (x @ w)))
    assert np.abs(gradient).max() < 1e-3 * np.abs(w).max()
