"""Encoder-decoder networks through Paddle Inference: the source encoded once, then steps with cached keys, values."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import paddle
from paddle import Tensor, nn
from paddle.static import InputSpec

from paddle_vlm.inference.export import Program, export_program
from paddle_vlm.inference.predictor import OneDNN, Predictor

# For networks whose time goes into large matrices. Small ones are no faster with it, and take more memory.
LARGE = OneDNN(shapes=0, half=True)
# Rows of a step with oneDNN are filled up to one of these: it packs the matrices for each number of rows, for good.
_ROWS = (1, 4, 16, 64, 128)

KeysValues = tuple[Tensor, Tensor]


class EncoderDecoder(Protocol):
    """What a network must offer to be exported; shapes as in models/pointer.py."""

    decoder: Sequence[nn.Layer]
    forbidden: int | None  # a piece that is never written

    def encode(self, source: Tensor) -> tuple[list[Tensor], list[KeysValues]]:
        """What each step needs of the source: tensors [B, S, dim], and keys and values for each decoder layer."""

    def step(
        self, last: Tensor, position: Tensor, source: Tensor, kept: list[Tensor], cross: list[KeysValues],
        own: list[KeysValues],
    ) -> tuple[Tensor, list[KeysValues]]:  # fmt: skip
        """-> log-probabilities of the next pieces [B, V], keys and values with those of this step."""


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
        """Arguments as for the network's `step` -> log-probabilities and pieces of the likeliest, [N, count] at least,
        then keys and values with those of this step."""
        scores, grown = self.model.step(last, position, source, kept, _pairs(cross), _pairs(own))
        forbidden = self.model.forbidden
        best, pieces = likeliest(scores, count if forbidden is None else count + 1)
        if forbidden is not None:
            best = best - (pieces == forbidden).astype("float32") * 1e9
        return [best, pieces, *_flat(grown)]


def likeliest(values: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    """The `count` int64 [1] greatest of each row of values [N, V], and where they are, [N, count] each.

    They lie in the `count` blocks with the greatest maxima. Paddle's topk of whole rows takes six times as long.
    """
    size = values.shape[1]
    length = next(length for length in range(math.isqrt(size - 1) + 1, size + 1) if size % length == 0)
    blocks = values.reshape([-1, size // length, length])
    number = paddle.minimum(count, paddle.full([1], size // length, "int64"))
    where = paddle.topk(paddle.amax(blocks, axis=-1), number, -1)[1]  # [N, number]
    rows = paddle.arange(paddle.shape(values)[0], dtype="int64").unsqueeze(1).expand_as(where)
    chosen = paddle.gather_nd(blocks, paddle.stack([rows, where], -1))  # [N, number, length]
    best, places = paddle.topk(chosen.flatten(1), count, -1)
    return best, paddle.take_along_axis(where, places // length, 1) * length + places % length


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
    """The rows of a search; only the first ones count where they are filled up."""

    source: list[Tensor]  # pieces [N, S], keys and values [N, heads, S, width] a layer, what else the network keeps
    own: list[Tensor]  # keys and values of what was written, [N, heads, steps, width] a layer
    fill: bool = False  # to one of few numbers of rows
    lent: bool = False  # `own` lies in memory that the next step writes to

    def reorder(self, rows: np.ndarray) -> None:
        self.own, self.lent = self._chosen(self.own, rows), False

    def select(self, rows: np.ndarray) -> None:
        self.reorder(rows)
        self.source = self._chosen(self.source, rows)

    def _chosen(self, tensors: list[Tensor], rows: np.ndarray) -> list[Tensor]:
        index = paddle.to_tensor(_filled(rows) if self.fill else rows, place=tensors[0].place)
        return [paddle.index_select(tensor, index) for tensor in tensors]


class Decoder:
    """An exported network for models/generation.search. One search at a time.

    Args:
        folder: what `export_decoder` wrote.
        device: as for `Predictor`, like threads.
        onednn: for the steps: `LARGE`, or other settings with `shapes=0`. The encoder goes without, for it meets too
            many sizes.
    """

    def __init__(
        self, folder: str | Path, device: str = "auto", threads: int | None = None, onednn: OneDNN | None = None
    ) -> None:
        """Raises MissingWeights."""
        self._encoder = Predictor(Path(folder) / "encoder", device, threads, onednn=False)
        self._step = Predictor(Path(folder) / "step", device, threads, onednn or False)
        self._fill = onednn is not None
        self._caches = self._step.outputs - 2  # keys and values of the decoder's layers

    def encode(self, source: np.ndarray) -> CachedState:
        """source int64 [N, S], padded -> the state before the first step."""
        given = self._tensor(source)
        found = self._encoder.run_tensors(given)
        state = CachedState([given, *found], [tensor[:, :, :0] for tensor in found[: self._caches]], self._fill)
        if self._fill:
            state.select(np.arange(len(source)))
        return state

    def step(self, last: np.ndarray, state: CachedState, position: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        """last int64 [N] -> log-probabilities and pieces of at least `count` likeliest next ones; the state grows by
        one."""
        if state.lent:
            state.reorder(np.arange(len(last)))
        given = _filled(last) if self._fill else last
        words = (self._tensor(each) for each in (given, np.array([position]), np.array([count])))
        values, pieces, *state.own = self._step.run_tensors(*words, *state.source, *state.own)
        state.lent = True
        return values.numpy()[: len(last)], pieces.numpy()[: len(last)]

    def _tensor(self, array: np.ndarray) -> Tensor:
        return paddle.to_tensor(array, place=self._step.place)


def _filled(rows: np.ndarray) -> np.ndarray:
    """The first of `rows` [N] repeated behind them, up to one of `_ROWS` or a multiple of the last."""
    most = _ROWS[-1]
    count = next((size for size in _ROWS if len(rows) <= size), -(-len(rows) // most) * most)
    return np.concatenate([rows, np.full(count - len(rows), rows[0])])


def _flat(pairs: Sequence[KeysValues]) -> list[Tensor]:
    return [tensor for pair in pairs for tensor in pair]


def _pairs(tensors: Sequence[Tensor]) -> list[KeysValues]:
    return list(zip(tensors[::2], tensors[1::2], strict=True))
