"""Classification by labels named on the spot."""

import numpy as np
import pytest

from paddle_vlm.apps.zero_shot import ZeroShotClassifier
from paddle_vlm.errors import BadImage, UsageError


def test_each_picture_gets_its_label_and_probabilities_that_add_up(colour_photos, colour_model):
    photos = colour_photos(红=1, 蓝=1)
    classifier = ZeroShotClassifier(["红", "蓝", "绿"], encoder=colour_model)
    red, blue = (classifier.classify(photos / name).guesses for name in ("红0.png", "蓝0.png"))
    assert (red[0].label, blue[0].label) == ("红", "蓝")
    scores = [guess.score for guess in red]
    assert sum(scores) == pytest.approx(1)
    assert scores == sorted(scores, reverse=True)


def test_arrays_are_pictures_too_and_k_limits_the_answer(colour_model):
    classifier = ZeroShotClassifier([" 红", "蓝 ", "绿"], encoder=colour_model)
    (guess,) = classifier.classify(np.full((5, 5, 3), (20, 40, 220), np.uint8), k=1).guesses
    assert guess.label == "蓝"


def test_what_is_no_picture_and_a_heat_map_are_refused(colour_model):
    classifier = ZeroShotClassifier(["红", "蓝"], encoder=colour_model)
    with pytest.raises(BadImage):
        classifier.classify("missing.jpg")
    with pytest.raises(UsageError, match="热力图"):
        classifier.classify(np.zeros((5, 5, 3), np.uint8), explain=True)


@pytest.mark.parametrize("labels", [[], ["猫"], ["猫", ""], ["猫", "猫 "]])
def test_labels_that_leave_no_choice_are_refused(labels, colour_model):
    with pytest.raises(UsageError, match="标签"):
        ZeroShotClassifier(labels, encoder=colour_model)
