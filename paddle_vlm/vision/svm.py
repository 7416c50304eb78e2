"""HOG and a linear support vector machine: how pictures were classified before networks learnt the features."""

import numpy as np

from paddle_vlm.vision.features import hog


class HogSvm:
    """One linear SVM for each class on HOG vectors (Dalal and Triggs 2005; Cortes and Vapnik 1995).

    For each class, with y = 1 for its pictures and -1 for others, minimises |w|^2 / 2 + C sum max(0, 1 - y (w x + b))^2
    (the squared hinge, as liblinear's default), by Nesterov's accelerated gradient over all pictures at once.
    """

    def __init__(self, penalty: float = 0.1, cell: int = 4, steps: int = 100) -> None:
        """penalty is C; HOG cells are cell x cell pixels."""
        self.penalty, self.cell, self.steps = penalty, cell, steps
        self.weights = np.zeros((0, 0), np.float32)  # [features + 1, classes] once fitted

    def fit(self, images: np.ndarray, labels: np.ndarray) -> "HogSvm":
        """Learn from uint8 [N, H, W, 3] and int64 [N]."""
        x = self._describe(images)
        y = np.where(labels[:, None] == np.arange(labels.max() + 1), 1, -1).astype(np.float32)
        rate = 1 / (1 + 2 * self.penalty * _largest_eigenvalue(x))
        weights = ahead = np.zeros((x.shape[1], y.shape[1]), np.float32)
        for step in range(self.steps):
            short = np.maximum(0, 1 - y * (x @ ahead))
            moved = ahead - rate * (ahead - 2 * self.penalty * (x.T @ (y * short)))
            ahead = moved + step / (step + 3) * (moved - weights)
            weights = moved
        self.weights = weights
        return self

    def scores(self, images: np.ndarray) -> np.ndarray:
        """uint8 [N, H, W, 3] -> float32 [N, classes], above 0 on a class's own side."""
        return self._describe(images) @ self.weights

    def predict(self, images: np.ndarray) -> np.ndarray:
        """uint8 [N, H, W, 3] -> labels int64 [N]."""
        return self.scores(images).argmax(1)

    def _describe(self, images: np.ndarray) -> np.ndarray:
        x = hog(images, self.cell)
        return np.concatenate([x, np.ones((len(x), 1), np.float32)], 1)


def _largest_eigenvalue(x: np.ndarray) -> float:
    """Of x^T x, by power iteration; a tenth is added because that comes from below."""
    vector = np.ones(x.shape[1], np.float32)
    size = 1.0
    for _ in range(20):
        vector = x.T @ (x @ vector)
        size = float(np.linalg.norm(vector))
        vector /= size
    return 1.1 * size
