"""The translator's network with its pieces: lines in, English and a confidence out, in batches."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from paddle_vlm import runtime
from paddle_vlm.errors import MissingWeights
from paddle_vlm.inference.cache import exported
from paddle_vlm.inference.decoder import LARGE, Decoder, export_decoder, export_for_openvino
from paddle_vlm.inference.openvino import can_decode
from paddle_vlm.models import marian, pointer
from paddle_vlm.models.generation import search
from paddle_vlm.text.pieces import Pieces

ROWS = 64  # lines times beam in one batch


@dataclass(frozen=True)
class Draft:
    """What the network wrote for one line."""

    text: str
    confidence: float  # mean log-probability of a piece
    pieces: int


class JointPieces:
    """One SentencePiece model for both languages, whose numbers are the network's (our own networks)."""

    takes_hints = True
    longest_target = 48  # longer rows were cut in training
    start, end, padding = pointer.PAD, pointer.EOS, pointer.PAD

    def __init__(self, folder: Path) -> None:
        self._pieces = Pieces(folder / "joint.model")
        self.longest_source = pointer.read_config(folder).longest_source

    def encode(self, line: str) -> list[int]:
        return self._pieces.encode(line)

    def decode(self, pieces: list[int]) -> str:
        return self._pieces.decode(pieces)


class MarianPieces:
    """A SentencePiece model a language and a common vocabulary (Hugging Face's Marian folders)."""

    takes_hints = False

    def __init__(self, folder: Path) -> None:
        self._source, self._target = Pieces(folder / "source.spm"), Pieces(folder / "target.spm")
        path = folder / "vocab.json"
        try:
            self._numbers: dict[str, int] = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise MissingWeights(f"翻译模型文件夹 {folder} 中缺少 vocab.json。请补全该文件。") from error
        except ValueError as error:
            raise MissingWeights(f"无法读取 {path}:{error}。请重新取得该文件。") from error
        self._names = {number: name for name, number in self._numbers.items()}
        config = marian.read_config(folder)
        self.longest_source = self.longest_target = min(200, config.max_position_embeddings - 1)
        self.start, self.end, self.padding = config.decoder_start_token_id, config.eos_token_id, config.pad_token_id

    def encode(self, line: str) -> list[int]:
        unknown = self._numbers.get("<unk>", self.end)
        return [self._numbers.get(piece, unknown) for piece in self._source.names(line)]

    def decode(self, pieces: list[int]) -> str:
        names = [self._names.get(piece, "") for piece in pieces]
        return self._target.decode([name for name in names if name not in ("", "<unk>", "<pad>", "</s>")])


# "model_type" of config.json -> network and pieces; our own folders have none
_KINDS: dict[str | None, Any] = {
    None: (pointer.PointerTranslator, JointPieces),
    "marian": (marian.MarianTranslator, MarianPieces),
}


class Network:
    """A translation network and its pieces. Safe to call from several threads.

    Attributes:
        takes_hints: whether it was trained on lines with dictionary hints.
        longest: source pieces that it reads of one line.
    """

    def __init__(self, folder: Path, device: str = "auto", threads: int | None = None) -> None:
        """From a folder of our own or of a Marian model; on all cores unless given. Raises MissingWeights."""
        network, pieces = kind_of(folder)
        self._pieces: JointPieces | MarianPieces = pieces(folder)
        large = network is marian.MarianTranslator
        compiled = large and can_decode() and runtime.device(device) == "cpu"
        name, export = ("translator-openvino", export_for_openvino) if compiled else ("translator", export_decoder)
        home = exported(folder, name, lambda new: export(network.load(folder), new))
        self._decoder = Decoder(home, device, threads, LARGE if large else None)
        self._lock = Lock()
        self.takes_hints, self.longest = self._pieces.takes_hints, self._pieces.longest_source

    def source_pieces(self, line: str) -> int:
        """Length of a line as the network counts it."""
        return len(self._pieces.encode(line))

    def write(
        self, lines: Sequence[str], *, beam: int = 1, length_penalty: float = 1.0, no_repeat: int = 0
    ) -> list[Draft]:
        """One draft for each line; lines of similar length run together."""
        pieces = self._pieces
        encoded = [pieces.encode(line)[: self.longest] + [pieces.end] for line in lines]
        order = sorted(range(len(lines)), key=lambda i: len(encoded[i]))
        drafts: dict[int, Draft] = {}
        size = max(1, ROWS // beam)
        for start in range(0, len(order), size):
            batch = order[start : start + size]
            width = len(encoded[batch[-1]])
            source = np.array([encoded[i] + [pieces.padding] * (width - len(encoded[i])) for i in batch], np.int64)
            with self._lock:
                found = search(
                    self._decoder.step, self._decoder.encode(source), len(batch), start=pieces.start, end=pieces.end,
                    max_steps=pieces.longest_target, beam=beam, length_penalty=length_penalty, no_repeat=no_repeat,
                )  # fmt: skip
            for i, hypothesis in zip(batch, found, strict=True):
                drafts[i] = Draft(pieces.decode(hypothesis.pieces), hypothesis.score, len(hypothesis.pieces))
        return [drafts[i] for i in range(len(lines))]


def kind_of(folder: Path) -> tuple[Any, Any]:
    """The classes of the network and of the pieces that a model folder is for. Raises MissingWeights."""
    kind = _model_type(folder)
    if kind not in _KINDS:
        raise MissingWeights(f"{folder} 是 {kind} 模型,不受支持。可用:本项目训练的翻译模型,或 Marian(OPUS-MT)。")
    return _KINDS[kind]


def _model_type(folder: Path) -> str | None:
    path = folder / "config.json"
    try:
        return json.loads(path.read_text(encoding="utf-8")).get("model_type")
    except OSError as error:
        raise MissingWeights(f"翻译模型文件夹 {folder} 中缺少 config.json。请检查路径,或改用自带模型。") from error
    except (ValueError, AttributeError) as error:
        raise MissingWeights(f"无法读取 {path}:{error}。请重新取得该模型。") from error
