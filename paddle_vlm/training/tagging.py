"""Fine-tune the LAC tagger on names in BIO files, without forgetting words and parts of speech.

A BIO file knows names only. What lies outside them keeps the tags that LAC-small gives it, so that the tuned tagger
still tells words and parts of speech apart; LAC's own names that the file does not confirm become other proper nouns.
"""

import dataclasses
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import paddle
from paddle import Tensor, nn

from paddle_vlm.data.tagged import HELD_OUT, Sentence, read_bio, split
from paddle_vlm.errors import BadConfig
from paddle_vlm.models.lac import LAC, LACConfig
from paddle_vlm.models.recurrence import Packing
from paddle_vlm.models.weights_file import arrays, assign, read_tensors, write_tensors
from paddle_vlm.text.lexical import NAMES, LexicalAnalyzer
from paddle_vlm.training import plots, report
from paddle_vlm.training.batches import batch_count
from paddle_vlm.training.buckets import bucketed
from paddle_vlm.training.config import TrainConfig
from paddle_vlm.training.loop import FitResult, fit, prepare
from paddle_vlm.training.text_scores import figures, names_of, score

log = logging.getLogger(__name__)


@dataclass
class Config:
    """What a fine-tuning run needs to know."""

    data: Path  # BIO file, .gz or not
    task: Literal["tagging"] = "tagging"
    labels: dict[str, str] = field(default_factory=dict)  # kinds of the file -> LAC's PER, LOC, ORG, TIME
    held_out: int = HELD_OUT  # sentences left aside for `tools/eval.py text --task ner --held-out`
    validation: int = 1000  # sentences of the others that choose the best epoch
    dropout: float = 0.2
    start: str = "lac_small"  # or the folder of a tuned tagger
    train_embedding: bool = True  # False: the tuned tagger shares LAC-small's and is half as large
    train: TrainConfig = field(default_factory=lambda: TrainConfig(monitor="f1"))


@dataclass
class Batch:
    """Sentences of about one length, packed."""

    characters: np.ndarray  # int64 [N]
    tags: np.ndarray  # int64 [N]
    packing: Packing


class Tagging:
    """The training task (see `training.loop.Task`)."""

    def __init__(self, config: Config, training: Sequence[Sentence], validation: Sequence[Sentence]) -> None:
        self.config = config
        base = LexicalAnalyzer()
        self.model = LAC(LACConfig(dropout=config.dropout))
        assign(self.model.state_dict(), LexicalAnalyzer(config.start).weights)
        self.model.embedding.weight.stop_gradient = not config.train_embedding
        self._validation = validation
        log.info("以 LAC-small 标注 %d 句的词和词性……", len(training))
        self._characters = [base.identify(sentence.text) for sentence in training]
        tagged = base.tag([sentence.text for sentence in training])
        numbers = {tag: number for number, tag in enumerate(base.tags)}
        merged = (merge(tags, sentence, config.labels) for tags, sentence in zip(tagged, training, strict=True))
        self._tags = [np.array([numbers[tag] for tag in tags]) for tags in merged]

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch."""
        return batch_count(len(self._tags), self.config.train.batch_size)

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Sentences in random order, those of a batch about equally long."""
        train = self.config.train
        for chosen in bucketed([len(tags) for tags in self._tags], train.batch_size, train.seed, epoch):
            yield self._batch(chosen)

    def _batch(self, chosen: np.ndarray) -> Batch:
        packing = Packing.of(np.array([len(self._tags[i]) for i in chosen]))
        tables = np.zeros((2, len(chosen), len(packing.counts)), np.int64)
        for row, i in enumerate(chosen):
            tables[0, row, : len(self._tags[i])], tables[1, row, : len(self._tags[i])] = (
                self._characters[i],
                self._tags[i],
            )
        characters, tags = (table.reshape(-1)[packing.positions] for table in tables)
        return Batch(characters, tags, packing)

    def loss(self, batch: Batch) -> Tensor:
        """-log p(tags), a mean over the sentences."""
        return self.model.loss(paddle.to_tensor(batch.characters), batch.tags, batch.packing)

    def evaluate(self, model: nn.Layer) -> dict[str, float]:
        """Precision, recall and F1 of the names in the validation sentences."""
        finder = names_of(LexicalAnalyzer(arrays(model.state_dict())))
        return figures(score(self._validation, finder, self.config.labels))


def merge(tags: Sequence[str], sentence: Sentence, labels: Mapping[str, str]) -> list[str]:
    """LAC's tags of a sentence's characters, overruled by its gold names."""
    merged = list(tags)
    for i, tag in enumerate(tags):
        if tag.split("-")[0] in ("PER", "LOC", "ORG"):
            merged[i] = "nz" + tag[-2:]
    for start, end, kind in sentence.spans:
        name = labels.get(kind, kind)
        merged[start:end] = [f"{name}-B"] + [f"{name}-I"] * (end - start - 1)
        if end < len(merged) and merged[end].endswith("-I"):  # what is left of a word that LAC had seen here
            rest = end
            while rest < len(merged) and tags[rest].endswith("-I"):
                merged[rest] = f"{_rest(tags[rest])}-{'B' if rest == end else 'I'}"
                rest += 1
    return merged


def _rest(tag: str) -> str:
    kind = tag.split("-")[0]
    return "n" if kind in ("PER", "LOC", "ORG") else kind


def run(config: Config, folder: Path) -> FitResult:
    """Fine-tune; leaves `folder/tagger`, which `LexicalAnalyzer(folder / "tagger")` opens.

    Raises BadConfig for kinds that are neither LAC's nor mapped to them, BadText for a file that is not BIO.
    """
    sentences = read_bio(config.data)
    kinds = {config.labels.get(kind, kind) for sentence in sentences for _, _, kind in sentence.spans}
    if unknown := kinds - set(NAMES):
        raise BadConfig(
            f"{config.data} 里有标签 {'、'.join(sorted(unknown))},而标注器只认 {'、'.join(NAMES)}。"
            "请在 labels 里写明对应关系,如 labels: {nr: PER}。"
        )
    if len(sentences) <= config.held_out + config.validation:
        raise BadConfig(
            f"{config.data} 只有 {len(sentences)} 句,不够留出 {config.held_out} + {config.validation} 句。"
            "请减小 held_out 和 validation。"
        )
    prepare(config.train)
    rest, _ = split(sentences, config.held_out)
    task = Tagging(config, rest[config.validation :], rest[: config.validation])
    result = fit(task, config.train, folder, dataclasses.asdict(config))
    tuned, notes = read_tensors(result.weights)
    _save(tuned, notes, folder / "tagger" / "model.safetensors")
    drawn = report.draw(partial(plots.learning_curves, result.history, folder / "curves.png"))
    sections = {"学习曲线": "![学习曲线](curves.png)"} if drawn else {}
    report.write_report(folder / "report.md", "标注器微调报告", config, result, sections)
    log.info("标注器:%s  报告:%s", folder / "tagger", folder / "report.md")
    return result


def _save(tuned: dict[str, np.ndarray], notes: dict[str, str], path: Path) -> None:
    """In half precision; of the embedding only the characters that training has moved."""
    embedding = tuned.pop("embedding.weight")
    original = LexicalAnalyzer().weights["embedding.weight"]
    rows = np.flatnonzero(np.abs(embedding - original).max(1) > 1e-4)
    stored = {name: value.astype(np.float16) for name, value in tuned.items()}
    if len(rows):
        stored |= {"embedding.rows": rows.astype(np.int32), "embedding.values": embedding[rows].astype(np.float16)}
    write_tensors(stored, path, notes)
