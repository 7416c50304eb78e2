"""The translator's network with its pieces: augmented lines in, English and a confidence out, in batches."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np
import sentencepiece

from paddle_vlm.errors import MissingWeights
from paddle_vlm.inference.cache import exported
from paddle_vlm.inference.decoder import Decoder, export_decoder
from paddle_vlm.models.generation import search
from paddle_vlm.models.pointer import EOS, PAD, PointerTranslator

MAX_SOURCE, MAX_TARGET = 90, 48  # pieces; longer rows were cut in training
ROWS = 64  # lines times beam in one batch


@dataclass(frozen=True)
class Draft:
    """What the network wrote for one line."""

    text: str
    confidence: float  # mean log-probability of a piece
    pieces: int


class Network:
    """A pointer-generator network and its SentencePiece model. Safe to call from several threads."""

    def __init__(self, folder: Path, device: str = "auto") -> None:
        path = folder / "joint.model"
        if not path.is_file():
            raise MissingWeights(f"翻译模型文件夹 {folder} 中缺少 joint.model。请补全该文件,或改用自带模型。")
        programs = exported(folder, "translator", lambda new: export_decoder(PointerTranslator.load(folder), new))
        self._decoder = Decoder(programs, device)
        self._pieces = sentencepiece.SentencePieceProcessor(model_file=str(path))
        self._lock = Lock()

    def source_pieces(self, line: str) -> int:
        """Length of an augmented line as the network counts it."""
        return len(self._pieces.encode(line))

    def write(
        self, lines: Sequence[str], *, beam: int = 1, length_penalty: float = 1.0, no_repeat: int = 0
    ) -> list[Draft]:
        """One draft for each augmented line; lines of similar length run together."""
        encoded = [self._pieces.encode(line)[:MAX_SOURCE] + [EOS] for line in lines]
        order = sorted(range(len(lines)), key=lambda i: len(encoded[i]))
        drafts: dict[int, Draft] = {}
        size = max(1, ROWS // beam)
        for start in range(0, len(order), size):
            batch = order[start : start + size]
            width = len(encoded[batch[-1]])
            source = np.array([encoded[i] + [PAD] * (width - len(encoded[i])) for i in batch], np.int64)
            with self._lock:
                found = search(
                    self._decoder.step, self._decoder.encode(source), len(batch), start=PAD, end=EOS,
                    max_steps=MAX_TARGET, beam=beam, length_penalty=length_penalty, no_repeat=no_repeat,
                )  # fmt: skip
            for i, hypothesis in zip(batch, found, strict=True):
                drafts[i] = Draft(self._pieces.decode(hypothesis.pieces), hypothesis.score, len(hypothesis.pieces))
        return [drafts[i] for i in range(len(lines))]
