"""What each trick of docs/zh/cpu_training.md gives, on a CPU: `python benchmarks/layers.py --json F`.

operators   milliseconds of single operators, forwards and backwards unless said otherwise: Paddle's own, then ours;
            batch 32 of the article's CNN unless the shape says otherwise; the median of --seconds of runs
steps       images a second of the article's CNN (forward, loss, backward, Adam, batch 32) after each trick, one
            process each; the median of --rounds, in which the steps take turns
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from time import perf_counter
from typing import Any

from paddle_vlm import runtime

with runtime.heavy_imports():
    import paddle
    from paddle import Tensor, nn
    from paddle.nn import functional as F

    from paddle_vlm.models import layers, onednn_ops
    from paddle_vlm.models.cnn import ArticleCNN, ArticleCNNConfig
    from paddle_vlm.training.config import TrainConfig
    from paddle_vlm.training.optim import make_optimizer

BATCH = 32
# What paddle_vlm sets in the environment, taken back; each step leaves one more of them alone.
PLAIN = {"OMP_NUM_THREADS": "1", "MKL_DEBUG_CPU_TYPE": "0", "MALLOC_MMAP_THRESHOLD_": "131072"}


class UnfoldConv2D(nn.Conv2D):
    """Every window as one line, then one matrix product with the bias in it (Chellapilla et al. 2006)."""

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, H, W] -> [B, outputs, H - 2, W - 2]."""
        columns = F.unfold(x, 3)  # [B, inputs * 9, places]
        columns = paddle.concat([columns, paddle.ones([len(columns), 1, columns.shape[2]])], 1)
        weight = paddle.concat([self.weight.flatten(1), self.bias.unsqueeze(1)], 1)
        side = x.shape[2] - 2
        return paddle.matmul(weight, columns).reshape([len(x), -1, side, side])


class Network(nn.Layer):
    """The article's CNN as a Paddle user would write it."""

    def __init__(self, convolution: type[nn.Conv2D] = nn.Conv2D, pooling: type[nn.MaxPool2D] = nn.MaxPool2D) -> None:
        super().__init__()
        self.convs = nn.LayerList([convolution(3, 32, 3), convolution(32, 64, 3), convolution(64, 64, 3)])
        self.pool = pooling(2)
        self.turn = pooling is layers.MaxPool2D  # else the usual order between the layers
        self.dense = nn.LayerList([layers.Linear(1024, 64), layers.Linear(64, 10)])

    def forward(self, x: Tensor) -> Tensor:
        """[B, 3, 32, 32] -> [B, 10]."""
        x = layers.channels_last(x) if self.turn else x
        for conv in self.convs[:2]:
            x = self.pool(layers.relu(conv(x)))
        x = layers.flatten(layers.relu(self.convs[2](x)))
        return self.dense[1](F.relu(self.dense[0](x)))


class ReluLast(Network):
    """Pooling before the ReLU."""

    def forward(self, x: Tensor) -> Tensor:
        """[B, 3, 32, 32] -> [B, 10]."""
        x = layers.channels_last(x)
        for conv in self.convs[:2]:
            x = layers.relu(self.pool(conv(x)))
        x = layers.flatten(layers.relu(self.convs[2](x)))
        return self.dense[1](F.relu(self.dense[0](x)))


# Name -> environment, network, whether Adam updates all parameters at once.
STEPS: dict[str, tuple[dict[str, str], Callable[[], nn.Layer], bool]] = {
    "开箱即用:一个线程,paddle.nn": (PLAIN, Network, False),
    "线程数等于核数,AMD 上 MKL 走快路": ({"MALLOC_MMAP_THRESHOLD_": "131072"}, Network, False),
    "释放的内存留着再用(mallopt)": ({}, Network, False),
    "卷积改为 unfold + 矩阵乘,偏置放进矩阵": ({}, lambda: Network(UnfoldConv2D), False),
    "卷积改用 oneDNN": ({}, lambda: Network(layers.Conv2D), False),
    "池化也用 oneDNN,其间不再复制": ({}, lambda: Network(layers.Conv2D, layers.MaxPool2D), False),
    "先池化,后 ReLU": ({}, lambda: ReluLast(layers.Conv2D, layers.MaxPool2D), False),
    "不算没有用到的边缘像素(ArticleCNN)": ({}, lambda: ArticleCNN(ArticleCNNConfig()), False),
    "Adam 一次更新所有参数(训练循环所用)": ({}, lambda: ArticleCNN(ArticleCNNConfig()), True),
}


def median_ms(run: Callable[[], object], seconds: float) -> float:
    """Milliseconds of a call, after a warm-up."""
    run()
    times: list[float] = []
    end = perf_counter() + seconds
    while perf_counter() < end or len(times) < 5:
        begun = perf_counter()
        run()
        times.append(perf_counter() - begun)
    return 1000 * statistics.median(times)


def both_ways(function: Callable[[Tensor], Tensor], *shape: int, turned: bool = False) -> Callable[[], object]:
    """A call that computes the result and every gradient; `turned`: of pictures with the channels last in memory."""

    order = [0, 2, 3, 1] if turned else list(range(len(shape)))
    back = [order.index(axis) for axis in range(len(shape))]
    x = paddle.randn([shape[axis] for axis in order])
    x.stop_gradient = False

    def forward() -> Tensor:
        inner = F.relu(x)  # a network's layers get what another one made; a leaf would sum its gradients up
        return function(inner.transpose(back) if turned else inner)

    def run() -> None:
        y = forward()
        (y.transpose(order) if turned else y).backward(gradient)
        x.clear_gradient(False)

    shape = tuple(forward().shape)
    gradient = paddle.randn([shape[axis] for axis in order[: len(shape)]])
    return run


def operators() -> dict[str, dict[str, Callable[[], object]]]:
    """Operator -> way -> call."""
    found: dict[str, dict[str, Callable[[], object]]] = {}
    for inputs, outputs, side in ((3, 32, 32), (32, 64, 15), (64, 64, 6)):
        found[f"卷积 {inputs} -> {outputs},{side} x {side}"] = {
            "nn.Conv2D": both_ways(nn.Conv2D(inputs, outputs, 3), BATCH, inputs, side, side),
            "unfold + matmul": both_ways(UnfoldConv2D(inputs, outputs, 3), BATCH, inputs, side, side),
            "oneDNN": both_ways(layers.Conv2D(inputs, outputs, 3), BATCH, inputs, side, side, turned=True),
        }
    found["最大池化 32 x 30 x 30"] = {
        "nn.MaxPool2D": both_ways(nn.MaxPool2D(2), BATCH, 32, 30, 30),
        "oneDNN": both_ways(layers.MaxPool2D(2), BATCH, 32, 30, 30, turned=True),
    }
    found["批归一化 + ReLU 48 x 15 x 15,128 张"] = {
        "nn.BatchNorm2D + F.relu": both_ways(nn.Sequential(nn.BatchNorm2D(48), nn.ReLU()), 128, 48, 15, 15),
        "oneDNN": both_ways(layers.BatchNorm2D(48, relu=True), 128, 48, 15, 15, turned=True),
    }
    first, last = paddle.randn([BATCH, 32, 30, 30]), paddle.randn([BATCH, 30, 30, 32])
    bias = paddle.randn([32])
    found["加偏置 32 x 30 x 30(只算前向)"] = {
        "通道在前,广播": lambda: first + bias.reshape([1, 32, 1, 1]),
        "通道在后,广播": lambda: last + bias,
    }
    found["改变内存顺序 32 x 30 x 30(只算前向)"] = {
        "Tensor.contiguous": lambda: last.transpose([0, 3, 1, 2]).contiguous(),
        "oneDNN": lambda: onednn_ops.packed(last.transpose([0, 3, 1, 2])),
    }
    for rows, inputs, outputs in ((32, 1024, 64), (1536, 256, 1024)):
        found[f"全连接 {rows} x {inputs} x {outputs}"] = {
            "nn.Linear": both_ways(nn.Linear(inputs, outputs), rows, inputs),
            "layers.Linear": both_ways(layers.Linear(inputs, outputs), rows, inputs),
        }
    return found


def time_operators(seconds: float) -> dict[str, dict[str, float]]:
    """Milliseconds of each way of each operator."""
    return {
        name: {way: round(median_ms(run, seconds), 3) for way, run in ways.items()}
        for name, ways in operators().items()
    }


def images_per_second(step: str, seconds: float) -> float:
    """Of the article's CNN, in this process."""
    _, make, at_once = STEPS[step]
    paddle.set_device("cpu")
    paddle.seed(0)
    network = make()
    if at_once:
        optimizer = make_optimizer(TrainConfig(), network)
    else:
        optimizer = paddle.optimizer.Adam(1e-3, parameters=network.parameters())
    images, labels = paddle.randn([BATCH, 3, 32, 32]), paddle.randint(0, 10, [BATCH])

    def run() -> None:
        loss = F.cross_entropy(network(images), labels)
        loss.backward()
        optimizer.step()
        optimizer.clear_grad(set_to_zero=False)

    for _ in range(3):
        run()
    return 1000 * BATCH / median_ms(run, seconds)


def time_steps(seconds: float, rounds: int) -> dict[str, int]:
    """Images a second after each step, in processes of their own."""
    measured: dict[str, list[float]] = {step: [] for step in STEPS}
    bare = {name: value for name, value in os.environ.items() if name not in PLAIN}
    for _ in range(rounds):
        for step, (environment, _, _) in STEPS.items():
            command = [sys.executable, __file__, "--step", step, "--seconds", str(seconds)]
            answer = subprocess.run(command, env=bare | environment, capture_output=True, text=True, check=True)
            measured[step].append(float(answer.stdout))
    return {step: round(statistics.median(values)) for step, values in measured.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description="逐个算子、逐步测量 CPU 训练的提速")
    parser.add_argument("--json", type=Path, help="把结果写入此 JSON 文件")
    parser.add_argument("--seconds", type=float, default=1.0, help="每项测量多久(默认 1 秒)")
    parser.add_argument("--rounds", type=int, default=3, help="各步轮流测几遍,取中位数(默认 3)")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        print(images_per_second(options.step, options.seconds))
        return

    runtime.device("cpu")
    record: dict[str, Any] = {
        "steps_images_per_second": time_steps(options.seconds, options.rounds),
        "operators_ms": time_operators(options.seconds),
        "threads": runtime.cores(),
        "machine": platform.processor() or platform.machine(),
        "date": date.today().isoformat(),
    }
    text = json.dumps(record, ensure_ascii=False, indent=2)
    print(text)
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
