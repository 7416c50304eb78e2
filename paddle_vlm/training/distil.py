"""The task `distil`: another text encoder learns to give the texts the vectors that a search model gives them.

The pictures' vectors stay what they are, and no pictures are needed (Hinton et al. 2015, Romero et al. 2015).
"""

import dataclasses
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import paddle
from paddle import Tensor

from paddle_vlm.data import emoji
from paddle_vlm.data.captions import CaptionSet
from paddle_vlm.errors import BadData
from paddle_vlm.models.dual_encoder import LONGEST, DualEncoder, TextEncoder
from paddle_vlm.models.search import SearchNetwork
from paddle_vlm.models.weights_file import load_weights
from paddle_vlm.text.caption_vocabulary import CaptionVocabulary
from paddle_vlm.training import batches, distributed
from paddle_vlm.training.buckets import bucketed
from paddle_vlm.training.config import TrainConfig
from paddle_vlm.training.loop import FitResult, fit, prepare
from paddle_vlm.training.pairs import Tokens
from paddle_vlm.training.search import embed_texts, write_summary
from paddle_vlm.weights import fetch

log = logging.getLogger(__name__)

_PHRASE = 6  # words of the longest phrase that is taken from a caption
Batch = dict[str, Any]


@dataclass
class TextsConfig:
    """Which texts."""

    folder: Path = Path("flickr8k_cn")  # captions, laid out as for the task `search`
    split: str = "train"
    kinds: list[str] = field(default_factory=lambda: ["zh", "zh_mt"])
    held_out: int = 2000  # captions that only measure
    phrases: bool = True  # also some words in a row from each caption
    words: bool = True  # also each word of the vocabulary by itself
    emoji: int = 1  # the emoji's names as well, this often; 0: not at all


@dataclass
class StudentConfig:
    """The new text encoder; what is not said here stays as in the teacher."""

    text: Literal["gru", "transformer", "bag"] = "transformer"
    layers: int = 2
    heads: int = 4
    dropout: float = 0.0  # the teacher's vectors carry no noise


@dataclass
class Config:
    """All of a run."""

    task: Literal["distil"] = "distil"
    teacher: str = "search"  # a search model: a bundled one by name, or a folder
    data: TextsConfig = field(default_factory=TextsConfig)
    model: StudentConfig = field(default_factory=StudentConfig)
    train: TrainConfig = field(default_factory=lambda: TrainConfig(monitor="cosine"))
    start: Path | None = None  # the output folder of an earlier run of this task to go on from


class DistilTask:
    """What `loop.fit` asks for.

    Args:
        texts, vectors: numbers of characters and words [N, T], and the teacher's unit vectors [N, dim]; the first
            `held` only measure.
    """

    def __init__(self, config: Config, model: TextEncoder, texts: Tokens, vectors: np.ndarray, held: int) -> None:
        self.config, self.model, self.texts, self.vectors, self.held = config, model, texts, vectors, held
        self.lengths = (texts[0] > 0).sum(1)
        model.words.weight.stop_gradient = True  # words of no caption keep a meaning that fits the others'

    @property
    def steps_per_epoch(self) -> int:
        return batches.batch_count(len(self.vectors) - self.held, self.config.train.batch_size)

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Texts of about the same length and their vectors."""
        train = self.config.train
        for chosen in bucketed(self.lengths[self.held :].tolist(), train.batch_size, train.seed, epoch):
            rows = chosen + self.held
            yield {"texts": self._cut(rows), "vectors": self.vectors[rows]}

    def loss(self, batch: Batch) -> Tensor:
        """One minus the cosine to the teacher's vector."""
        found = self.model(*map(paddle.to_tensor, batch["texts"]))
        return 1 - (found * paddle.to_tensor(batch["vectors"])).sum(-1).mean()

    def evaluate(self, model: TextEncoder) -> dict[str, float]:
        """The cosine, and how often a text's vector is closest to the teacher's vector of the same text (percent)."""
        characters, words = (part[: self.held] for part in self.texts)
        cosines = embed_texts(model, (characters, words)) @ self.vectors[: self.held].T
        own = np.diagonal(cosines)
        return {"cosine": float(own.mean()), "same": float((cosines.max(1) <= own + 1e-6).mean() * 100)}

    def _cut(self, rows: np.ndarray) -> Tokens:
        longest = int(self.lengths[rows].max())
        return self.texts[0][rows, :longest], self.texts[1][rows, :longest]


def gather(config: TextsConfig, vocabulary: CaptionVocabulary, seed: int) -> tuple[list[str], int]:
    """Texts, and how many of them, at the beginning, are held out. Raises BadData."""
    random = np.random.default_rng(seed)
    photos = CaptionSet(config.folder, config.split).photos
    captions = list(dict.fromkeys(text for photo in photos for text in photo.texts(config.kinds)))
    if config.held_out >= len(captions):
        raise BadData(
            f"{config.folder} 只有 {len(captions)} 条描述,无法留出 {config.held_out} 条。请减小 data.held_out。"
        )
    captions = [captions[i] for i in random.permutation(len(captions))]
    more: list[str] = []
    if config.phrases:
        for caption in captions[config.held_out :]:
            words = vocabulary.cut(caption)
            count = int(random.integers(1, _PHRASE + 1))
            first = int(random.integers(0, max(1, len(words) - count + 1)))
            more.append("".join(words[first : first + count]))
    more += vocabulary.words if config.words else []
    names = [each.name_zh for each in emoji.list_emoji()] if config.emoji else []
    held = dict.fromkeys(captions[: config.held_out])
    learnt = dict.fromkeys(text for text in [*captions, *more, *names] if text and text not in held)
    return [*held, *learnt, *names * (config.emoji - 1)], config.held_out


def make_student(teacher: DualEncoder, config: StudentConfig) -> DualEncoder:
    """The teacher with another text encoder, which begins with the same tables and head."""
    model = DualEncoder(dataclasses.replace(teacher.config, **dataclasses.asdict(config)))
    own, stored = model.state_dict(), teacher.state_dict()
    for name, tensor in own.items():
        if not name.startswith("text.body.") and list(stored[name].shape) == list(tensor.shape):
            tensor.set_value(stored[name])
    return model


def run(config: Config, folder: Path) -> FitResult:
    """Train; `folder/model` is a search model with the teacher's image encoder and probabilities, without re-ranker."""
    prepare(config.train)
    source = fetch(config.teacher)
    teacher, vocabulary = SearchNetwork.load(source), CaptionVocabulary.load(source)
    texts, held = gather(config.data, vocabulary, config.train.seed)
    tokens = vocabulary.encode(texts, LONGEST)
    log.info("%d 条文字,其中留出 %d 条", len(texts), held)
    student = make_student(teacher.dual, config.model)
    if config.start is not None:
        load_weights(student.text, config.start / "best" / "model.safetensors")
    task = DistilTask(config, student.text, tokens, embed_texts(teacher.dual.text, tokens), held)
    result = fit(task, config.train, folder)
    if distributed.is_first():
        load_weights(student.text, result.weights)
        student.eval()
        settings = dataclasses.replace(teacher.config, dual=student.config, rerank_weight=0.0, bank=0, bank_weight=0.0)
        network = SearchNetwork(settings)
        network.dual, network.fusion = student, teacher.fusion
        network.save(folder / "model")
        vocabulary.save(folder / "model")
        write_summary("文本编码器蒸馏报告", config, result, folder)
    return result
