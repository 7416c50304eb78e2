"""Encoder-decoder networks through Paddle Inference: the source encoded once, then steps with cached keys, values."""

import logging
import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import paddle
from paddle import Tensor, nn
from paddle.static import InputSpec

from paddle_vlm.inference import openvino
from paddle_vlm.inference.export import Program, export
from paddle_vlm.inference.predictor import OneDNN, Predictor
from paddle_vlm.models.layers import Projection

log = logging.getLogger(__name__)

# For networks whose time goes into large matrices. Small ones are no faster with it, and take more memory.
LARGE = OneDNN(shapes=0, half=True)
# The lines of a step with oneDNN are filled up to one of these: it packs the matrices for each number of rows anew.
_LINES = (1, 4, 16, 32, 64)

_TINY = 1e-9  # added to a probability
_CLOSE = 0.15  # mean difference of log-probabilities that bfloat16 and int8 may make

KeysValues = tuple[Tensor, Tensor]


class EncoderDecoder(Protocol):
    """What a network must offer to be exported; shapes as in models/pointer.py."""

    decoder: Sequence[nn.Layer]
    config: Any  # with `vocab_size`, like `project` for `export_for_openvino` only
    forbidden: int | None  # a piece that is never written
    project: nn.Layer

    def encode(self, source: Tensor) -> tuple[list[Tensor], list[KeysValues]]:
        """What each step needs of the source: tensors [B, S, dim], and keys and values for each decoder layer."""

    def step(
        self, last: Tensor, position: Tensor, source: Tensor, kept: list[Tensor], cross: list[KeysValues],
        own: list[KeysValues],
    ) -> tuple[Tensor, list[KeysValues]]:  # fmt: skip
        """last [B], and what `encode` gave for lines that B is a multiple of: the beams of a line share its memory.

        -> probabilities of the next pieces [B, V], keys and values with those of this step.
        """


class _Encode(nn.Layer):
    def __init__(self, model: EncoderDecoder) -> None:
        super().__init__()
        self.model = model

    def forward(self, source: Tensor) -> list[Tensor]:
        kept, cross = self.model.encode(source)
        return [*_flat(cross), *kept]


class _Step(nn.Layer):
    def __init__(self, model: EncoderDecoder, plain: bool) -> None:
        super().__init__()
        self.model, self.likeliest = model, _topk if plain else likeliest

    def forward(
        self, last: Tensor, position: Tensor, count: Tensor, source: Tensor, cross: list[Tensor], kept: list[Tensor],
        own: list[Tensor],
    ) -> list[Tensor]:  # fmt: skip
        """Arguments as for the network's `step` -> log-probabilities and pieces of the likeliest, [N, count] at least,
        then keys and values with those of this step."""
        chances, grown = self.model.step(last, position, source, kept, _pairs(cross), _pairs(own))
        forbidden = self.model.forbidden
        best, pieces = self.likeliest(chances, count if forbidden is None else count + 1)
        best = paddle.log(best + _TINY)  # of these few alone: logarithms of all would take as long as a layer
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


def _topk(values: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    return paddle.topk(values, count, -1)


def programs(model: EncoderDecoder, for_openvino: bool = False) -> dict[str, Program]:
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
            _Step(model, for_openvino), [*words, source, cache("cross"), vectors, cache("own")],
            ("log_probabilities", "pieces", *caches("own")),
        ),
    }  # fmt: skip


def export_decoder(model: EncoderDecoder, folder: Path) -> Path:
    """Write the two programs of a network: `folder`/encoder and `folder`/step."""
    for name, program in programs(model).items():
        export(program.layer, program.inputs, folder / name)
    return folder


def export_for_openvino(model: EncoderDecoder, folder: Path, int8: bool = True) -> Path:
    """The same for OpenVINO; or as `export_decoder` does, if what OpenVINO computes here is wrong.

    The network must have a `models.layers.Projection` that it calls `project`: with `int8`, the logits, which take most
    of the time, are computed in int8.
    """
    plain, bound = model.project, _Bound()
    try:
        model.project = bound
        source, written, scores = _rehearse(model)
        model.project = openvino.Int8Projection(bound.table, bound.most) if int8 else plain
        for name, program in programs(model, for_openvino=True).items():
            export(program.layer, program.inputs, folder / name, for_openvino=True)
    finally:
        model.project = plain
    if _score(Decoder(folder, "cpu"), source, written, scores) < _CLOSE:
        return folder
    log.warning("OpenVINO 在这台机器上的结果不对,改用 oneDNN")
    shutil.rmtree(folder)
    return export_decoder(model, folder)


class _Bound(Projection):
    """Notes the table, and the greatest absolute value that is multiplied by it."""

    def __init__(self) -> None:
        super().__init__()
        self.most, self.table = 0.0, np.zeros((0, 0), np.float32)

    def forward(self, x: Tensor, table: Tensor, bias: Tensor) -> Tensor:
        self.most = max(self.most, float(x.abs().max()))
        if not self.table.size:
            self.table = table.numpy()
        return super().forward(x, table, bias)


@paddle.no_grad()
def _rehearse(model: EncoderDecoder) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Write something for lines of random pieces -> sources [L, S], pieces given [T, L], best log-probabilities."""
    lines, length, steps = 16, 12, 20
    generator = np.random.default_rng(0)
    source, last = generator.integers(3, model.config.vocab_size, (lines, length)), generator.integers(3, 9, lines)
    kept, cross = model.encode(paddle.to_tensor(source))
    own, given, scores = [(keys[:, :, :0], values[:, :, :0]) for keys, values in cross], [], []
    for position in range(steps):
        given.append(last)
        words = paddle.to_tensor(last), paddle.to_tensor([position])
        chances, own = model.step(*words, paddle.to_tensor(source), kept, cross, own)
        if model.forbidden is not None:
            chances[:, model.forbidden] = 0.0
        last = chances.argmax(-1).numpy()
        scores.append(np.log(chances.max(-1).numpy() + _TINY))
    return source, np.stack(given), np.stack(scores)


def _score(decoder: "Decoder", source: np.ndarray, written: np.ndarray, scores: np.ndarray) -> float:
    """Mean difference of the best log-probabilities to what `_rehearse` found."""
    state = decoder.encode(source)
    found = [decoder.step(last, state, position, 1)[0].max(-1) for position, last in enumerate(written)]
    return float(np.abs(np.stack(found) - scores).mean())


@dataclass
class CachedState:
    """The lines of a search and the rows of their beams; only the first ones count where they are filled up."""

    source: list[Tensor]  # pieces [L, S], keys and values [L, heads, S, width] a layer, what else the network keeps
    own: list[Tensor]  # keys and values of what was written, [N, heads, steps, width] a layer
    lines: int
    fill: bool = False  # to one of few numbers of lines
    lent: bool = False  # `own` lies in memory that the next step writes to

    def reorder(self, rows: np.ndarray) -> None:
        self.own, self.lent = self._chosen(self.own, self.filled(rows)), False

    def select(self, lines: np.ndarray, rows: np.ndarray) -> None:
        self.lines = len(lines)
        self.source = self._chosen(self.source, self.filled(lines))
        self.reorder(rows)

    def filled(self, rows: np.ndarray) -> np.ndarray:
        """The first of `rows`, equally many for each line, repeated behind them for the lines that are filled in."""
        if not self.fill:
            return rows
        most = _LINES[-1]
        count = next((size for size in _LINES if self.lines <= size), -(-self.lines // most) * most)
        return np.concatenate([rows, np.full((count - self.lines) * len(rows) // self.lines, rows[0])])

    def _chosen(self, tensors: list[Tensor], rows: np.ndarray) -> list[Tensor]:
        index = paddle.to_tensor(rows, place=tensors[0].place)
        return [paddle.index_select(tensor, index) for tensor in tensors]


class Decoder:
    """An exported network for models/generation.search. One search at a time.

    Args:
        folder: what `export_decoder` wrote.
        device: as for `Predictor`, like threads.
        onednn: for the steps: `LARGE`, or other settings with `shapes=0`. The encoder goes without, for it meets too
            many sizes; so do programs for OpenVINO.
    """

    def __init__(
        self, folder: str | Path, device: str = "auto", threads: int | None = None, onednn: OneDNN | None = None
    ) -> None:
        """Raises MissingWeights."""
        self._encoder = Predictor(Path(folder) / "encoder", device, threads, onednn=False)
        self._step = Predictor(Path(folder) / "step", device, threads, onednn or False)
        self._fill = onednn is not None and not (Path(folder) / "step" / openvino.PROGRAM).is_file()
        self._caches = self._step.outputs - 2  # keys and values of the decoder's layers

    def encode(self, source: np.ndarray) -> CachedState:
        """source int64 [L, S], padded -> the state before the first step, a row a line."""
        given, every = self._tensor(source), np.arange(len(source))
        found = self._encoder.run_tensors(given)
        own = [tensor[:, :, :0] for tensor in found[: self._caches]]
        state = CachedState([given, *found], own, len(source), self._fill)
        if self._fill:
            state.select(every, every)
        return state

    def step(self, last: np.ndarray, state: CachedState, position: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        """last int64 [N] -> log-probabilities and pieces of at least `count` likeliest next ones; the state grows by
        one."""
        if state.lent:
            state.reorder(np.arange(len(last)))
        words = (self._tensor(each) for each in (state.filled(last), np.array([position]), np.array([count])))
        values, pieces, *state.own = self._step.run_tensors(*words, *state.source, *state.own)
        state.lent = True
        return values.numpy()[: len(last)], pieces.numpy()[: len(last)]

    def _tensor(self, array: np.ndarray) -> Tensor:
        return paddle.to_tensor(array, place=self._step.place)


def _flat(pairs: Sequence[KeysValues]) -> list[Tensor]:
    return [tensor for pair in pairs for tensor in pair]


def _pairs(tensors: Sequence[Tensor]) -> list[KeysValues]:
    return list(zip(tensors[::2], tensors[1::2], strict=True))
