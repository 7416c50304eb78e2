"""The search encoders beside PyTorch and ONNX Runtime: `python benchmarks/encoders.py --json F`.

The same weights on the same inputs with the same number of threads: pictures of 224 x 224 pixels and random texts of 16
characters, as numbers. The others run in a virtual environment of their own, made on the first run, or in the one given
by --python. They take turns of CALLS calls, with a pause before each turn, for the threads of the one before wait
actively for a while; the median call of a turn counts, and each ratio is the median over --rounds turns.
  ratio_{image,text}_vs_{torch,onnxruntime}_b{1,16}   our inputs a second over theirs; pictures in bfloat16, as in the
                                                       search, where the processor can ("pictures_in" says so), and
                                                       texts by OpenVINO where it can be had ("texts_by" says so)
  ratio_image_float32_vs_…                             pictures in float32
  ratio_text_paddle_vs_…                               texts by Paddle's own operators
  difference_…                                         the greatest difference of an element of the first vector
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

import numpy as np
from environments import python_with
from tqdm import tqdm

from paddle_vlm import runtime

with runtime.heavy_imports():
    from paddle_vlm.inference.openvino import has_bfloat16, has_openvino
    from paddle_vlm.inference.predictor import OneDNN, Predictor
    from paddle_vlm.models.search import SearchNetwork
    from paddle_vlm.retrieval.encoder import export_parts
    from paddle_vlm.weights import fetch

PACKAGES = ["torch==2.13.0", "onnx", "onnxruntime", "onnxscript", "safetensors", "numpy"]
SYSTEMS, BATCHES, LENGTH, WARM, PAUSE, CALLS = ("torch", "onnxruntime"), (1, 16), 16, 3, 0.05, 5
Inputs = dict[tuple[str, int], dict[str, np.ndarray]]  # of a part and a batch size: arrays by name
Ask = Callable[[str, str, int], tuple[float, np.ndarray]]


def make_inputs(model: SearchNetwork, folder: Path) -> Inputs:
    """Random inputs of each encoder and batch size, written for the others to read."""
    random, size, dual = np.random.default_rng(0), model.config.dual.size, model.config.dual
    inputs: Inputs = {}
    for batch in BATCHES:
        inputs["image", batch] = {"pixels": random.integers(0, 256, (batch, size, size, 3)).astype(np.uint8)}
        counts = {"characters": dual.characters, "words": dual.words}
        inputs["text", batch] = {name: random.integers(1, count, (batch, LENGTH)) for name, count in counts.items()}
    for (name, batch), arrays in inputs.items():
        np.savez(folder / f"{name}-{batch}.npz", **arrays)  # type: ignore[arg-type]
    return inputs


def compare(own: dict[str, Predictor], inputs: Inputs, ask: Ask, rounds: int) -> dict[str, Any]:
    """The ratios and the greatest differences."""
    report: dict[str, Any] = {}
    for name, predictor in own.items():
        part, differences = name.partition("_")[0], []
        for batch in BATCHES:
            arrays = list(inputs[part, batch].values())
            ratios: dict[str, list[float]] = {system: [] for system in SYSTEMS}
            for turn in tqdm(range(WARM + rounds), desc=f"{name}, batch {batch}", disable=None):
                sleep(PAUSE)
                times = []
                for _ in range(CALLS):
                    begun = perf_counter()
                    vectors = predictor.run(*arrays)[0]
                    times.append(perf_counter() - begun)
                mine = statistics.median(times)
                for system in SYSTEMS:
                    sleep(PAUSE)
                    theirs, first = ask(system, part, batch)
                    differences.append(float(np.abs(vectors[0] - first).max()))
                    if turn >= WARM:
                        ratios[system].append(theirs / mine)
            report |= {f"ratio_{name}_vs_{s}_b{batch}": round(statistics.median(each), 3) for s, each in ratios.items()}
        report[f"difference_{name}"] = max(differences)
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--model", default="search", help="a model with a GRU or a Transformer as its text encoder")
    parser.add_argument("--python", type=Path, help="Python with torch, onnxruntime, onnx and onnxscript")
    parser.add_argument("--rounds", type=int, default=20)
    args = parser.parse_args()
    python, threads = args.python or python_with("encoders", *PACKAGES), runtime.cores()
    folder = fetch(args.model)
    with tempfile.TemporaryDirectory() as name:
        model = SearchNetwork.load(folder)
        compiled = has_openvino() and model.config.dual.text != "gru"
        for part, flag in (("openvino", compiled), ("paddle", False)):
            export_parts(model, Path(name) / part, flag)
        inputs = make_inputs(model, Path(name))
        script = Path(__file__).with_name("encoders_elsewhere.py")
        server = subprocess.Popen(
            [str(python), str(script), str(folder.resolve()), str(threads), str(CALLS)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=name,
        )  # fmt: skip
        assert server.stdin and server.stdout  # noqa: S101 - both are pipes
        reader, writer = server.stdout, server.stdin
        if reader.readline().strip() != "ready":
            sys.exit(f"错误:对照环境没有启动成功。请用 --python 指定装有 {'、'.join(PACKAGES)} 的 Python。")

        def ask(system: str, part: str, batch: int) -> tuple[float, np.ndarray]:
            print(system, part, batch, file=writer, flush=True)
            seconds, first = json.loads(reader.readline())
            return seconds, np.array(first, np.float32)

        own = {
            "image": Predictor(Path(name) / "paddle/image", "cpu", onednn=OneDNN(half=True)),  # as SearchModel has it
            "image_float32": Predictor(Path(name) / "paddle/image", "cpu"),
            "text": Predictor(Path(name) / "openvino/text", "cpu", onednn=False),
            "text_paddle": Predictor(Path(name) / "paddle/text", "cpu", onednn=False),
        }
        report = compare(own, inputs, ask, args.rounds)
        writer.close()
        server.wait()
    report["pictures_in"] = "bfloat16" if has_bfloat16() else "float32"
    report["texts_by"] = "openvino" if compiled else "paddle"
    report |= {"threads": threads, "machine": platform.machine(), "date": date.today().isoformat()}
    args.json.write_text(json.dumps(report, indent=1), encoding="utf-8")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
