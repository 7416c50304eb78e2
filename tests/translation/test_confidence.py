import json
import logging

import pytest

from paddle_vlm.translation.confidence import Confidence, agreement, model_features
from paddle_vlm.translation.literal import Literal
from paddle_vlm.translation.network import Draft
from paddle_vlm.weights import fetch

LINE, LITERAL = "小心地滑请勿攀爬", Literal("be careful slippery do not climb", 1.0, 4)


@pytest.fixture(scope="module")
def confidence() -> Confidence:
    return Confidence.load(fetch("translator"))


def test_scores_are_probabilities(confidence):
    for text, logp in (("", -100.0), ("be careful slippery do not climb", 0.0), ("a a a a a a a a", -3.0)):
        draft = Draft(text, logp, 4)
        for score in (confidence.of_model(LINE, draft, LITERAL), confidence.of_dictionary(LINE, draft, LITERAL)):
            assert 0 < score < 1


def test_a_probable_draft_that_agrees_with_the_dictionary_scores_higher(confidence):
    good = Draft("be careful slippery do not climb", -0.3, 8)
    for worse in (Draft(good.text, -2.5, 8), Draft("good luck my friend hello there", -0.3, 8)):
        assert confidence.of_model(LINE, good, LITERAL) > confidence.of_model(LINE, worse, LITERAL)


def test_repetition_is_measured():
    assert model_features(LINE, Draft("no no no no", -1.0, 4), LITERAL)["repetition"] == 0.75
    assert model_features(LINE, Draft("", -1.0, 0), LITERAL)["repetition"] == 1.0


def test_agreement_is_one_for_equal_words_and_zero_for_none():
    assert agreement("Wet floor!", "wet, floor") == 1.0
    assert agreement("a b", "c") == 0.0 == agreement("", "")


def test_uncalibrated_weights_are_reported(tmp_path, caplog):
    (tmp_path / "config.json").write_text(json.dumps({"vocab": 60}), encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        assert Confidence.load(tmp_path) == Confidence()
    assert "config.json" in caplog.text


def test_the_choice_weighs_both_and_falls_back_on_the_likelier_one():
    draft = Draft("careful, the floor is wet", -0.5, 6)
    sure, unsure = {"bias": 5.0}, {"bias": -5.0}
    assert Confidence(sure, unsure).prefers_model(LINE, draft, LITERAL, phrase=False)
    assert not Confidence(unsure, sure).prefers_model(LINE, draft, LITERAL, phrase=False)
    trusts_phrases = {"bias": 1.0, "phrase": -2.0}
    assert Confidence(unsure, sure, trusts_phrases).prefers_model(LINE, draft, LITERAL, phrase=False)
    assert not Confidence(sure, unsure, trusts_phrases).prefers_model(LINE, draft, LITERAL, phrase=True)
