"""Lines a second of a Marian network beside transformers and CTranslate2: `python benchmarks/translator.py --json F`.

All three run the same random weights of the size of OPUS-MT (6 + 6 layers of width 512, 65,001 pieces) on the same
random lines with beam 4 and the same number of threads. The end piece is forbidden by its bias, so that every line
takes --steps steps in each of them. The others run in a virtual environment of their own, made on the first run, or in
the one given by --python; they take turns, and each ratio is the median over --rounds turns.
  ratio_vs_transformers_b1, _b32    our lines a second over those of transformers on PyTorch, 1 and 32 lines a batch
  ratio_vs_ctranslate2_b1, _b32     over CTranslate2 in float32
  ratio_vs_ctranslate2_int8_b1, …   over CTranslate2 with int8 weights
  without_int8_ratio_vs_…           the same without int8: where the processor has bfloat16, the translator has OpenVINO
                                    compute the logits in int8 and the rest in bfloat16 ("engine" says so)
  onednn_…, float32_ratio_vs_…      the same by oneDNN, and by oneDNN in float32, as where there is no bfloat16
  same_as_transformers_b1, _b32     share of the pieces that both wrote alike; with the same prefixes
"""

import argparse
import json
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from environments import python_with
from tqdm import tqdm

from paddle_vlm import runtime

with runtime.heavy_imports():
    import paddle

    from paddle_vlm.inference.decoder import LARGE, Decoder, export_decoder, export_for_openvino
    from paddle_vlm.inference.openvino import can_decode
    from paddle_vlm.inference.predictor import OneDNN
    from paddle_vlm.models.generation import search
    from paddle_vlm.models.marian import MarianConfig, MarianTranslator
    from paddle_vlm.text.pieces import train_pieces

PACKAGES = ["torch==2.13.0", "transformers==4.57.6", "ctranslate2>=4.5", "sentencepiece", "safetensors"]
BEAM, BATCHES = 4, (1, 32)
OTHERS = ("transformers", "ctranslate2", "ctranslate2_int8")
MODES: dict[str, tuple[Callable[..., Path], OneDNN]] = {  # how the network is exported, how it runs
    "": (export_for_openvino if can_decode() else export_decoder, LARGE),
    "without_int8_": (partial(export_for_openvino, int8=False) if can_decode() else export_decoder, LARGE),
    "onednn_": (export_decoder, LARGE),
    "float32_": (export_decoder, OneDNN(shapes=0)),
}

# Runs in the others' environment: "system lines" in; seconds and the pieces of the first line out.
SERVER = """
import json, sys, time
folder, threads, beam, steps = sys.argv[1], *map(int, sys.argv[2:5])
import ctranslate2, numpy as np, torch
from transformers import MarianMTModel
torch.set_num_threads(threads)
rows = json.load(open(folder + "/lines.json"))
hf = MarianMTModel.from_pretrained(folder).eval()
converter = ctranslate2.converters.TransformersConverter(folder)
ct = {}
for name, kind in (("ctranslate2", "float32"), ("ctranslate2_int8", "int8")):
    converter.convert(folder + "/" + name, quantization=kind, force=True)
    ct[name] = ctranslate2.Translator(folder + "/" + name, device="cpu", compute_type=kind, intra_threads=threads)
pad = hf.config.pad_token_id
def transformers(some):
    width = max(map(len, some))
    ids = torch.tensor([row + [pad] * (width - len(row)) for row in some])
    with torch.no_grad():
        options = {"num_beams": beam, "max_new_tokens": steps, "do_sample": False}
        found = hf.generate(ids, attention_mask=(ids != pad).long(), **options)
    return found[:, 1:].tolist()
def ctranslate(name, some):
    tokens = [[f"t{i}" if i else "</s>" for i in row] for row in some]
    found = ct[name].translate_batch(tokens, beam_size=beam, max_decoding_length=steps, max_batch_size=len(some))
    return [[int(t[1:]) for t in line.hypotheses[0] if t[0] == "t"] for line in found]
print("ready", flush=True)
for line in sys.stdin:
    system, count = line.split()
    some = rows[: int(count)]
    begun = time.perf_counter()
    found = transformers(some) if system == "transformers" else ctranslate(system, some)
    print(json.dumps([time.perf_counter() - begun, found]), flush=True)
"""


def make_model(folder: Path, steps: int) -> None:
    """A Marian folder as Hugging Face has it, with random weights, and lines for it."""
    paddle.seed(0)
    config = MarianConfig()
    model = MarianTranslator(config)
    bias = np.zeros((1, config.vocab_size), np.float32)
    bias[0, [config.eos_token_id, config.pad_token_id]] = -1e4
    model.final_logits_bias.set_value(bias)
    model.source_embedding.weight.set_value(paddle.randn([config.vocab_size, config.d_model]) * config.d_model**-0.5)
    model.save(folder)
    names = ["</s>", "<unk>", *(f"t{n}" for n in range(2, config.vocab_size - 1)), "<pad>"]
    (folder / "vocab.json").write_text(json.dumps({name: n for n, name in enumerate(names)}), encoding="utf-8")
    for side in ("source", "target"):
        train_pieces(["the tokenizer is not used"] * 20, folder / f"{side}.spm", 30)
    (folder / "tokenizer_config.json").write_text("{}", encoding="utf-8")
    generator = np.random.default_rng(0)
    rows = [[*generator.integers(2, 60_000, generator.integers(6, 20)).tolist(), 0] for _ in range(max(BATCHES))]
    (folder / "lines.json").write_text(json.dumps(rows), encoding="utf-8")


class Ours:
    """The project's way: Paddle Inference with cached keys and values."""

    def __init__(self, exported: Path, lines: Path, steps: int, onednn: OneDNN) -> None:
        self.rows, self.steps = json.loads(lines.read_text(encoding="utf-8")), steps
        self.decoder = Decoder(exported, "cpu", onednn=onednn)

    def __call__(self, count: int) -> tuple[float, list[list[int]]]:
        """Seconds and pieces of the first `count` lines."""
        some = self.rows[:count]
        width, pad = max(map(len, some)), MarianConfig.pad_token_id
        source = np.array([row + [pad] * (width - len(row)) for row in some], np.int64)
        begun = perf_counter()
        state = self.decoder.encode(source)
        found = search(self.decoder.step, state, count, start=pad, end=0, max_steps=self.steps, beam=BEAM)
        return perf_counter() - begun, [line.pieces for line in found]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--python", type=Path, help="Python with torch, transformers and ctranslate2")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=24, help="pieces that each line gets")
    args = parser.parse_args()
    python, threads = args.python or python_with("translators", *PACKAGES), runtime.cores()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_model(folder, args.steps)
        command = [str(python), "-c", SERVER, name, str(threads), str(BEAM), str(args.steps)]
        server = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert_ready(server)
        report: dict[str, Any] = {}
        for prefix, (export, onednn) in MODES.items():
            exported = export(MarianTranslator.load(folder), folder / f"{prefix}exported")
            found = compare(Ours(exported, folder / "lines.json", args.steps, onednn), server, args.rounds)
            report |= {prefix + key: value for key, value in found.items()}
            shutil.rmtree(exported)
        server.stdin.close()  # type: ignore[union-attr]
        server.wait()
    report["engine"] = "openvino" if can_decode() else "onednn"
    report |= {"threads": threads, "beam": BEAM, "steps": args.steps, "machine": platform.machine()}
    report["date"] = date.today().isoformat()
    args.json.write_text(json.dumps(report, indent=1), encoding="utf-8")
    print(json.dumps(report, indent=1))


def assert_ready(server: "subprocess.Popen[str]") -> None:
    """Wait until the other systems have loaded."""
    if server.stdout is None or server.stdout.readline().strip() != "ready":
        sys.exit("错误:对照环境没有启动成功。请用 --python 指定装有 torch、transformers、ctranslate2 的 Python。")


def ask(server: "subprocess.Popen[str]", system: str, count: int) -> tuple[float, list[list[int]]]:
    """Seconds and pieces of another system."""
    assert server.stdin and server.stdout  # noqa: S101 - both are pipes
    server.stdin.write(f"{system} {count}\n")
    server.stdin.flush()
    seconds, found = json.loads(server.stdout.readline())
    return seconds, found


def compare(ours: Ours, server: "subprocess.Popen[str]", rounds: int) -> dict[str, Any]:
    """The ratios, from turns taken one after the other."""
    report: dict[str, Any] = {}
    for count in BATCHES:
        written = ours(count)[1]
        theirs = {system: ask(server, system, count)[1] for system in OTHERS}
        equal = [
            a == b for x, y in zip(written, theirs["transformers"], strict=True) for a, b in zip(x, y, strict=True)
        ]
        report[f"same_as_transformers_b{count}"] = round(float(np.mean(equal)), 4)
        ratios: dict[str, list[float]] = {system: [] for system in OTHERS}
        speeds = []
        for _ in tqdm(range(rounds), desc=f"batch {count}"):
            own = ours(count)[0]
            speeds.append(count / own)
            for system in OTHERS:
                ratios[system].append(ask(server, system, count)[0] / own)
        report |= {f"ratio_vs_{s}_b{count}": round(statistics.median(values), 3) for s, values in ratios.items()}
        report[f"lines_per_second_b{count}"] = round(statistics.median(speeds), 2)
    return report


if __name__ == "__main__":
    main()
