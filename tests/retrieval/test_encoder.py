import json
import shutil
from pathlib import Path

import numpy as np
import paddle
import pytest

from paddle_vlm.errors import MissingWeights
from paddle_vlm.inference.openvino import PROGRAM, has_openvino
from paddle_vlm.inference.predictor import Predictor
from paddle_vlm.models.dual_encoder import DualEncoderConfig
from paddle_vlm.models.fusion import FusionConfig
from paddle_vlm.models.search import SearchConfig, SearchNetwork
from paddle_vlm.retrieval.encoder import SearchModel, export_parts, squared
from paddle_vlm.text.caption_vocabulary import CaptionVocabulary

CLIP = Path(__file__).parent.parent / "models/data/chinese_clip"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A small model with random weights."""
    return make_model(tmp_path_factory.mktemp("model"), "gru")


def make_model(target: Path, text: str) -> Path:
    paddle.seed(0)
    vocabulary = CaptionVocabulary.of(["红苹果", "绿苹果", "一只小狗"], 1, 1)
    dual = DualEncoderConfig(
        image="lite0", size=64, characters=len(vocabulary.characters) + 2, words=len(vocabulary.words) + 2,
        word_width=8, width=16, hidden=16, dim=12, text=text,
    )  # fmt: skip
    fusion = FusionConfig(320, 4, dual.characters, dual.word_width, width=16, hidden=16)
    SearchNetwork(SearchConfig(dual, fusion)).save(target)
    vocabulary.save(target)
    return target


def pictures(count: int) -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 256, (count, 90, 70, 3), np.uint8))


def test_the_exported_programs_answer_as_the_network_does(folder, monkeypatch):
    monkeypatch.setattr("paddle_vlm.inference.predictor.has_bfloat16", lambda: False)
    model, network = SearchModel.load(folder), SearchNetwork.load(folder)
    images = pictures(18)  # more than one batch
    vectors, grids = model.look(images)
    pixels = np.stack([squared(image, 64) for image in images]).transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1
    with paddle.no_grad():
        maps = network.dual.trunk.narrow(paddle.to_tensor(pixels))
        np.testing.assert_allclose(vectors, network.dual.encode_maps(maps).numpy(), atol=1e-4)
        np.testing.assert_allclose(grids, maps.flatten(2).transpose([0, 2, 1]).numpy(), atol=1e-3)
        tokens = [paddle.to_tensor(part) for part in CaptionVocabulary.load(folder).encode(["红苹果"], 48)]
        np.testing.assert_allclose(model.encode_texts(["红苹果"]), network.dual.text(*tokens).numpy(), atol=1e-4)
        cosines = paddle.to_tensor(vectors[:2] @ model.encode_texts(["红苹果"])[0])
        many = [token.expand([2, -1]) for token in tokens]
        seen = (paddle.to_tensor(grids[:2]), paddle.to_tensor(vectors[:2]))
        scores = network.rerank(*seen, *many, cosines).numpy()
    np.testing.assert_allclose(model.rerank_grids("红苹果", vectors[None, :2], grids[None, :2]), scores, atol=1e-3)


def test_the_second_look_takes_a_picture_for_its_mirror_image(folder):
    model, images = SearchModel.load(folder), pictures(2)
    scores = model.rerank("红苹果", images)
    assert abs(scores[0] - scores[1]) > 1e-4
    np.testing.assert_allclose(model.rerank("红苹果", [image[:, ::-1] for image in images]), scores, atol=1e-5)


def test_bfloat16_turns_vectors_only_a_little(folder, monkeypatch):
    fast = SearchModel.load(folder).encode_images(pictures(18))
    monkeypatch.setattr("paddle_vlm.inference.predictor.has_bfloat16", lambda: False)
    exact = SearchModel.load(folder).encode_images(pictures(18))
    assert (fast * exact).sum(1).min() > 0.99


def test_texts_keep_their_order_whatever_their_length(folder):
    model = SearchModel.load(folder)
    texts = ["一只小狗" * 6, "红苹果", "", "一只小狗", "红苹果"]
    vectors = model.encode_texts(texts)
    for text, vector in zip(texts, vectors, strict=True):
        np.testing.assert_allclose(model.encode_texts([text])[0], vector, atol=1e-5)


@pytest.mark.skipif(not has_openvino(), reason="this Paddle carries no OpenVINO")
@pytest.mark.parametrize("close", [0.99, 2.0])
def test_openvino_encodes_texts_unless_it_is_wrong(tmp_path, monkeypatch, caplog, close):
    monkeypatch.setattr("paddle_vlm.retrieval.encoder._ALIKE", close)
    network = SearchNetwork.load(make_model(tmp_path / "model", "transformer"))
    export_parts(network, tmp_path, compiled=True)
    assert (tmp_path / "text" / PROGRAM).is_file() == (close < 1) == ("OpenVINO" not in caplog.text)
    tokens = CaptionVocabulary.load(tmp_path / "model").encode(["一只小狗", "红苹果"], 48)
    with paddle.no_grad():
        wanted = network.dual.text(*map(paddle.to_tensor, tokens)).numpy()
    assert (Predictor(tmp_path / "text", "cpu", onednn=False).run(*tokens)[0] * wanted).sum(-1).min() > 0.999


@pytest.mark.parametrize("kind", ["transformer", "bag"])
def test_a_text_has_nearly_one_vector_alone_and_among_others(tmp_path, kind):
    model = SearchModel.load(make_model(tmp_path, kind))
    texts = ["一只小狗" * 6, "红苹果", "", "绿苹果"]
    alone = np.concatenate([model.encode_texts([text]) for text in texts])
    assert (alone * model.encode_texts(texts)).sum(-1).min() > 0.999


def test_nothing_in_nothing_out(folder):
    model = SearchModel.load(folder)
    assert model.encode_images([]).shape == model.encode_texts([]).shape == (0, 12)
    assert model.rerank("红苹果", []).shape == (0,)


def test_the_fingerprint_tells_models_apart_but_not_their_calibration(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "copy")
    config = json.loads((tmp_path / "copy/config.json").read_text())
    config["cosine"]["slope"] = 3.0
    (tmp_path / "copy/config.json").write_text(json.dumps(config))
    first, second = SearchModel.load(folder), SearchModel.load(tmp_path / "copy")
    assert first.fingerprint == second.fingerprint
    assert first.calibrate(0.5) != second.calibrate(0.5)
    SearchNetwork(first.config).save(tmp_path / "copy")
    assert SearchModel.load(tmp_path / "copy").fingerprint != first.fingerprint


def test_a_folder_without_weights_is_refused(folder, tmp_path):
    for name in ("config.json", "vocabulary.json"):
        shutil.copy(folder / name, tmp_path)
    with pytest.raises(MissingWeights, match=r"model\.safetensors"):
        SearchModel.load(tmp_path)


def test_a_chinese_clip_folder_has_the_same_interface():
    model = SearchModel.load(CLIP)
    vectors, texts = model.encode_images(pictures(9)), model.encode_texts(["红苹果", "一只小狗"])
    assert vectors.shape == (9, model.dim)
    np.testing.assert_allclose(np.linalg.norm(texts, axis=1), 1, atol=1e-4)
    looked = model.rerank_grids("红苹果", *(part[None] for part in model.look(pictures(3))))
    np.testing.assert_allclose(looked, vectors[:3] @ texts[0], atol=1e-4)
    assert 0 < model.calibrate(0.4) < 1
    with np.load(CLIP / "outputs.npz") as reference:
        found = model._predictor("text").run(reference["pieces"])[0]
        np.testing.assert_allclose(found, reference["texts"], atol=1e-4)
