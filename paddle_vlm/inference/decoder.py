"""Encoder-decoder networks through Paddle Inference: the source encoded once, then steps with cached keys, values."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import paddle
from paddle import Tensor, nn
from paddle.static import InputSpec

from paddle_vlm.inference.export import Program, export_program
from paddle_vlm.inference.predictor import Predictor

KeysValues = tuple[Tensor, Tensor]


class EncoderDecoder(Protocol):
    """What a network must offer to be exported; shapes as in models/pointer.py."""

    decoder: Sequence[nn.Layer]

    def encode(self, source: Tensor) -> tuple[list[Tensor], list[KeysValues]]:
        """What each step needs of the source: tensors [B, S, dim], and keys and values for each decoder layer."""

    def step(
        self, last: Tensor, position: Tensor, source: Tensor, kept: list[Tensor], cross: list[KeysValues],
        own: list[KeysValues],
    ) -> tuple[Tensor, list[KeysValues]]:  # fmt: skip
        """-> probabilities of the next pieces [B, V], keys and values with those of this step."""


class _Encode(nn.Layer):
    def __init__(self, model: EncoderDecoder) -> None:
        super().__init__()
        self.model = model

    def forward(self, source: Tensor) -> list[Tensor]:
        kept, cross = self.model.encode(source)
        return [*_flat(cross), *kept]


class _Step(nn.Layer):
    def __init__(self, model: EncoderDecoder) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, last: Tensor, position: Tensor, count: Tensor, source: Tensor, cross: list[Tensor], kept: list[Tensor],
        own: list[Tensor],
    ) -> list[Tensor]:  # fmt: skip
        probabilities, grown = self.model.step(last, position, source, kept, _pairs(cross), _pairs(own))
        best, pieces = paddle.topk(probabilities, count, -1)
        return [paddle.log(best + 1e-9), pieces, *_flat(grown)]


def programs(model: EncoderDecoder) -> dict[str, Program]:
    """The two programs of a network: "encoder" (its results in the order of `CachedState.source`) and "step"."""
    with paddle.no_grad():
        kept, cross = model.encode(paddle.zeros([1, 2], "int64"))
    heads, width = cross[0][0].shape[1], cross[0][0].shape[3]

    def spec(name: str, *shape: int | None, dtype: str = "int64") -> InputSpec:
        return InputSpec(list(shape), dtype, name)

    def caches(owner: str) -> list[str]:
        return [f"{owner}_{part}_{layer}" for layer in range(len(cross)) for part in ("keys", "values")]

    def cache(owner: str) -> list[InputSpec]:
        return [spec(name, None, heads, None, width, dtype="float32") for name in caches(owner)]

    names = [f"memory_{i}" for i in range(len(kept))]
    vectors = [spec(name, None, None, t.shape[2], dtype="float32") for name, t in zip(names, kept, strict=True)]
    source = spec("source", None, None)
    words = [spec("last", None), spec("position", 1), spec("count", 1)]
    return {
        "encoder": Program(_Encode(model), [source], (*caches("cross"), *names)),
        "step": Program(
            _Step(model), [*words, source, cache("cross"), vectors, cache("own")],
            ("log_probabilities", "pieces", *caches("own")),
        ),
    }  # fmt: skip


def export_decoder(model: EncoderDecoder, folder: Path) -> Path:
    """Write the two programs of a network: `folder`/encoder and `folder`/step."""
    for name, program in programs(model).items():
        export_program(program, folder / name)
    return folder


@dataclass
class CachedState:
    """The rows of a search."""

    source: list[np.ndarray]  # pieces [N, S], keys and values [N, heads, S, width] a layer, what else the network keeps
    own: list[np.ndarray]  # keys and values of what was written, [N, heads, steps, width] a layer

    def reorder(self, rows: np.ndarray) -> None:
        self.own = [array[rows] for array in self.own]

    def select(self, rows: np.ndarray) -> None:
        self.reorder(rows)
        self.source = [array[rows] for array in self.source]


class Decoder:
    """An exported network for models/generation.search. One search at a time."""

    def __init__(self, folder: str | Path, device: str = "auto", threads: int | None = None) -> None:
        """As `Predictor`. Raises MissingWeights."""
        # Without oneDNN, which lays out the vocabulary's matrix anew in every step (twice the time), and keeps so much
        # for each shape of the source that 67 pictures take 180 MB more.
        self._encoder = Predictor(Path(folder) / "encoder", device, threads, onednn=False)
        self._step = Predictor(Path(folder) / "step", device, threads, onednn=False)
        self._caches = self._step.outputs - 2  # keys and values of the decoder's layers
        self._fed: list[np.ndarray] | None = None

    def encode(self, source: np.ndarray) -> CachedState:
        """source int64 [N, S], padded -> the state before the first step."""
        found = self._encoder.run(source)
        return CachedState([source, *found], [array[:, :, :0] for array in found[: self._caches]])

    def step(self, last: np.ndarray, state: CachedState, position: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        """last int64 [N] -> log-probabilities and pieces of the `count` likeliest next ones; the state grows by one."""
        held = state.source is self._fed
        source = [None] * len(state.source) if held else state.source
        values, pieces, *state.own = self._step.run(last, np.array([position]), np.array([count]), *source, *state.own)
        self._fed = state.source
        return values, pieces


def _flat(pairs: Sequence[KeysValues]) -> list[Tensor]:
    return [tensor for pair in pairs for tensor in pair]


def _pairs(tensors: Sequence[Tensor]) -> list[KeysValues]:
    return list(zip(tensors[::2], tensors[1::2], strict=True))
