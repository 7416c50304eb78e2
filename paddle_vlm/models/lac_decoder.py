"""LAC for use: the network of `lac.LAC` in ONNX Runtime, so that loading it costs no import of paddle."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnxruntime

from paddle_vlm.errors import MissingWeights
from paddle_vlm.models.crf import Chain, viterbi
from paddle_vlm.models.recurrence import Packing
from paddle_vlm.weights import ASSETS

_REMEDY = "请重新安装:pip install --force-reinstall jieba==0.42.1"
LAYERS = 2


class LACDecoder:
    """Characters -> the most probable tags. Safe to call from several threads."""

    def __init__(self, weights: Mapping[str, np.ndarray]) -> None:
        """`weights`: names and shapes of `lac.LAC.state_dict()`."""
        values = {
            name: onnxruntime.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(value, np.float32))
            for name, value in _as_onnx(weights).items()
        }
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # a batch in each of two threads is faster than each batch in two
        options.add_external_initializers(list(values), list(values.values()))
        graph = (ASSETS / "tagger" / "lac.onnx").read_bytes()
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self._chain = Chain(*(np.asarray(weights[name], np.float32) for name in ("start", "end", "transitions")))

    def decode(self, sentences: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Characters int64 [T] of each sentence, at least one -> tags int64 [T]; on one core."""
        packing = Packing.of(np.array([len(sentence) for sentence in sentences]))
        padded = np.zeros((len(sentences), len(packing.counts)), np.int64)
        for row, sentence in zip(padded, sentences, strict=True):
            row[: len(sentence)] = sentence
        scores = self.scores(padded, packing)
        tags = np.empty_like(padded)
        tags.reshape(-1)[packing.positions] = viterbi(scores, packing, self._chain)
        return [row[: len(sentence)] for row, sentence in zip(tags, sentences, strict=True)]

    def scores(self, characters: np.ndarray, packing: Packing) -> np.ndarray:
        """Padded characters int64 [B, T] -> packed emission scores [N, tags]."""
        ordered = np.ascontiguousarray(characters[packing.order].T)
        found = self._session.run(None, {"characters": ordered, "lengths": packing.lengths.astype(np.int32)})[0]
        return np.concatenate([rows[:count] for rows, count in zip(found, packing.counts, strict=True)])


def _as_onnx(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """ONNX keeps the old state where LAC's update gate takes the new one: that gate changes its sign."""
    found = {
        "embedding": weights["embedding.weight"],
        "emission": weights["emission.weight"],
        "emission_bias": weights["emission.bias"],
    }
    for layer in range(LAYERS):
        sides = [_gates(weights, f"encoder.{layer}.{side}") for side in ("forwards", "backwards")]
        for name, pair in zip("wrb", zip(*sides, strict=True), strict=True):
            found[f"{name}{layer}"] = np.stack(pair)
    return found


def _gates(weights: Mapping[str, np.ndarray], name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Input matrix [3H, inputs], recurrent matrix [3H, H] and biases [6H] of one direction."""
    matrix, bias = weights[f"{name}.input.weight"], weights[f"{name}.input.bias"]
    recurrent = np.concatenate([weights[f"{name}.gates.weight"], weights[f"{name}.candidate.weight"]], 1)
    sign = np.ones(len(bias), np.float32)
    sign[: recurrent.shape[0]] = -1
    return (matrix * sign).T, (recurrent * sign).T, np.concatenate([bias * sign, np.zeros_like(bias)])


def jieba_weights(folder: Path) -> dict[str, np.ndarray]:
    """LAC-small from jieba's `lac_small/model_baseline` (one Paddle 1.x tensor file per parameter).

    Raises MissingWeights when a file is absent or has another shape.
    """
    tensors = {"embedding.weight": read_tensor(folder / "word_emb")}
    for n in range(2 * LAYERS):
        name = f"encoder.{n // 2}.{'backwards' if n % 2 else 'forwards'}"
        tensors[f"{name}.input.weight"] = read_tensor(folder / f"fc_{n}.w_0")
        tensors[f"{name}.input.bias"] = read_tensor(folder / f"fc_{n}.b_0") + read_tensor(folder / f"gru_{n}.b_0")[0]
        gates, candidate = _split_gru(read_tensor(folder / f"gru_{n}.w_0"))
        tensors[f"{name}.gates.weight"], tensors[f"{name}.candidate.weight"] = gates, candidate
    tensors["emission.weight"], tensors["emission.bias"] = (
        read_tensor(folder / "fc_4.w_0"),
        read_tensor(folder / "fc_4.b_0"),
    )
    crf = read_tensor(folder / "crfw")
    return tensors | {"start": crf[0], "end": crf[1], "transitions": crf[2:]}


def _split_gru(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Paddle 1.x stores [H, 2H] (update, reset) and then [H, H] (candidate) one after the other, as one [H, 3H]."""
    hidden, flat = weight.shape[0], weight.reshape(-1)
    cut = 2 * hidden * hidden
    return flat[:cut].reshape(hidden, 2 * hidden), flat[cut:].reshape(hidden, hidden)


def read_tensor(path: Path) -> np.ndarray:
    """A Paddle 1.x LoDTensor file: version, LoD, version, size of a protobuf with the shape, then float32 data."""
    try:
        raw = path.read_bytes()
        size = int.from_bytes(raw[16:20], "little")
        return np.frombuffer(raw, "<f4", offset=20 + size).reshape(_shape(raw[20 : 20 + size]))
    except OSError as error:
        raise MissingWeights(f"缺少 LAC 权重文件 {path}。{_REMEDY}") from error
    except (ValueError, IndexError) as error:
        raise MissingWeights(f"LAC 权重文件 {path} 已损坏。{_REMEDY}") from error


def _shape(message: bytes) -> list[int]:
    """`TensorDesc`: field 1 the data type, then each dimension as field 2 (tag 0x10) and a varint."""
    shape, at = [], 2
    while at < len(message):
        at, value, shift = at + 1, 0, 0
        while True:
            byte = message[at]
            value |= (byte & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if byte < 0x80:
                break
        shape.append(value)
    return shape
