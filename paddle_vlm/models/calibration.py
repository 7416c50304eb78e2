"""Scores -> probabilities, and how honest they are."""

from dataclasses import dataclass

import numpy as np


@dataclass
class Calibration:
    """Platt scaling (Platt 1999): probability = 1 / (1 + exp(-(slope * score + bias)))."""

    slope: float = 10.0
    bias: float = -4.0

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """Probabilities that the matches are right, of the same shape."""
        return 1 / (1 + np.exp(-np.clip(self.slope * np.asarray(scores) + self.bias, -30, 30)))


def fit_platt(scores: np.ndarray, relevant: np.ndarray, steps: int = 100) -> Calibration:
    """Logistic regression on one score, by Newton's method, with Platt's softened targets.

    Args:
        scores: float [N], of shown pairs.
        relevant: bool [N], which of them are right. Both kinds are needed.

    Raises ValueError where there is only one kind.
    """
    scores, relevant = np.asarray(scores, np.float64).ravel(), np.asarray(relevant, bool).ravel()
    right, wrong = int(relevant.sum()), int((~relevant).sum())
    if not right or not wrong:
        raise ValueError("calibration needs right and wrong pairs")
    targets = np.where(relevant, (right + 1) / (right + 2), 1 / (wrong + 2))
    mean, deviation = scores.mean(), scores.std() or 1.0
    inputs = np.stack([(scores - mean) / deviation, np.ones_like(scores)], 1)
    weights = np.array([0.0, np.log(right / wrong)])
    for _ in range(steps):
        probability = 1 / (1 + np.exp(-np.clip(inputs @ weights, -30, 30)))
        curvature = (inputs * (probability * (1 - probability))[:, None]).T @ inputs + 1e-9 * np.eye(2)
        step = np.linalg.solve(curvature, inputs.T @ (targets - probability))
        weights += np.clip(step, -2, 2)  # far from the optimum the curvature vanishes and a full step would overshoot
        if np.abs(step).max() < 1e-9:
            break
    slope = float(weights[0] / deviation)
    return Calibration(slope, float(weights[1] - slope * mean))


def expected_calibration_error(probabilities: np.ndarray, relevant: np.ndarray, bins: int = 10) -> float:
    """Mean distance between what was promised and what came true, over equally wide bins (Guo et al. 2017)."""
    probabilities, relevant = np.asarray(probabilities, np.float64).ravel(), np.asarray(relevant, np.float64).ravel()
    if not len(probabilities):
        return 0.0
    which = np.minimum((probabilities * bins).astype(int), bins - 1)
    gaps = [
        abs(probabilities[which == number].mean() - relevant[which == number].mean()) * (which == number).mean()
        for number in np.unique(which)
    ]
    return float(np.sum(gaps))
