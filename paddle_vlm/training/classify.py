"""The task `classify`: pictures into classes."""

import dataclasses
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import paddle
from paddle import Tensor, nn

from paddle_vlm.data import cifar10
from paddle_vlm.data.classification import Data, DataConfig, load_data, relabel
from paddle_vlm.data.images import LabelledImages, load_images, load_split
from paddle_vlm.errors import BadConfig, BadData
from paddle_vlm.models.classifier import SETTINGS, ClassifierConfig, ImageClassifier, to_input
from paddle_vlm.training import baseline, batches, crossval, distributed, metrics, plots, report
from paddle_vlm.training.checkpoint import load_weights
from paddle_vlm.training.config import TrainConfig
from paddle_vlm.training.loop import FitResult, fit, prepare
from paddle_vlm.training.regularize import cross_entropy
from paddle_vlm.vision.augment import Augment, AugmentConfig

log = logging.getLogger(__name__)


@dataclass
class ModelConfig:
    """Which network; `options` are the fields of its own config, such as {dropout: 0.3}."""

    name: str = "article"
    options: dict[str, Any] = field(default_factory=dict)


@dataclass
class CrossvalConfig:
    """folds > 1 trains that many times, each time validating on another part."""

    folds: int = 0


@dataclass
class Config:
    """All of a run."""

    task: Literal["classify"] = "classify"
    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    crossval: CrossvalConfig = field(default_factory=CrossvalConfig)


class ClassifyTask:
    """What `loop.fit` asks for."""

    def __init__(self, config: Config, train: LabelledImages, valid: LabelledImages | None) -> None:
        self.config, self.data, self.valid = config, train, valid
        self.model = make_model(config, train.names)
        self.augment = Augment(config.augment, len(train.names))

    @property
    def steps_per_epoch(self) -> int:
        return batches.batch_count(len(self.data), self.config.train.batch_size)

    def batches(self, epoch: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """(float32 [B, 3, H, W], int64 [B] or float32 [B, K] where pictures were mixed), made in the background."""
        return batches.prefetch(self._batches(epoch))

    def _batches(self, epoch: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        train = self.config.train
        rng = np.random.default_rng([train.seed, epoch, distributed.rank(), 1])
        for chosen in batches.shuffled(len(self.data), train.batch_size, train.seed, epoch):
            images, labels = self.augment(self.data.images[chosen], self.data.labels[chosen], rng)
            yield to_input(images), labels

    def loss(self, batch: tuple[np.ndarray, np.ndarray]) -> Tensor:
        images, labels = batch
        logits = self.model(paddle.to_tensor(images))
        return cross_entropy(logits, paddle.to_tensor(labels), self.config.train.label_smoothing)

    def evaluate(self, model: nn.Layer) -> dict[str, float]:
        return {} if self.valid is None else evaluate(model, self.valid)


def make_model(config: Config, names: list[str]) -> ImageClassifier:
    """The untrained network. Raises BadConfig."""
    try:
        shown = cifar10.CHINESE if names == cifar10.NAMES else []
        settings = ClassifierConfig(config.model.name, names, config.data.size, config.model.options, shown)
    except ValueError as error:
        raise BadConfig(f"model.name:{error}") from error
    return ImageClassifier(settings)


def evaluate(model: nn.Layer, data: LabelledImages) -> dict[str, float]:
    """accuracy, macro_f1 and valid_loss of a model in evaluation mode."""
    scores = model.probabilities(data.images)
    matrix = metrics.confusion_matrix(data.labels, scores.argmax(1), len(data.names))
    loss = -np.log(np.maximum(scores[np.arange(len(data)), data.labels], 1e-12)).mean()
    return {
        "accuracy": metrics.accuracy(data.labels, scores.argmax(1)),
        "macro_f1": metrics.macro_f1(matrix),
        "valid_loss": float(loss),
    }


def evaluate_weights(config: Config, weights: Path, source: Path | None) -> dict[str, float]:
    """How good a trained model is.

    Args:
        weights: a run's folder, its model folder, or a weights file in one of its folders.
        source: labelled pictures: class folders, an archive of them, or a folder with a test part; None for the test
            part of the configured set.

    Raises MissingWeights and BadData.
    """
    prepare(config.train)
    folders = [weights, weights / "model", weights.parent, weights.parent.parent / "model"]
    home = next((folder for folder in folders if (folder / SETTINGS).is_file()), weights)
    model = ImageClassifier.load(home, weights if weights.is_file() else None)
    size = model.config.size
    if source is None:
        found = load_data(config.data, config.train.seed).test
    else:
        found = load_split(source, "test", size) or load_images(source, size)
    if found is None:
        raise BadData("配置里的数据集没有测试部分。请用 --data 指定带标签的图片。")
    return evaluate(model, relabel(found, model.config.names)) | {"images": len(found)}


def run(config: Config, folder: Path) -> dict[str, float]:
    """Train, evaluate and leave a report, pictures and `folder`/model. Returns the final metrics."""
    prepare(config.train)
    data = load_data(config.data, config.train.seed)
    log.info("数据:%s", "、".join(f"{name} {len(part)} 张" for name, part in data.parts()))
    if config.crossval.folds:
        return _run_folds(config, data, folder)
    task, result = _train(config, data.train, data.valid, folder)
    return _finish(config, data, task, result, folder)


def _train(
    config: Config, train: LabelledImages, valid: LabelledImages | None, folder: Path
) -> tuple[ClassifyTask, FitResult]:
    task = ClassifyTask(config, train, valid)
    if distributed.is_first():
        task.model.save_config(folder / "model")  # so that the best weights so far can be used at any time
    result = fit(task, config.train, folder, dataclasses.asdict(config))
    load_weights(task.model, result.weights)
    task.model.eval()
    return task, result


def _finish(config: Config, data: Data, task: ClassifyTask, result: FitResult, folder: Path) -> dict[str, float]:
    """Evaluate the best weights, on the test part too, which nothing was chosen by, and write what is left behind."""
    model: Any = task.model
    sections = {"数据": _data_section(data)}
    final: dict[str, float] = {}
    if not distributed.is_first():
        return final
    model.save(folder / "model")
    if report.draw(partial(plots.learning_curves, result.history, folder / "curves.png")):
        sections["学习曲线"] = "![学习曲线](curves.png)"
    for name, part in data.parts()[1:]:
        measured = evaluate(model, part)
        final |= {f"{'test_' if name == '测试' else ''}{key}": value for key, value in measured.items()}
        file = f"confusion_{'test' if name == '测试' else 'valid'}.png"
        sections[f"{name}集"] = _result_section(model, part, measured, folder / file)
        log.info("%s集准确率 %.4f", name, measured["accuracy"])
        if part is data.parts()[-1][1]:
            sections["与传统方法比较"] = _baseline_section(data.train, part, name, measured["accuracy"])
    report.write_report(folder / "report.md", "图片分类训练报告", config, result, sections)
    log.info("模型:%s  报告:%s", folder / "model", folder / "report.md")
    return final


def _baseline_section(train: LabelledImages, part: LabelledImages, name: str, accuracy: float) -> str:
    reached = baseline.hog_svm_accuracy(train, part)
    return (
        f"同样的训练图片(多于 10,000 张时取其中 10,000 张),用 HOG 特征和线性 SVM(不用神经网络)在{name}集上的准确率"
        f"是 **{reached:.4f}**;本网络是 {accuracy:.4f}。"
    )


def _data_section(data: Data) -> str:
    names = data.train.names
    counts = [[str(int((part.labels == n).sum())) for n in range(len(names))] for _, part in data.parts()]
    rows = [[name, *column] for name, *column in zip(names, *counts, strict=True)]
    text = report.table(["类别", *(name for name, _ in data.parts())], rows)
    skipped = [reason for _, part in data.parts() for reason in part.skipped]
    if skipped:
        text += f"\n\n跳过了 {len(skipped)} 张无法读取的图片:\n\n" + "\n".join(f"- {reason}" for reason in skipped)
    return text


def _result_section(model: Any, part: LabelledImages, measured: dict[str, float], picture: Path) -> str:
    matrix = metrics.confusion_matrix(part.labels, model.probabilities(part.images).argmax(1), len(part.names))
    scores = zip(part.names, metrics.class_scores(matrix), strict=True)
    rows = [[name, f"{s.precision:.4f}", f"{s.recall:.4f}", f"{s.f1:.4f}"] for name, s in scores]
    text = f"准确率 **{measured['accuracy']:.4f}**,宏平均 F1 {measured['macro_f1']:.4f}({len(part)} 张)\n\n"
    text += report.table(["类别", "精确率", "召回率", "F1"], rows)
    if report.draw(partial(plots.confusion_matrix, matrix, part.names, picture)):
        text += f"\n\n![混淆矩阵]({picture.name})"
    return text


def _run_folds(config: Config, data: Data, folder: Path) -> dict[str, float]:
    """Cross-validation over the training and validation parts together; the test part is left alone."""
    whole = data.train
    if data.valid is not None:
        both = [data.train, data.valid]
        whole = LabelledImages(
            np.concatenate([part.images for part in both]), np.concatenate([part.labels for part in both]), whole.names
        )
    measured, result = [], None
    for number, (train, valid) in enumerate(crossval.stratified_kfold(whole.labels, config.crossval.folds), 1):
        log.info("第 %d/%d 折", number, config.crossval.folds)
        prepare(config.train)
        task, result = _train(config, whole.take(train), whole.take(valid), folder / f"fold{number}")
        measured.append(evaluate(task.model, whole.take(valid)))
    summary = crossval.Summary(measured)
    if result is not None and distributed.is_first():
        sections = {"交叉验证": summary.table(), "数据": _data_section(Data(whole))}
        report.write_report(
            folder / "report.md", f"图片分类 {config.crossval.folds} 折交叉验证", config, result, sections
        )
    log.info("准确率 %.4f ± %.4f", summary.mean["accuracy"], summary.deviation["accuracy"])
    return summary.mean | {f"{name}_std": value for name, value in summary.deviation.items()}
