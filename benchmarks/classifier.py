"""How fast the article's CNN trains and classifies, beside Keras: `python benchmarks/classifier.py --json F`.

TensorFlow runs in a virtual environment of its own, made on the first run, or in the one given by --keras-python. Both
have the same pictures (random: speed does not depend on them) and as many threads; they take turns, after a warm-up,
and each ratio is the median over --rounds pairs of neighbouring measurements.
  train_ratio_vs_keras       our pictures a second over Keras's `model.fit`: forward, loss, backward, Adam, batch 32,
                             with the loop that tools/train.py uses, its background loading included
  infer_ratio_vs_keras_b1    our pictures a second (exported, Paddle Inference) over a `tf.function`, one at a time
  infer_ratio_vs_keras_b32   the same for batches of 32; numpy arrays in and out on both sides
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from environments import python_with
from tqdm import tqdm

from paddle_vlm import runtime

with runtime.heavy_imports():
    import paddle
    from paddle.static import InputSpec

    from paddle_vlm.data.classification import DataConfig
    from paddle_vlm.data.images import LabelledImages
    from paddle_vlm.inference.export import export
    from paddle_vlm.inference.predictor import Predictor
    from paddle_vlm.training.classify import ClassifyTask, Config
    from paddle_vlm.training.config import TrainConfig
    from paddle_vlm.training.loop import fit, prepare

TENSORFLOW = "tensorflow-cpu==2.21.0"
BATCH, BATCHES, CALLS = 32, 150, {1: 400, 32: 60}  # batches of a training measurement; calls of an inference one

# Runs in TensorFlow's environment: "train" or a batch size a line in, seconds a line out.
SERVER = """
import os, sys, time
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np, tensorflow as tf
threads, batch, batches = map(int, sys.argv[1:4])
calls = {1: int(sys.argv[4]), 32: int(sys.argv[5])}
tf.config.threading.set_intra_op_parallelism_threads(threads)
from tensorflow.keras import layers, models
model = models.Sequential([
    layers.Input((32, 32, 3)),
    layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D(),
    layers.Conv2D(64, 3, activation="relu"), layers.MaxPooling2D(),
    layers.Conv2D(64, 3, activation="relu"), layers.Flatten(),
    layers.Dense(64, activation="relu"), layers.Dense(10),
])
model.compile("adam", tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True))
rng = np.random.default_rng(0)
images = rng.random((batch * batches, 32, 32, 3), np.float32)
labels = rng.integers(0, 10, batch * batches)
class Timer(tf.keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None): self.begun = time.perf_counter()
    def on_epoch_end(self, epoch, logs=None): self.seconds = time.perf_counter() - self.begun
timer = Timer()
infer = tf.function(lambda x: model(x, training=False))
for line in sys.stdin:
    if line.strip() == "train":
        model.fit(images, labels, batch_size=batch, epochs=1, verbose=0, callbacks=[timer])
        seconds = timer.seconds
    else:
        some = images[:int(line)]
        begun = time.perf_counter()
        for _ in range(calls[int(line)]):
            infer(tf.constant(some)).numpy()
        seconds = time.perf_counter() - begun
    print("seconds", seconds, flush=True)
"""


class Keras:
    """Keras in a process of its own."""

    def __init__(self, python: Path, threads: int) -> None:
        arguments = [str(number) for number in (threads, BATCH, BATCHES, CALLS[1], CALLS[32])]
        self._process = subprocess.Popen(
            [str(python), "-c", SERVER, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        )

    def seconds(self, command: str) -> float:
        """How long one measurement took: "train", "1" or "32"."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("Keras has no pipes")
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith("seconds "):
                return float(line.split()[1])
        raise SystemExit(f"Keras 进程意外退出(返回码 {self._process.wait()})。")

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def make_task() -> ClassifyTask:
    """The article's CNN with random pictures."""
    config = Config(
        data=DataConfig(valid_share=0), train=TrainConfig(device="cpu", epochs=1, batch_size=BATCH, visualdl=False)
    )
    prepare(config.train)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (BATCH * BATCHES, 32, 32, 3), np.uint8)
    labels = rng.integers(0, 10, BATCH * BATCHES)
    return ClassifyTask(config, LabelledImages(images, labels, [str(number) for number in range(10)]), None)


def train_seconds(task: ClassifyTask) -> float:
    """One epoch of the project's training loop, without what comes before and after it."""
    with tempfile.TemporaryDirectory() as folder:
        return float(fit(task, task.config.train, Path(folder)).history[0]["seconds"])


def infer_seconds(predictor: Predictor, batch: int) -> float:
    """As many calls as Keras makes."""
    images = np.random.default_rng(0).random((batch, 3, 32, 32), np.float32)
    begun = perf_counter()
    for _ in range(CALLS[batch]):
        predictor.run(images)
    return perf_counter() - begun


def compare(keras: Keras, rounds: int, threads: int) -> dict[str, list[tuple[float, float]]]:
    """(our, Keras's) seconds of each pair of measurements."""
    task = make_task()
    with tempfile.TemporaryDirectory() as folder:
        spec = InputSpec([None, 3, 32, 32], "float32", "images")
        predictor = Predictor(export(make_task().model, [spec], Path(folder)), "cpu", threads)
        measurements: dict[str, Callable[[], float]] = {
            "train": lambda: train_seconds(task),
            "1": lambda: infer_seconds(predictor, 1),
            "32": lambda: infer_seconds(predictor, 32),
        }
        pairs: dict[str, list[tuple[float, float]]] = {name: [] for name in measurements}
        for number in tqdm(range(rounds + 1), unit="轮"):
            for name, measure in measurements.items():
                pair = measure(), keras.seconds(name)
                if number:  # the first round is the warm-up
                    pairs[name].append(pair)
    return pairs


def figures(pairs: dict[str, list[tuple[float, float]]], threads: int) -> dict[str, Any]:
    """The record that is printed and written."""
    pictures = {"train": BATCH * BATCHES, "1": CALLS[1], "32": 32 * CALLS[32]}
    ratios = {name: statistics.median(theirs / ours for ours, theirs in pairs[name]) for name in pairs}
    return {
        "train_ratio_vs_keras": round(ratios["train"], 3),
        "infer_ratio_vs_keras_b1": round(ratios["1"], 3),
        "infer_ratio_vs_keras_b32": round(ratios["32"], 3),
        "images_per_second": {
            name: {
                who: round(pictures[name] / statistics.median(pair[side] for pair in pairs[name]))
                for side, who in enumerate(("ours", "keras"))
            }
            for name in pairs
        },
        "rounds": len(pairs["train"]),
        "threads": threads,
        "paddle": paddle.__version__,
        "keras": TENSORFLOW,
        "machine": platform.processor() or platform.machine(),
        "date": date.today().isoformat(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="与 Keras 比较文中 CNN 的训练和推理速度")
    parser.add_argument("--json", type=Path, help="把结果写入此 JSON 文件")
    parser.add_argument("--rounds", type=int, default=7, help="交替测量的轮数,取中位数(默认 7)")
    parser.add_argument("--keras-python", type=Path, help="已装有 TensorFlow 的 Python(默认自动创建虚拟环境)")
    options = parser.parse_args()

    threads = runtime.cores()
    keras = Keras(options.keras_python or python_with("keras", TENSORFLOW), threads)
    try:
        record = figures(compare(keras, options.rounds, threads), threads)
    finally:
        keras.close()
    text = json.dumps(record, ensure_ascii=False, indent=2)
    print(text)
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
