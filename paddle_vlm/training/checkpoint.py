"""The state of a run on disk: one safetensors file with JSON in its header, whole or not at all, never pickled."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle import nn

from paddle_vlm.models.weights_file import arrays, assign, load_weights, read_tensors, save_weights, write_tensors

__all__ = ["load_state", "load_weights", "read_notes", "restore", "save", "save_weights"]

WEIGHTS = "model.safetensors"
STATE = "state.safetensors"
_KEY = "state"

Tensors = dict[str, np.ndarray]


def save(
    path: Path,
    model: nn.Layer,
    optimizer: paddle.optimizer.Optimizer,
    average: nn.Layer | None,
    state: Mapping[str, Any],
) -> None:
    """Replace `path` by all that a run needs to go on; a failure leaves the old file. Raises OutputError.

    `state` is anything that JSON can hold. No random generator's state is among it: the random numbers of a step follow
    from seed, epoch and step (see `loop.fit`).
    """
    parts = {"model": arrays(model.state_dict()), "optimizer": _moments(optimizer, model)}
    if average is not None:
        parts["average"] = arrays(average.state_dict())
    tensors = {f"{part}/{name}": value for part, values in parts.items() for name, value in values.items()}
    write_tensors(tensors, path, {_KEY: json.dumps(state, default=str)})


def load_state(path: Path) -> tuple[dict[str, Tensors], dict[str, Any]]:
    """({"model", "optimizer", "average"}, state) as `save` wrote them. Raises MissingWeights."""
    tensors, notes = read_tensors(path)
    parts: dict[str, Tensors] = {"model": {}, "optimizer": {}, "average": {}}
    for key, value in tensors.items():
        part, _, name = key.partition("/")
        parts[part][name] = value
    return parts, json.loads(notes[_KEY])


def restore(
    parts: Mapping[str, Tensors], model: nn.Layer, optimizer: paddle.optimizer.Optimizer, average: nn.Layer | None
) -> None:
    """Give model, optimizer and moving average what `load_state` read."""
    assign(model.state_dict(), parts["model"])
    if average is not None:
        assign(average.state_dict(), parts["average"])
    names = {name: parameter.name for name, parameter in model.named_parameters()}
    moments = {}
    for key, value in parts["optimizer"].items():
        place, _, kind = key.rpartition("/")
        moments[f"{names[place]}_{kind}"] = paddle.to_tensor(value)
    optimizer.set_state_dict(moments)


def read_notes(path: Path) -> dict[str, str]:
    """The epoch and the metrics that `best/model.safetensors` was saved with. Raises MissingWeights."""
    return read_tensors(path)[1]


def _moments(optimizer: paddle.optimizer.Optimizer, model: nn.Layer) -> Tensors:
    """Each named after its parameter's place in the model.

    Paddle names them after a counter (`linear_7.w_0_moment1_0`), which differs from process to process.
    """
    places = {parameter.name: name for name, parameter in model.named_parameters()}
    renamed = {}
    for key, value in optimizer.state_dict().items():
        owner = max((own for own in places if key.startswith(f"{own}_")), key=len, default=None)
        if owner is not None:
            renamed[f"{places[owner]}/{key[len(owner) + 1 :]}"] = value
    return arrays(renamed)
