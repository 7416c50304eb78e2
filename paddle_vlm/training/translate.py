"""Train the translator on prepared lines: the network sees a line with its dictionary words and writes English."""

import dataclasses
import json
import logging
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import paddle
from paddle import Tensor, nn

from paddle_vlm.data.parallel import SETTINGS, read_prepared, token_batches
from paddle_vlm.errors import MissingDependency
from paddle_vlm.inference.decoder import Decoder, export_decoder
from paddle_vlm.models.generation import search
from paddle_vlm.models.pointer import EOS, PAD, PointerConfig, PointerTranslator
from paddle_vlm.models.weights_file import load_weights
from paddle_vlm.text.pieces import Pieces
from paddle_vlm.training import batches, distributed, report
from paddle_vlm.training.config import TrainConfig
from paddle_vlm.training.loop import FitResult, fit, prepare

log = logging.getLogger(__name__)

LONGEST_TARGET = 48  # pieces; longer rows are cut


@dataclass
class Config:
    """All of a run."""

    data: Path  # the folder that tools/prepare_translator.py wrote: train.tsv, valid.tsv, joint.model
    task: Literal["translate"] = "translate"
    start: Path | None = None  # folder of a trained model to go on with; its sizes are taken
    tokens: int = 4000  # padded source pieces and twice the target's in a batch, in place of train.batch_size
    valid_lines: int = 400  # that choose the best weights; all are in `bleu` of the report
    model: PointerConfig = field(default_factory=PointerConfig)
    train: TrainConfig = field(default_factory=lambda: TrainConfig(monitor="bleu"))


@dataclass
class Batch:
    """Rows of about equal length."""

    source: np.ndarray  # int64 [B, S]
    target: np.ndarray  # int64 [B, T]


class Translation:
    """What `loop.fit` asks for."""

    def __init__(self, config: Config) -> None:
        self.config, self.pieces = config, Pieces(config.data / "joint.model")
        if config.start:
            self.model = PointerTranslator.load(config.start)
        else:
            self.model = PointerTranslator(dataclasses.replace(config.model, vocab=len(self.pieces)))
        rows = read_prepared(config.data / "train.tsv")
        self._longest = self.model.config.longest_source
        self._rows = [(self._cut(a, self._longest), self._cut(b, LONGEST_TARGET)) for a, b, *_ in rows]
        self._valid = read_prepared(config.data / "valid.tsv")[: config.valid_lines]

    def _cut(self, line: str, longest: int) -> list[int]:
        return [*self.pieces.encode(line)[:longest], EOS]

    @cached_property
    def steps_per_epoch(self) -> int:
        """Batches of this process; an epoch's batches are the same in number, but not in make-up, to within a few."""
        return min(sum(1 for _ in self._groups(epoch)) for epoch in range(3)) // distributed.processes()

    def _groups(self, epoch: int) -> Iterator[np.ndarray]:
        generator = np.random.default_rng([self.config.train.seed, epoch])
        return token_batches([(len(a), len(b)) for a, b in self._rows], self.config.tokens, generator)

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Every process takes its turn."""
        return batches.prefetch(
            Batch(_padded([self._rows[i][0] for i in group]), _padded([self._rows[i][1] for i in group]))
            for number, group in enumerate(self._groups(epoch))
            if number % distributed.processes() == distributed.rank()
        )

    def loss(self, batch: Batch) -> Tensor:
        """Mean negative log-likelihood of a piece."""
        return self.model.loss(paddle.to_tensor(batch.source), paddle.to_tensor(batch.target))

    def evaluate(self, model: nn.Layer) -> dict[str, float]:
        """BLEU of greedy decoding on clean lines, and on lines as an OCR engine read them: `bleu` and `bleu_ocr`."""
        references = [row[1] for row in self._valid]
        columns = {"bleu": 0, "bleu_ocr": 2} if len(self._valid[0]) > 2 else {"bleu": 0}
        with tempfile.TemporaryDirectory() as folder:
            decoder = Decoder(export_decoder(model, Path(folder)), paddle.get_device().split(":")[0])
        return {
            name: _bleu(self._write(decoder, [row[column] for row in self._valid]), references)
            for name, column in columns.items()
        }

    def _write(self, decoder: Decoder, lines: list[str], rows: int = 64) -> list[str]:
        encoded = [self._cut(line, self._longest) for line in lines]
        order = sorted(range(len(lines)), key=lambda i: len(encoded[i]))
        texts = [""] * len(lines)
        for start in range(0, len(order), rows):
            chosen = order[start : start + rows]
            state = decoder.encode(_padded([encoded[i] for i in chosen]))
            found = search(decoder.step, state, len(chosen), start=PAD, end=EOS, max_steps=LONGEST_TARGET)
            for i, line in zip(chosen, found, strict=True):
                texts[i] = self.pieces.decode(line.pieces)
        return texts


def run(config: Config, folder: Path) -> FitResult:
    """Train; leaves `folder`/model, which `--translator` opens. Raises BadData and MissingWeights."""
    prepare(config.train)
    task = Translation(config)
    log.info("%d 行训练数据,每轮 %d 批", len(task._rows), task.steps_per_epoch)
    result = fit(task, config.train, folder, dataclasses.asdict(config))
    load_weights(task.model, result.weights)
    if distributed.is_first():
        _save(task, config, folder / "model")
        report.write_report(folder / "report.md", "翻译模型训练报告", config, result, {})
        log.info("模型:%s  报告:%s", folder / "model", folder / "report.md")
    return result


def _save(task: Translation, config: Config, folder: Path) -> None:
    task.model.save(folder)
    for name in ("joint.model", "lexicon.tsv.gz", "seen_lines.bin"):
        if (config.data / name).exists():
            shutil.copy(config.data / name, folder)
    path = folder / "config.json"
    settings = {"decoding": {"beam": 1}} | json.loads(path.read_text(encoding="utf-8"))
    if (prepared := config.data / SETTINGS).exists():
        settings |= json.loads(prepared.read_text(encoding="utf-8"))
    path.write_text(json.dumps(settings, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _padded(rows: list[list[int]]) -> np.ndarray:
    width = max(map(len, rows))
    return np.array([row + [PAD] * (width - len(row)) for row in rows], np.int64)


def _bleu(texts: list[str], references: list[str]) -> float:
    try:
        import sacrebleu
    except ImportError as error:
        raise MissingDependency('训练翻译模型需要 sacrebleu。请运行:pip install "sacrebleu>=2.4"') from error
    return float(sacrebleu.corpus_bleu(texts, [references], lowercase=True).score)
