"""Calibration: known answers, few answers, the calibration error."""

import numpy as np
import pytest

from paddle_vlm.models.calibration import expected_calibration_error, fit_platt


def drawn(slope: float, bias: float, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scores, and whether each is right with the probability that slope and bias give."""
    random = np.random.default_rng(seed)
    scores = random.normal(0.3, 0.1, count)
    return scores, random.uniform(size=count) < 1 / (1 + np.exp(-(slope * scores + bias)))


def test_the_curve_that_made_the_answers_is_found():
    calibration = fit_platt(*drawn(20, -8, 100_000))
    assert calibration.slope == pytest.approx(20, rel=0.05)
    assert calibration.bias == pytest.approx(-8, rel=0.05)


def test_it_is_calibrated_on_answers_that_it_has_not_seen():
    calibration = fit_platt(*drawn(15, -6, 5000))
    scores, relevant = drawn(15, -6, 5000, seed=1)
    assert expected_calibration_error(calibration(scores), relevant) < 0.03
    assert expected_calibration_error(scores, relevant) > 0.05  # cosines themselves are no probabilities


@pytest.mark.parametrize("scores", [[0.1, 0.2, 0.8, 0.9], [0.5, 0.5, 0.5, 0.5]])
def test_few_pairs_separable_or_all_equal_give_a_finite_curve(scores):
    calibration = fit_platt(np.array(scores), np.array([False, False, True, True]))
    assert np.isfinite([calibration.slope, calibration.bias]).all()
    assert 0 < calibration(np.array([0.5]))[0] < 1


def test_one_kind_of_pairs_is_refused():
    with pytest.raises(ValueError, match="right and wrong"):
        fit_platt(np.array([0.1, 0.2]), np.array([True, True]))


def test_the_calibration_error_of_known_cases():
    assert expected_calibration_error([0.2] * 10, [1, 1] + [0] * 8) == pytest.approx(0)
    assert expected_calibration_error([0.9] * 10, [1, 1] + [0] * 8) == pytest.approx(0.7)
    assert expected_calibration_error([0.05] * 5 + [1.0] * 5, [0] * 5 + [1] * 5) == pytest.approx(0.025)
    assert expected_calibration_error([], []) == 0
