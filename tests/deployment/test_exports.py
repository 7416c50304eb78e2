"""Every exportable model computes in Paddle Inference what its network computes."""

import shutil
from pathlib import Path

import numpy as np
import paddle
import pytest

from paddle_vlm.deployment.build import PARITY, ExportConfig, export_model
from paddle_vlm.deployment.exports import EXPORTS
from paddle_vlm.deployment.loaded import load_exported
from paddle_vlm.models.classifier import ClassifierConfig, ImageClassifier
from paddle_vlm.models.cnn import CNNS
from paddle_vlm.models.dual_encoder import DualEncoderConfig
from paddle_vlm.models.fusion import FusionConfig
from paddle_vlm.models.pointer import PointerConfig, PointerTranslator
from paddle_vlm.models.search import SearchConfig, SearchNetwork
from paddle_vlm.models.text_classifier import TextClassifier, TextClassifierConfig
from paddle_vlm.models.weights_file import save_weights
from paddle_vlm.text.caption_vocabulary import CaptionVocabulary
from paddle_vlm.text.classify import Classifier, ClassifierSettings
from paddle_vlm.text.lexical import LexicalAnalyzer
from paddle_vlm.text.pieces import train_pieces
from paddle_vlm.text.tokenizer import SPECIAL, Tokenizer

DATA = Path(__file__).parent.parent / "models" / "data"
WORDS = [*SPECIAL, *"的一是不了人我在有他这中大来上国红苹果"]
LINES = ["红苹果 red apple", "停车场 car park", "请勿入内 no entry", "小心地滑 slippery floor"] * 30


def picture_classifier(folder: Path, network: str) -> None:
    ImageClassifier(ClassifierConfig(network, ["红", "绿", "蓝"], 32)).save(folder)


def text_classifier(folder: Path, model: str) -> None:
    settings = ClassifierSettings(["正面", "负面"], 20, TextClassifierConfig(model, dim=16, hidden=16))
    network = TextClassifier(settings.model, len(WORDS), 2)
    save_weights(network, folder / "trained.safetensors")
    Classifier(network, Tokenizer(WORDS), settings).save(folder, folder / "trained.safetensors")


def search_model(folder: Path, text: str) -> None:
    dual = DualEncoderConfig(
        image="lite0", size=64, text=text, characters=20, words=20, word_width=8, width=16, hidden=16, dim=12
    )
    fusion = FusionConfig(320, 4, dual.characters, dual.word_width, width=16, hidden=16)
    SearchNetwork(SearchConfig(dual, fusion)).save(folder)
    CaptionVocabulary([*"红苹果绿草地蓝天"], ["苹果", "草地"]).save(folder)


def translator(folder: Path, _: str) -> None:
    train_pieces(LINES, folder / "joint.model", 60)
    PointerTranslator(PointerConfig(vocab=60, dim=32, heads=2, encoder=2, decoder=2)).save(folder)


def marian(folder: Path, name: str) -> None:
    shutil.copytree(DATA / name, folder, dirs_exist_ok=True)
    for side in ("source", "target"):
        train_pieces(LINES, folder / f"{side}.spm", 50)
    (folder / "vocab.json").write_text('{"</s>": 0, "<unk>": 1, "<pad>": 59}', encoding="utf-8")


def chinese_clip(folder: Path, _: str) -> None:
    shutil.copytree(DATA / "chinese_clip", folder, dirs_exist_ok=True)


# task, what writes a small model with random weights, and which
MODELS = [
    *(("classify", picture_classifier, network) for network in CNNS),
    *(("text_classify", text_classifier, model) for model in ("textcnn", "rnn", "lstm", "gru", "transformer")),
    *(("search", search_model, text) for text in ("gru", "transformer", "bag")),
    ("translate", translator, "pointer"),
    ("translate", marian, "marian"),
    ("translate", marian, "marian_separate"),
    ("search", chinese_clip, "chinese_clip"),
]


@pytest.mark.parametrize("task,make,kind", MODELS)
def test_a_program_computes_what_the_network_computes(task, make, kind, tmp_path):
    paddle.seed(0)
    (tmp_path / "weights").mkdir()
    make(tmp_path / "weights", kind)
    parts = ["text"] if make is search_model and kind != "gru" else []  # they differ in the text encoder alone
    manifest = export_model(ExportConfig(task, str(tmp_path / "weights"), parts), tmp_path / "out")
    assert {name: entry.parity for name, entry in manifest.programs.items() if not entry.parity <= PARITY} == {}
    for name, program in load_exported(tmp_path / "out", "cpu").programs.items():  # and each runs with other sizes too
        arrays = {port.name: other(port) for port in program.entry.inputs}
        found = program.run(**arrays)
        assert all(np.isfinite(value).all() for value in found.values()), name


def other(port) -> np.ndarray:
    """One row, three of whatever else may vary; a fitting position and count for a decoder."""
    shape = [1 if place == 0 else size or 3 for place, size in enumerate(port.shape)]
    if port.dtype == "float32":
        return np.random.default_rng(1).normal(size=shape).astype(np.float32)
    return np.full(shape, 2 if port.name == "count" else 3, port.dtype)


@pytest.mark.parametrize("weights", ["lac_small", "lac_msra"])
def test_the_tagger_writes_the_tags_of_the_toolkit(weights, tmp_path):
    export_model(ExportConfig("tagging", weights), tmp_path / "out")
    analyzer = LexicalAnalyzer(weights)
    texts = ["王小明昨天去了北京大学。", "今天天气好", "李雷在上海工作三年"]
    rows = [analyzer.identify(text) for text in texts]
    lengths = np.array([len(row) for row in rows])
    characters = np.stack([np.pad(row, (0, lengths.max() - len(row))) for row in rows])
    found = load_exported(tmp_path / "out", "cpu")["tag"].run(characters=characters, lengths=lengths)["tags"]
    for row, length, wanted in zip(found, lengths, analyzer.tag(texts), strict=True):
        assert [analyzer.tags[number] for number in row[:length]] == wanted


def test_every_task_is_covered_here():
    assert {task for task, *_ in MODELS} | {"tagging", "matching"} == EXPORTS.keys()
    assert EXPORTS["matching"] is EXPORTS["search"]  # its model folder holds the fusion network and both encoders
