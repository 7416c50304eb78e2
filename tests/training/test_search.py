import dataclasses
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import paddle
import pytest
from PIL import Image

from paddle_vlm.config import load_config
from paddle_vlm.errors import BadData
from paddle_vlm.retrieval.encoder import SearchModel
from paddle_vlm.training import distil, matching, search
from paddle_vlm.training.retrieval_metrics import recalls

COLOURS = {"红色": (210, 30, 30), "绿色": (30, 180, 40), "蓝色": (30, 50, 210), "黄色": (230, 210, 30)}
THINGS = {"圆": 0, "方块": 1, "横条": 2}


def draw(colour: tuple[int, int, int], thing: int, rng: np.random.Generator) -> np.ndarray:
    """A disc, a square or a bar in the colour, at a random place on grey."""
    picture = np.full((64, 64, 3), rng.integers(90, 160), np.uint8)
    y, x = np.mgrid[:64, :64]
    top, left = rng.integers(20, 44, 2)
    shapes = [
        (y - top) ** 2 + (x - left) ** 2 < 180,
        (abs(y - top) < 13) & (abs(x - left) < 13),
        (abs(y - top) < 5) & (x >= 0),
    ]
    picture[shapes[thing]] = colour
    return picture


@pytest.fixture(scope="module")
def shapes(tmp_path_factory) -> Path:
    """Forty-eight pictures of coloured shapes in the layout of Flickr8k-CN."""
    folder, rng, rows = tmp_path_factory.mktemp("shapes"), np.random.default_rng(0), []
    with tarfile.open(folder / "train.tar", "w") as archive:
        for number in range(48):
            colour, thing = list(COLOURS)[number % 4], list(THINGS)[number % 3]
            content = io.BytesIO()
            Image.fromarray(draw(COLOURS[colour], THINGS[thing], rng)).save(content, "PNG")
            member = tarfile.TarInfo(f"photos/{number}.png")
            member.size = len(content.getvalue())
            archive.addfile(member, io.BytesIO(content.getvalue()))
            rows.append({"image": f"{number}.png", "zh": [f"一个{colour}的{thing}。", f"{colour}{thing}"]})
    (folder / "train.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    return folder


def configuration(kind, shapes: Path, features: Path, **settings):
    common = [
        f"data.folder={shapes}", "data.kinds=[zh]", "data.emoji=false", "data.held_out=12", f"data.features={features}",
        "train.visualdl=false",
        "train.monitor=score",
    ]  # fmt: skip
    return load_config(kind, None, [*common, *(f"{key}={value}" for key, value in settings.items())])


@pytest.fixture(scope="module")
def trained(shapes, tmp_path_factory) -> Path:
    """A small dual encoder with a random image network; the heads are all it learns."""
    folder = tmp_path_factory.mktemp("runs") / "dual"
    overrides = {
        "image_weights": "null", "model.image": "lite0", "model.size": 64, "model.width": 32, "model.hidden": 32,
        "model.word_width": 16, "model.dim": 32, "model.image_dropout": 0, "model.dropout": 0, "learn.forget": 0,
        "train.epochs": 20, "train.eval_every": 20, "train.batch_size": 12, "train.lr": 0.01,
    }  # fmt: skip
    config = configuration(search.Config, shapes, folder.parent / "features", **overrides)
    search.run(config, folder)
    return folder


def test_training_brings_pictures_and_their_captions_together(trained):
    rows = (trained / "log.csv").read_text(encoding="utf-8").splitlines()
    losses = [float(row.split(",")[rows[0].split(",").index("train_loss")]) for row in rows[1:]]
    assert losses[-1] < 0.8 * losses[0]


def test_the_trained_folder_is_a_search_model(trained):
    model = SearchModel.load(trained / "model")
    rng = np.random.default_rng(1)
    vectors = model.encode_images([draw(COLOURS["红色"], 0, rng), draw(COLOURS["蓝色"], 2, rng)])
    texts = model.encode_texts(["红色圆", "一个蓝色的横条。", "红色圆"])
    np.testing.assert_allclose(np.linalg.norm(np.concatenate([vectors, texts]), axis=1), 1, atol=1e-4)
    np.testing.assert_allclose(texts[0], texts[2], atol=1e-5)
    assert vectors.shape[1] == texts.shape[1] == model.dim == 32


def test_the_image_network_stays_as_it_was_unless_it_is_tuned(trained, shapes, tmp_path):
    model = search.SearchNetwork.load(trained / "model").dual
    tuned = configuration(search.Config, shapes, trained.parent / "features", start=trained, **{"learn.tune": "true"})
    search.SearchTask(tuned, model, _pairs(tuned, model, trained))
    trainable = {name for name, parameter in model.trunk.named_parameters() if not parameter.stop_gradient}
    assert any(name.startswith("head.") for name in trainable)
    assert "stem.conv.weight" not in trainable


def test_matching_learns_and_fits_probabilities(trained, shapes):
    folder = trained.parent / "matching"
    overrides = {
        "start": trained, "train.epochs": 12, "train.batch_size": 12, "train.lr": 0.01, "fusion.width": 32,
        "fusion.hidden": 32, "train.monitor": "t2i_r1_reranked", "train.eval_every": 12, "learn.captions": 2,
        "learn.bank": 9,
    }  # fmt: skip
    config = configuration(matching.Config, shapes, trained.parent / "features", **overrides)
    matching.run(config, folder)
    rows = (folder / "log.csv").read_text(encoding="utf-8").splitlines()
    losses = [float(row.split(",")[rows[0].split(",").index("train_loss")]) for row in rows[1:]]
    assert losses[-1] < 0.8 * losses[0]
    model = SearchModel.load(folder / "model")
    pictures = [draw(COLOURS["红色"], 0, np.random.default_rng(n)) for n in range(3)]
    scores = model.rerank("红色圆", pictures)
    assert scores.shape == (3,)
    assert np.isfinite(scores).all()
    likely = model.calibrate(scores, reranked=True)
    assert ((likely > 0) & (likely < 1)).all()
    assert (np.argsort(likely) == np.argsort(scores)).all()


def test_matching_can_tune_the_image_network_and_leaves_the_text_encoder(trained, shapes):
    folder = trained.parent / "matching_tuned"
    overrides = {
        "start": trained, "train.epochs": 1, "train.batch_size": 12, "train.lr": 0.003, "fusion.width": 32,
        "fusion.hidden": 32, "train.monitor": "t2i_r1_reranked", "learn.captions": 2, "learn.tune": "true",
        "learn.bank": 0,
    }  # fmt: skip
    matching.run(configuration(matching.Config, shapes, trained.parent / "features", **overrides), folder)
    before, after = (search.SearchNetwork.load(run / "model").dual for run in (trained, folder))
    assert (before.text.head.weight == after.text.head.weight).all()
    assert (before.trunk.stem.conv.weight == after.trunk.stem.conv.weight).all()
    assert (before.trunk.head.norm._mean == after.trunk.head.norm._mean).all()
    assert (before.trunk.head.conv.weight != after.trunk.head.conv.weight).any()
    assert (before.image_head.short.weight != after.image_head.short.weight).any()


def test_another_text_encoder_learns_the_vectors_of_the_first(trained, shapes, tmp_path):
    overrides = {
        "teacher": trained / "model", "data.folder": shapes, "data.kinds": "[zh]", "data.held_out": 4,
        "data.emoji": 0, "train.monitor": "cosine",
        "model.text": "bag", "model.layers": 1, "train.epochs": 60, "train.eval_every": 60, "train.batch_size": 16,
        "train.lr": 0.01, "train.visualdl": "false",
    }  # fmt: skip
    result = distil.run(load_config(distil.Config, None, [f"{k}={v}" for k, v in overrides.items()]), tmp_path)
    assert result.best_metric > 0.9
    teacher, student = SearchModel.load(trained / "model"), SearchModel.load(tmp_path / "model")
    picture, text = [draw(COLOURS["绿色"], 1, np.random.default_rng(0))], ["绿色方块"]
    assert (teacher.encode_images(picture) == student.encode_images(picture)).all()
    assert float((teacher.encode_texts(text) * student.encode_texts(text)).sum()) > 0.9
    assert student.config.dual.text == "bag" and student.fingerprint != teacher.fingerprint


def test_more_captions_cannot_be_held_out_than_there_are(trained, shapes):
    config = distil.TextsConfig(folder=shapes, kinds=["zh"], held_out=24)
    with pytest.raises(BadData, match="data.held_out"):
        distil.gather(config, distil.CaptionVocabulary.load(trained / "model"), 0)


def test_the_bank_holds_training_captions_and_the_drawings_names(trained, shapes):
    config = configuration(search.Config, shapes, trained.parent / "features")
    model = search.SearchNetwork.load(trained / "model").dual
    pairs = _pairs(config, model, trained)
    named = dataclasses.replace(pairs, names=matching.Texts(np.full((7, 1, 2), 3), np.full((7, 1, 2), 4)))
    own = search.embed_texts(model.text, pairs.texts["zh"].all_of(pairs.train))
    bank = matching.make_bank(model.text, named, 5, 0)
    assert bank.shape == (12, 32)
    assert np.allclose((bank[:5] @ own.T).max(1), 1, atol=1e-4)
    np.testing.assert_allclose(bank[5:], bank[5:6].repeat(7, 0), atol=1e-5)
    assert len(matching.make_bank(model.text, named, 0, 0)) == 0


def test_different_tokens_can_be_put_back_where_they_were():
    characters, words = np.array([[3, 4, 0], [4, 3, 4]]), np.array([[7, 7, 0], [7, 8, 7]])
    one, other, places = matching.distinct((characters, words))
    assert len(one) == len(set(zip(one.tolist(), other.tolist(), strict=True))) == 4
    assert (one[places] == characters).all() and (other[places] == words).all()


def test_captions_of_two_kinds_become_those_of_one():
    kinds = [matching.Texts(np.full((2, 1, 3), 5), np.full((2, 1, 3), 6)), matching.Texts(*np.ones((2, 2, 2, 4), int))]
    together = matching.pooled(kinds)
    assert together.characters.shape == together.words.shape == (2, 3, 4)
    assert together.characters[0].tolist() == [[5, 5, 5, 0], [1, 1, 1, 1], [1, 1, 1, 1]]


def test_equal_captions_are_not_pushed_apart(trained):
    model = search.SearchNetwork.load(trained / "model").dual
    vectors = paddle.nn.functional.normalize(paddle.randn([3, 32]), axis=-1)
    alone = search.contrast(model, vectors[:1], vectors[:1], np.array([[5, 6]]), 0.0)
    twice = search.contrast(model, vectors[:2], vectors[:2], np.array([[5, 6], [5, 6]]), 0.0)
    assert float(alone) == pytest.approx(0, abs=1e-5)
    assert float(twice) == pytest.approx(0, abs=1e-5)


def test_recalls_of_a_known_answer():
    scores = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.1, 0.6]])  # two texts each for two pictures
    found = recalls(scores)
    assert found["t2i_r1"] == 50  # the first and the last text
    assert found["t2i_r5"] == 100
    assert found["i2t_r1"] == 50  # the second picture's best text belongs to the first


def _pairs(config, model, folder):
    vocabulary = search.CaptionVocabulary.load(folder / "model")
    blocks = len(model.trunk.blocks) - search.TUNABLE
    store = search.FeatureStore(config.data.features, model.trunk, blocks, model.config.size)
    return search.load_pairs(config.data, vocabulary, store, 0)
