"""A layer's weights on disk: safetensors, whole or not at all, never pickled."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from paddle import Tensor, nn
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from paddle_vlm.errors import MissingWeights
from paddle_vlm.files import write_whole


def save_weights(model: nn.Layer, path: Path, notes: Mapping[str, str] | None = None) -> None:
    """Write the parameters and buffers of `model`; `notes` go into the header. Raises OutputError."""
    write_tensors(arrays(model.state_dict()), path, dict(notes or {}))


def load_weights(model: nn.Layer, path: Path) -> None:
    """Read what `save_weights` wrote (fp16 too). Raises MissingWeights for another network's weights."""
    stored, _ = read_tensors(path)
    expected = model.state_dict()
    absent, strange = sorted(expected.keys() - stored), sorted(stored.keys() - expected)
    if absent or strange:
        detail = f"缺少 {'、'.join(absent[:3])}" if absent else f"多出 {'、'.join(strange[:3])}"
        raise MissingWeights(f"权重 {path} 与模型不符:{detail}。请使用训练它时的配置(model 一节)。")
    for name, value in stored.items():
        if list(value.shape) != list(expected[name].shape):
            raise MissingWeights(
                f"权重 {path} 与模型不符:{name} 的形状是 {list(value.shape)},模型需要 {list(expected[name].shape)}。"
                "请使用训练它时的配置(model 一节)。"
            )
    assign(expected, stored)


def arrays(tensors: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    """The tensors as numpy arrays."""
    return {name: tensor.numpy() for name, tensor in tensors.items()}


def assign(tensors: Mapping[str, Tensor], values: Mapping[str, np.ndarray]) -> None:
    """Set each named tensor to the array of that name, in the tensor's own type."""
    for name, value in values.items():
        tensors[name].set_value(value.astype(tensors[name].numpy().dtype, copy=False))


def write_tensors(tensors: Mapping[str, np.ndarray], path: Path, notes: dict[str, str]) -> None:
    """Replace `path` by a safetensors file with these arrays; a failure leaves the old one. Raises OutputError."""
    write_whole(path, save({name: np.asarray(value, order="C") for name, value in tensors.items()}, notes))


def read_tensors(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays of a safetensors file and the notes in its header. Raises MissingWeights."""
    try:
        with safe_open(str(path), framework="np") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except FileNotFoundError as error:
        raise MissingWeights(f"找不到权重文件 {path}。请检查路径。") from error
    except (OSError, SafetensorError) as error:
        raise MissingWeights(f"无法读取权重文件 {path}:不是完整的 safetensors 文件({error})。") from error
