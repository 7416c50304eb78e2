"""The search model's two encoders in PyTorch and in ONNX Runtime, for `encoders.py`; runs in their own environment.

    python encoders_elsewhere.py MODEL_FOLDER THREADS CALLS

On stdin "system part batch", with `{part}-{batch}.npz` in the current folder as its input; on stdout the seconds of
the median of CALLS calls and the first vector.
"""

import io
import json
import statistics
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np
import onnxruntime
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

Weights = dict[str, Tensor]


class ImageEncoder(nn.Module):
    """EfficientNet-Lite and the head, from the project's weights."""

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.names = list(weights)
        self.store = nn.ParameterList([nn.Parameter(each, requires_grad=False) for each in weights.values()])
        self.blocks = 1 + max(int(name.split(".")[3]) for name in weights if name.startswith("dual.trunk.blocks."))
        self.strides = _strides(weights, self.blocks)

    def forward(self, pixels: Tensor) -> Tensor:
        """uint8 [B, H, W, 3] -> unit vectors [B, dim]."""
        w = dict(zip(self.names, self.store, strict=True))
        x = _conv_norm(w, "dual.trunk.stem", pixels.permute(0, 3, 1, 2).float() / 127.5 - 1, 2)
        for number in range(self.blocks):
            name = f"dual.trunk.blocks.{number}"
            y = _conv_norm(w, f"{name}.expand", x) if f"{name}.expand.conv.weight" in w else x
            y = _conv_norm(w, f"{name}.depthwise", y, self.strides[number])
            y = _conv_norm(w, f"{name}.project", y, linear=True)
            x = x + y if self.strides[number] == 1 and x.shape[1] == y.shape[1] else y
        x = _conv_norm(w, "dual.trunk.head", x).mean([2, 3])
        x = (x - w["dual.image_head.centre"]) / w["dual.image_head.spread"]
        down = _linear(w, "dual.image_head.down", F.gelu(_linear(w, "dual.image_head.up", x)))
        return F.normalize(_linear(w, "dual.image_head.short", x) + down, dim=-1)


class TextEncoder(nn.Module):
    """Characters and words -> GRU or Transformer -> one vector; the texts of a batch are equally long."""

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        body = {name.removeprefix("dual.text.body."): value for name, value in weights.items() if ".body." in name}
        self.names = [name for name in weights if ".body." not in name]
        self.store = nn.ParameterList([nn.Parameter(weights[name], requires_grad=False) for name in self.names])
        self.body = GRUBody(body) if "gru.weight_hh_l0" in body else TransformerBody(body)

    def forward(self, characters: Tensor, words: Tensor) -> Tensor:
        """int64 [B, T] each -> unit vectors [B, dim]."""
        w = dict(zip(self.names, self.store, strict=True))
        meanings = _linear(w, "dual.text.widen", F.embedding(words, w["dual.text.words.weight"]))
        states = self.body(F.embedding(characters, w["dual.text.characters.weight"]) + meanings)
        chosen = F.softmax(_linear(w, "dual.text.attention", states), 1)
        parts = [(chosen * states).sum(1), states.mean(1), meanings.mean(1)]
        return F.normalize(_linear(w, "dual.text.head", torch.cat(parts, -1)), dim=-1)


class GRUBody(nn.Module):
    def __init__(self, weights: Weights) -> None:
        super().__init__()
        hidden, width = weights["gru.weight_hh_l0"].shape[1], weights["gru.weight_ih_l0"].shape[1]
        self.gru = nn.GRU(width, hidden, batch_first=True, bidirectional=True)
        self.load_state_dict({name: weights[name] for name in self.state_dict()})

    def forward(self, x: Tensor) -> Tensor:
        return self.gru(x)[0]


class TransformerBody(nn.Module):
    """Pre-norm; the products for queries, keys and values are one."""

    def __init__(self, weights: Weights, heads: int = 4) -> None:
        super().__init__()
        count = 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("layers."))
        self.positions = nn.Parameter(weights["positions.weight"])
        names = ("norm1", "qkv", "out", "norm2", "up", "down")
        layers = [{name: _module(weights, f"layers.{n}.{name}") for name in names} for n in range(count)]
        self.heads, self.layers = heads, nn.ModuleList(map(nn.ModuleDict, layers))
        self.norm = _module(weights, "norm")

    def forward(self, x: Tensor) -> Tensor:
        rows, steps, width = x.shape
        x = x + self.positions[:steps]
        for layer in self.layers:
            qkv = layer["qkv"](layer["norm1"](x)).view(rows, steps, 3, self.heads, width // self.heads)
            seen = F.scaled_dot_product_attention(*qkv.permute(2, 0, 3, 1, 4))
            x = x + layer["out"](seen.transpose(1, 2).reshape(rows, steps, width))
            x = x + layer["down"](F.gelu(layer["up"](layer["norm2"](x))))
        return self.norm(x)


def _module(weights: Weights, name: str) -> nn.Module:
    """The Linear or LayerNorm with these weights; Paddle stores matrices [inputs, outputs]."""
    weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
    module: nn.Module = nn.LayerNorm(len(weight), eps=1e-5) if weight.ndim == 1 else nn.Linear(*weight.shape)
    module.load_state_dict({"weight": weight.T.contiguous(), "bias": bias})
    return module


def _conv_norm(w: Weights, name: str, x: Tensor, stride: int = 1, linear: bool = False) -> Tensor:
    """Convolution padded as TensorFlow does, batch normalisation, ReLU6 unless `linear`."""
    weight = w[f"{name}.conv.weight"]
    kernel, groups = weight.shape[-1], x.shape[1] // weight.shape[1]
    missing = max((-(-x.shape[-1] // stride) - 1) * stride + kernel - x.shape[-1], 0)
    if missing:
        x = F.pad(x, [missing // 2, missing - missing // 2] * 2)
    x = F.conv2d(x, weight, None, stride, groups=groups)
    mean, variance = w[f"{name}.norm._mean"], w[f"{name}.norm._variance"]
    x = F.batch_norm(x, mean, variance, w[f"{name}.norm.weight"], w[f"{name}.norm.bias"], eps=1e-3)
    return x if linear else F.relu6(x)


def _linear(w: Weights, name: str, x: Tensor) -> Tensor:
    return x @ w[f"{name}.weight"] + w[f"{name}.bias"]


def _strides(weights: Weights, blocks: int) -> list[int]:
    """A stage begins where the number of channels changes; these stages halve height and width."""
    outputs = [weights[f"dual.trunk.blocks.{n}.project.conv.weight"].shape[0] for n in range(blocks)]
    starts = [n for n in range(blocks) if n == 0 or outputs[n] != outputs[n - 1]]
    halving = {start for start, stride in zip(starts, (1, 2, 2, 2, 1, 2, 1), strict=True) if stride == 2}
    return [2 if n in halving else 1 for n in range(blocks)]


def onnx_runner(model: nn.Module, inputs: dict[str, np.ndarray], threads: int) -> Callable[..., np.ndarray]:
    """The same network as an ONNX Runtime session for inputs of these shapes."""
    file = io.BytesIO()
    example = tuple(torch.from_numpy(each) for each in inputs.values())
    torch.onnx.export(model, example, file, input_names=list(inputs), dynamo=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(file.getvalue(), options, providers=["CPUExecutionProvider"])
    return lambda **given: session.run(None, given)[0]


def _eager(model: nn.Module, **inputs: Tensor) -> np.ndarray:
    return model(*inputs.values()).numpy()


def main() -> None:
    folder, threads, calls = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(threads)
    torch.set_grad_enabled(False)
    stored = {name: value.float() for name, value in load_file(folder / "model.safetensors").items()}
    parts: dict[str, nn.Module] = {
        "image": ImageEncoder({k: v for k, v in stored.items() if k.startswith(("dual.trunk.", "dual.image_head."))}),
        "text": TextEncoder({k: v for k, v in stored.items() if k.startswith("dual.text.")}),
    }
    for part in parts.values():
        part.eval()
    sessions: dict[tuple[str, int], Callable[..., np.ndarray]] = {}
    print("ready", flush=True)
    for line in sys.stdin:
        system, name, batch = line.split()
        inputs = dict(np.load(f"{name}-{batch}.npz"))
        if system == "onnxruntime":
            if (name, int(batch)) not in sessions:
                sessions[name, int(batch)] = onnx_runner(parts[name], inputs, threads)
            run, given = sessions[name, int(batch)], inputs
        else:
            run, given = partial(_eager, parts[name]), {k: torch.from_numpy(v) for k, v in inputs.items()}
        times = []
        for _ in range(calls):
            begun = perf_counter()
            found = run(**given)
            times.append(perf_counter() - begun)
        print(json.dumps([statistics.median(times), found[0].tolist()]), flush=True)


if __name__ == "__main__":
    main()
