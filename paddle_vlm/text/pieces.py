"""Subword pieces (SentencePiece, Kudo & Richardson 2018)."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import sentencepiece

from paddle_vlm.errors import MissingWeights


class Pieces:
    """A SentencePiece model."""

    def __init__(self, path: Path) -> None:
        """Raises MissingWeights."""
        if not path.is_file():
            raise MissingWeights(f"翻译模型文件夹 {path.parent} 中缺少 {path.name}。请补全该文件,或改用自带模型。")
        try:
            self._model = sentencepiece.SentencePieceProcessor(model_file=str(path))
        except (OSError, RuntimeError) as error:
            raise MissingWeights(f"无法读取 {path}:不是 SentencePiece 模型。请重新取得该文件。") from error

    def __len__(self) -> int:
        return self._model.get_piece_size()

    def encode(self, line: str) -> list[int]:
        """The numbers of a line's pieces."""
        return self._model.encode(line)

    def names(self, line: str) -> list[str]:
        """A line's pieces as strings."""
        return self._model.encode(line, out_type=str)

    def decode(self, pieces: Sequence[int] | Sequence[str]) -> str:
        """Text from pieces, as numbers or as strings."""
        return self._model.decode(pieces)


def train_pieces(lines: Iterable[str], path: Path, size: int) -> None:
    """Learn `size` pieces (fewer where the lines do not hold so many) and write the model to `path`.

    The first three are </s> (0), <unk> (1) and <pad> (2), as models/pointer.py expects.
    """
    with path.open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines), model_writer=file, vocab_size=size, character_coverage=0.9995,
            eos_id=0, unk_id=1, pad_id=2, bos_id=-1, hard_vocab_limit=False, split_digits=True, minloglevel=2,
            input_sentence_size=1_000_000, shuffle_input_sentence=True,
        )  # fmt: skip
