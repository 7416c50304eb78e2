"""What the workers do, with real models."""

import numpy as np
import pytest

from paddle_vlm.apps.classification import Classifier
from paddle_vlm.apps.text_analysis import TextAnalyzer
from paddle_vlm.errors import BadImage, UsageError
from paddle_vlm.retrieval.encoder import SearchModel
from paddle_vlm.serving.classifier import BatchClassifier
from paddle_vlm.serving.engine import HandlerFailed, Item, run_guarded
from paddle_vlm.serving.handlers import AnalyzeHandler, ClassifyHandler, EmbedHandler, loaders
from paddle_vlm.serving.settings import ServeSettings
from paddle_vlm.vision.image import load_image

PIXELS = 1_000_000


def nothing(number, event):
    pass


@pytest.fixture(scope="module")
def model():
    return SearchModel.load()


def test_a_batch_is_classified_as_each_picture_by_itself_and_a_bad_one_fails_alone(dot_classifier, picture):
    classifier, alone = BatchClassifier(dot_classifier, "cpu", PIXELS), Classifier(dot_classifier)
    pictures = [picture(colour, (40, 30)) for colour in ((220, 30, 30), (30, 30, 220), (120, 120, 120))]
    pictures.insert(1, b"no picture")
    pictures.append(picture(size=(2000, 1000)))
    found = classifier.classify(pictures, [1, 5, 2, 1, 1])
    assert isinstance(found[1], BadImage) and isinstance(found[4], BadImage)
    for number in (0, 2, 3):
        expected = alone.classify(load_image(pictures[number]).rgb, k=[1, 5, 2, 1, 1][number]).to_dict()["classes"]
        assert [each["label"] for each in found[number]["classes"]] == [each["label"] for each in expected]
        for ours, theirs in zip(found[number]["classes"], expected, strict=True):
            assert ours["score"] == pytest.approx(theirs["score"], abs=2e-4)


def test_labels_named_by_the_client_are_chosen_from_and_needed_without_a_classifier(model, picture, dot_classifier):
    red = picture((220, 20, 30), (64, 64))
    items = [Item([red], {"k": 2, "labels": ["红色", "蓝色"]}), Item([red], {"k": 1, "labels": None}),
             Item([b"no"], {"k": 1, "labels": ["红色", "蓝色"]})]  # fmt: skip
    zero_shot = ClassifyHandler(None, lambda: model, "cpu", PIXELS)
    chosen, refused, bad = zero_shot.run(items, nothing)
    assert {each["label"] for each in chosen["classes"]} == {"红色", "蓝色"}
    assert sum(each["score"] for each in chosen["classes"]) == pytest.approx(1, abs=1e-3)
    assert isinstance(refused, UsageError) and "labels" in str(refused) and isinstance(bad, BadImage)
    trained = ClassifyHandler(str(dot_classifier), lambda: model, "cpu", PIXELS).run(items, nothing)
    assert trained[0] == chosen and len(trained[1]["classes"]) == 1


def test_pictures_and_texts_of_one_batch_become_the_vectors_of_the_search_model(model, picture):
    photo = picture((20, 180, 40), (50, 60))
    items = [Item(options={"text": "红苹果"}), Item([photo]), Item([b""]), Item(options={"text": "绿叶"})]
    found = EmbedHandler(model, PIXELS).run(items, nothing)
    assert isinstance(found[2], BadImage)
    expected = [model.encode_texts(["红苹果"])[0], model.encode_images([load_image(photo).rgb])[0], None,
                model.encode_texts(["绿叶"])[0]]  # fmt: skip
    for number in (0, 1, 3):
        assert found[number]["dim"] == len(found[number]["vector"]) and found[number]["model"] == model.fingerprint
        assert np.allclose(found[number]["vector"], expected[number], atol=1e-4)


def test_texts_with_different_options_share_a_batch():
    analyzer = TextAnalyzer()
    options = {"parts": ["words"], "keywords": 5, "sentences": 3}
    asked = [
        options | {"text": "张三在北京"},
        options | {"text": "很好", "parts": ["keywords"]},
        options | {"text": ""},
    ]
    items = [Item(options=each) for each in asked]
    found = AnalyzeHandler(analyzer).run(items, nothing)
    assert found[0] == analyzer.analyze("张三在北京", parts=["words"]).to_dict()
    assert "words" not in found[1] and "keywords" in found[1] and found[2]["words"] == []


def test_only_the_tasks_that_are_served_are_loaded():
    assert [task for task, _ in loaders(ServeSettings(tasks=["analyze", "classify"]))] == ["classify", "analyze"]


def test_a_handler_that_breaks_down_fails_its_batch_without_telling_why():
    class Broken:
        def run(self, items, progress):
            raise ZeroDivisionError("geheim")

    outcomes = run_guarded(Broken(), [Item(), Item()], nothing)
    assert all(isinstance(outcome, HandlerFailed) and "geheim" not in str(outcome) for outcome in outcomes)
