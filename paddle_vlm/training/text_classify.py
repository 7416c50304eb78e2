"""Train a text classifier from a CSV or TSV file, once or with k-fold cross-validation."""

import dataclasses
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import paddle
from paddle import Tensor, nn
from paddle.nn import functional as F

from paddle_vlm.data.labelled import Labelled, read_labelled
from paddle_vlm.models.text_classifier import TextClassifier, TextClassifierConfig
from paddle_vlm.models.weights_file import load_weights
from paddle_vlm.text.classify import WEIGHTS, Classifier, ClassifierSettings, padded
from paddle_vlm.text.tokenizer import Tokenizer
from paddle_vlm.training import plots, report
from paddle_vlm.training.batches import batch_count
from paddle_vlm.training.buckets import bucketed
from paddle_vlm.training.config import TrainConfig
from paddle_vlm.training.crossval import Summary, stratified_kfold
from paddle_vlm.training.logs import write_text
from paddle_vlm.training.loop import FitResult, fit, prepare
from paddle_vlm.training.metrics import class_scores, confusion_matrix, macro_f1

log = logging.getLogger(__name__)

HELD_OUT_SEED = 20251125  # of the split, whatever the run's seed: `tools/eval.py text --held-out` repeats it
PREFIX = 16  # letters and characters that tell one text from another: copies are cut short or differ in punctuation


@dataclass
class Config:
    """What a run needs to know."""

    data: Path  # .csv(.gz) with a header, or .tsv(.gz): text, label
    task: Literal["text_classify"] = "text_classify"
    text: str = "review"  # columns of a .csv
    label: str = "label"
    names: dict[str, str] = field(default_factory=dict)  # labels of the file -> what users read
    extra: Path | None = None  # more texts with the same labels, to train on only; those of `data` are left out
    exclude: Path | None = None  # texts that must not be among those of `data`, for they will measure a later model
    start: Path | None = None  # folder of a trained model to go on with, its vocabulary included
    held_out: float = 0.1  # share of the texts that measures the model
    folds: int | None = None  # k-fold cross-validation instead
    vocabulary: int = 12_000
    longest: int = 256  # words and characters of a text that are read
    model: TextClassifierConfig = field(default_factory=TextClassifierConfig)
    train: TrainConfig = field(default_factory=TrainConfig)


@dataclass(frozen=True)
class Example:
    """A text cut into words, and its class."""

    words: list[str]
    label: str


@dataclass
class Batch:
    """Texts of about one length."""

    words: np.ndarray  # int64 [B, T]
    labels: np.ndarray  # int64 [B]


class TextClassification:
    """The training task (see `training.loop.Task`)."""

    def __init__(
        self, config: Config, settings: ClassifierSettings, tokenizer: Tokenizer,
        training: Sequence[Example], validation: Sequence[Example],
    ) -> None:  # fmt: skip
        self.config, self.settings, self.tokenizer = config, settings, tokenizer
        self.model = TextClassifier(settings.model, len(tokenizer.vocabulary), len(settings.labels))
        self._training, self._validation = self._encoded(training), self._encoded(validation)

    def _encoded(self, examples: Sequence[Example]) -> tuple[list[list[int]], np.ndarray]:
        numbers = {label: number for number, label in enumerate(self.settings.labels)}
        words = [self.tokenizer.number(each.words, self.settings.longest) for each in examples]
        return words, np.array([numbers[each.label] for each in examples])

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch."""
        return batch_count(len(self._training[0]), self.config.train.batch_size)

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Texts in random order, those of a batch about equally long."""
        words, labels = self._training
        train = self.config.train
        for chosen in bucketed([len(each) for each in words], train.batch_size, train.seed, epoch):
            yield Batch(padded([words[i] for i in chosen]), labels[chosen])

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """Cross-entropy, and the share of right answers."""
        logits, labels = self.model(paddle.to_tensor(batch.words)), paddle.to_tensor(batch.labels)
        loss = F.cross_entropy(logits, labels, label_smoothing=self.config.train.label_smoothing)
        return loss, {"accuracy": float((logits.argmax(-1) == labels).astype("float32").mean())}

    def evaluate(self, model: nn.Layer) -> dict[str, float]:
        """Accuracy and macro F1 over the texts that were held out."""
        matrix = self.confusion(model)
        return {"accuracy": float(matrix.trace() / max(1, matrix.sum())), "macro_f1": macro_f1(matrix)}

    def confusion(self, model: nn.Layer) -> np.ndarray:
        """int64 [classes, classes] of the texts that were held out: true classes down, predicted ones across."""
        words, labels = self._validation
        predicted = Classifier(model, self.tokenizer, self.settings).scores_of(words).argmax(-1)
        return confusion_matrix(labels, predicted, len(self.settings.labels))


def run(config: Config, folder: Path) -> FitResult | Summary:
    """Train; leaves `folder/model`, which `Classifier.load` opens, or a folder for each fold.

    Raises BadText for a file that cannot be read.
    """
    texts = unique(read_labelled(config.data, config.text, config.label))
    if config.exclude:
        texts = _others(texts, read_labelled(config.exclude, config.text, config.label))
    more = _others(read_labelled(config.extra, config.text, config.label), texts) if config.extra else []
    log.info("%d 段文本,另有 %d 段只用于训练。正在分词……", len(texts), len(more))
    if not config.folds:
        training, validation = split(texts, config.held_out)
        return _train(config, _cut([*training, *more], config), _cut(validation, config), folder)
    examples, extra, results = _cut(texts, config), _cut(more, config), []
    labels = np.unique([each.label for each in examples], return_inverse=True)[1]
    for number, (train, test) in enumerate(stratified_kfold(labels, config.folds, HELD_OUT_SEED), 1):
        chosen = [*(examples[i] for i in train), *extra]
        result = _train(config, chosen, [examples[i] for i in test], folder / f"fold{number}")
        last = result.history[-1]  # not the best epoch's: the test part must choose nothing
        results.append({name: float(last[name]) for name in ("accuracy", "macro_f1")})
        log.info("第 %d 折:%s", number, results[-1])
    summary = Summary(results)
    write_text(folder / "report.md", f"# 交叉验证\n\n{summary.table()}\n")
    log.info("%s", summary.table())
    return summary


def _cut(texts: Sequence[Labelled], config: Config) -> list[Example]:
    tokenizer = Tokenizer()
    return [Example(tokenizer.words(each.text), config.names.get(each.label, each.label)) for each in texts]


def _train(config: Config, training: Sequence[Example], validation: Sequence[Example], folder: Path) -> FitResult:
    prepare(config.train)
    if config.start:
        begun = Classifier.load(config.start)
        tokenizer, settings = begun.tokenizer, begun.settings
    else:
        tokenizer = Tokenizer.fit((each.words for each in training), config.vocabulary)
        settings = ClassifierSettings(sorted({each.label for each in training}), config.longest, config.model)
    task = TextClassification(config, settings, tokenizer, training, validation)
    if config.start:
        load_weights(task.model, config.start / WEIGHTS)
    result = fit(task, config.train, folder, dataclasses.asdict(config))
    Classifier(task.model, tokenizer, settings).save(folder / "model", result.weights)
    _report(config, task, result, folder)
    log.info("模型:%s  报告:%s", folder / "model", folder / "report.md")
    return result


def _report(config: Config, task: TextClassification, result: FitResult, folder: Path) -> None:
    load_weights(task.model, result.weights)
    task.model.eval()
    labels, matrix = task.settings.labels, task.confusion(task.model)
    rows = [
        [label, str(int(matrix[n].sum())), f"{each.precision:.4f}", f"{each.recall:.4f}", f"{each.f1:.4f}"]
        for n, (label, each) in enumerate(zip(labels, class_scores(matrix), strict=True))
    ]
    sections = {"各类": report.table(["类别", "条数", "精确率", "召回率", "F1"], rows)}
    if report.draw(partial(plots.learning_curves, result.history, folder / "curves.png")):
        plots.confusion_matrix(matrix, labels, folder / "confusion.png")
        sections |= {"混淆矩阵": "![混淆矩阵](confusion.png)", "学习曲线": "![学习曲线](curves.png)"}
    report.write_report(folder / "report.md", "文本分类训练报告", config, result, sections)


def split(examples: Sequence[Labelled], held_out: float = 0.1) -> tuple[list[Labelled], list[Labelled]]:
    """(for training, held out): a fixed shuffle, the same on every machine."""
    order = np.random.default_rng(HELD_OUT_SEED).permutation(len(examples))
    cut = len(examples) - round(len(examples) * held_out)
    return [examples[i] for i in order[:cut]], [examples[i] for i in order[cut:]]


def unique(examples: Sequence[Labelled]) -> list[Labelled]:
    """Each text once, so that none is in both parts of a split."""
    return list({_key(each.text): each for each in examples}.values())


def _others(extra: Sequence[Labelled], examples: Sequence[Labelled]) -> list[Labelled]:
    """The extra texts without those that are also (or begin like) one of the examples."""
    known = {_key(each.text)[:PREFIX] for each in examples}
    return [each for each in unique(extra) if _key(each.text)[:PREFIX] not in known]


def _key(text: str) -> str:
    """What is left of a text without spaces and punctuation: copies differ in those."""
    return "".join(character for character in text if character.isalnum())
