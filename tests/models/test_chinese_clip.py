import json
import shutil
from pathlib import Path

import numpy as np
import paddle
import pytest

from paddle_vlm.errors import MissingWeights
from paddle_vlm.models.chinese_clip import ChineseClip, is_chinese_clip, own_name

FOLDER = Path(__file__).parent / "data" / "chinese_clip"  # made by data/make_chinese_clip_reference.py


@pytest.fixture(scope="module")
def reference() -> dict[str, np.ndarray]:
    with np.load(FOLDER / "outputs.npz") as held:
        return dict(held)


def test_vectors_and_logits_are_those_of_transformers(reference):
    model = ChineseClip.load(FOLDER)
    with paddle.no_grad():
        images = model.encode_images(paddle.to_tensor(reference["pixels"])).numpy()
        texts = model.encode_texts(paddle.to_tensor(reference["pieces"])).numpy()
    np.testing.assert_allclose(images, reference["images"], atol=1e-4)
    np.testing.assert_allclose(texts, reference["texts"], atol=1e-4)
    logits = texts @ images.T * np.exp(model.logit_scale.numpy())
    np.testing.assert_allclose(logits, reference["logits"], atol=1e-3)  # 14 times the cosines


def test_weights_of_another_size_are_refused(tmp_path):
    shutil.copytree(FOLDER, tmp_path / "other")
    config = json.loads((tmp_path / "other/config.json").read_text())
    config["text_config"]["hidden_size"] = 12
    (tmp_path / "other/config.json").write_text(json.dumps(config))
    with pytest.raises(MissingWeights, match=r"与 config\.json 不符"):
        ChineseClip.load(tmp_path / "other")


def test_a_folder_without_weights_says_what_to_download(tmp_path):
    shutil.copy(FOLDER / "config.json", tmp_path)
    with pytest.raises(MissingWeights, match="model.safetensors"):
        ChineseClip.load(tmp_path)


def test_an_activation_that_the_network_lacks_is_refused(tmp_path):
    config = json.loads((FOLDER / "config.json").read_text())
    config["vision_config"]["hidden_act"] = "swish"
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(MissingWeights, match="hidden_act"):
        ChineseClip.load(tmp_path)


def test_a_folder_is_recognised_by_its_config(tmp_path):
    assert is_chinese_clip(FOLDER)
    assert not is_chinese_clip(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "paddle_vlm_search"}')
    assert not is_chinese_clip(tmp_path)


def test_names_are_translated():
    assert own_name("text_model.encoder.layer.3.attention.self.query.weight") == "text.layers.3.q.weight"
    assert own_name("vision_model.encoder.layers.0.mlp.fc2.bias") == "vision.layers.0.down.bias"
