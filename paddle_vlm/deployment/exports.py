"""What can be exported: for each task a function that tells of a model folder all that `build.export_model` needs.

A new model joins by one such function and its line in `EXPORTS`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle import Tensor, nn
from paddle.nn import functional as F
from paddle.static import InputSpec

from paddle_vlm.deployment import accuracy
from paddle_vlm.deployment.tagger_program import TaggerProgram
from paddle_vlm.inference import decoder
from paddle_vlm.inference.export import Program
from paddle_vlm.models.chinese_clip import LONGEST, ChineseClip, is_chinese_clip
from paddle_vlm.models.classifier import ImageClassifier, PixelClassifier
from paddle_vlm.models.lac_decoder import LACDecoder
from paddle_vlm.models.recurrence import Packing
from paddle_vlm.models.search import SearchNetwork
from paddle_vlm.retrieval import clip_encoder, encoder
from paddle_vlm.text.caption_vocabulary import FILE as VOCABULARY
from paddle_vlm.text.caption_vocabulary import CaptionVocabulary
from paddle_vlm.text.classify import Classifier
from paddle_vlm.text.lexical import LexicalAnalyzer
from paddle_vlm.translation.network import JointPieces, kind_of
from paddle_vlm.weights import fetch

Example = Sequence[Any]  # an array for each argument of the layer, or a list of them
Reference = Callable[..., Sequence[np.ndarray]]


@dataclass(frozen=True)
class Part:
    """One program of a model.

    Attributes:
        reference: what computes the outputs of the arguments in `example` where the layer was written anew for the
            export; the layer itself unless given.
        onednn: False for programs that run faster or only without it.
    """

    program: Program
    example: Example
    reference: Reference | None = None
    onednn: bool = True


@dataclass(frozen=True)
class Exportable:
    """A model that has been loaded to be exported.

    Attributes:
        parts: subfolder -> program.
        preprocessing: how a picture or a text becomes the inputs, for the manifest.
        files: vocabularies, copied beside the programs.
        score: figures of an exported folder on a data set, higher is better; None where only outputs are compared.
    """

    parts: dict[str, Part]
    preprocessing: dict[str, Any]
    files: Sequence[Path] = ()
    score: Callable[[Path, Path], Mapping[str, float]] | None = None


def classify(folder: Path) -> Exportable:
    """A picture classifier."""
    model = ImageClassifier.load(_home(folder))
    size = model.config.size
    program = Program(PixelClassifier(model), [InputSpec([None, size, size, 3], "uint8", "pixels")], ("probabilities",))
    labels = model.config.shown or model.config.names
    preprocessing = {"pixels": f"RGB,取正中的方形,缩放为 {size}x{size}", "size": size, "labels": labels}
    score = partial(accuracy.of_pictures, names=model.config.names, size=size)
    return Exportable({"classify": Part(program, [_pixels(size)])}, preprocessing, score=score)


def text_classify(folder: Path) -> Exportable:
    """A text classifier: sentiment, topic, or one of the user's."""
    home = _home(folder)
    classifier = Classifier.load(home)
    words = _numbers(len(classifier.tokenizer.vocabulary), (3, 12))
    words[1, 7:] = 0
    program = Program(_TextClasses(classifier.network), [InputSpec([None, None], "int64", "words")], ("probabilities",))
    longest, labels = classifier.settings.longest, classifier.settings.labels
    how = "text.tokenizer.Tokenizer:NFKC、小写、jieba 分词,词表外的词拆成字;0 为填充,1 为未知"
    # oneDNN cannot run the shipped TextCNN's windows with a varying length, and would gain little.
    return Exportable(
        {"classify": Part(program, [words], onednn=False)}, {"words": how, "longest": longest, "labels": labels},
        [home / "config.json"], partial(accuracy.of_texts, classifier=classifier),
    )  # fmt: skip


def tagging(folder: Path) -> Exportable:
    """The tagger: words, parts of speech and names."""
    original = fetch("lac_small")
    analyzer = LexicalAnalyzer(_home(folder) if folder != original else "lac_small")
    lengths = np.array([9, 3, 12])
    characters = _numbers(len(analyzer.weights["embedding.weight"]), (3, 12)) * (np.arange(12) < lengths[:, None])
    inputs = [InputSpec([None, None], "int64", "characters"), InputSpec([None], "int64", "lengths")]
    part = Part(
        Program(TaggerProgram(analyzer.weights), inputs, ("scores", "tags")), [characters, lengths],
        _TaggerReference(analyzer.weights), onednn=False,
    )  # fmt: skip
    how = "text.lexical.LexicalAnalyzer.identify:繁体转简体,全角标点转半角,每字一个编号;lengths 为每句字数"
    return Exportable(
        {"tag": part}, {"characters": how, "tags": analyzer.tags}, [original / "word.dic", original / "tag.dic"]
    )


def translate(folder: Path) -> Exportable:
    """A translator: ours with its pointer, or a Marian."""
    home = _home(folder)
    network, pieces = kind_of(home)
    model, reader = network.load(home), pieces(home)
    programs = decoder.programs(model)
    source = _numbers(50, (3, 10), least=3)  # any vocabulary has as many pieces
    source[1, 6:] = reader.padding
    with paddle.no_grad():
        kept, cross = model.encode(paddle.to_tensor(source))
    caches = [tensor.numpy() for pair in cross for tensor in pair]
    own = [cache[:, :, :4] for cache in caches]
    last, position, count = np.array([4, 7, 5]), np.array([4]), np.array([3])
    step = [last, position, count, source, caches, [tensor.numpy() for tensor in kept], own]
    names = ("joint.model",) if pieces is JointPieces else ("source.spm", "target.spm", "vocab.json")
    # Without oneDNN, which wants few numbers of rows; see inference.decoder.Decoder.
    parts = {"encoder": Part(programs["encoder"], [source], onednn=False)}
    parts["step"] = Part(programs["step"], step, onednn=False)
    preprocessing = {
        "source": "SentencePiece 词片,末尾加结束符,右侧填充;先 encoder 一次,再逐词 step(见 inference.decoder.Decoder)",
        "start": reader.start, "end": reader.end, "padding": reader.padding,
        "longest_source": reader.longest_source, "longest_target": reader.longest_target,
    }  # fmt: skip
    files = [home / name for name in (*names, "config.json")]
    return Exportable(parts, preprocessing, files, partial(accuracy.of_lines, pieces=reader))


def search(folder: Path) -> Exportable:
    """The search model's encoders and its re-ranker, or a Chinese-CLIP's encoders."""
    home = _home(folder)
    if is_chinese_clip(home):
        return _chinese_clip(home)
    model = SearchNetwork.load(home)
    dual, fusion = model.config.dual, model.config.fusion
    programs = encoder.programs(model)
    characters, words = _numbers(dual.characters, (3, 8)), _numbers(dual.words, (3, 8))
    characters[2, 5:] = words[2, 5:] = 0
    random = np.random.default_rng(1)
    grid = random.normal(size=(3, fusion.cells, fusion.channels)).astype(np.float32)
    images = random.normal(size=(3, dual.dim)).astype(np.float32) / dual.dim**0.5
    cosines = np.array([0.3, 0.1, -0.2], np.float32)
    parts = {
        "image": Part(programs["image"], [_pixels(dual.size)]),
        "text": Part(programs["text"], [characters, words]),
        "fusion": Part(programs["fusion"], [grid, images, characters, words, cosines]),
    }
    preprocessing = {
        "pixels": f"RGB,压缩(不裁剪)为 {dual.size}x{dual.size}", "size": dual.size,
        "characters": "text.caption_vocabulary.CaptionVocabulary.encode:每字的编号", "words": "该字所在词的编号",
    }  # fmt: skip
    score = partial(accuracy.of_search, vocabulary=CaptionVocabulary.load(home), size=dual.size)
    return Exportable(parts, preprocessing, [home / VOCABULARY, home / "config.json"], score)


def _chinese_clip(folder: Path) -> Exportable:
    model = ChineseClip.load(folder)
    config, programs = model.config, clip_encoder.programs(model)
    images = np.random.default_rng(0).normal(size=(2, 3, config.size, config.size)).astype(np.float32)
    pieces = _numbers(config.vocabulary, (2, LONGEST))
    pieces[1, 9:] = 0
    preprocessing = {
        "images": f"RGB,压缩为 {config.size}x{config.size},除以 255,减 mean,除以 deviation",
        "mean": list(config.mean), "deviation": list(config.deviation),
        "pieces": f"text.wordpiece.WordPiece.encode,填充到 {LONGEST}",
    }  # fmt: skip
    parts = {"image": Part(programs["image"], [images]), "text": Part(programs["text"], [pieces])}
    return Exportable(parts, preprocessing, [folder / "vocab.txt"])


# The names are those of the training tasks, so that a training's YAML file says what to export.
EXPORTS: dict[str, Callable[[Path], Exportable]] = {
    "classify": classify,
    "text_classify": text_classify,
    "tagging": tagging,
    "translate": translate,
    "search": search,
    "matching": search,
}


class _TextClasses(nn.Layer):
    def __init__(self, network: nn.Layer) -> None:
        super().__init__()
        self.network = network

    def forward(self, words: Tensor) -> Tensor:
        return F.softmax(self.network(words), -1)


class _TaggerReference:
    """Scores and tags as the toolkit's own decoder has them."""

    def __init__(self, weights: Mapping[str, np.ndarray]) -> None:
        self._decoder = LACDecoder(weights)
        self._tags = weights["emission.bias"].shape[0]

    def __call__(self, characters: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
        packing = Packing.of(lengths)
        scores = np.zeros((*characters.shape, self._tags), np.float32)
        scores.reshape(-1, self._tags)[packing.positions] = self._decoder.scores(characters, packing)
        tags = np.zeros_like(characters)
        rows = [row[:length] for row, length in zip(characters, lengths, strict=True)]
        for row, found in zip(tags, self._decoder.decode(rows), strict=True):
            row[: len(found)] = found
        return [scores, tags]


def _home(folder: Path) -> Path:
    """A model's own folder, or `model` in the folder of the run that trained it."""
    return folder / "model" if (folder / "model").is_dir() and not (folder / "config.json").is_file() else folder


def _pixels(size: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, size, size, 3)).astype(np.uint8)


def _numbers(count: int, shape: tuple[int, int], least: int = 1) -> np.ndarray:
    return np.random.default_rng(0).integers(min(least, count - 1), count, shape)
