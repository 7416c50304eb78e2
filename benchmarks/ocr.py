"""How well and how fast text is read, beside RapidOCR: `python benchmarks/ocr.py --data DIR --json F`.

DIR holds pictures and gt.tsv: file <TAB> text, the lines of a picture joined by "|". RapidOCR (ONNX Runtime, its own
PP-OCRv4 weights and settings) runs in a virtual environment of its own, made on the first run, or in the one given by
--rapidocr-python. Both get the same decoded pictures and as many threads; they take turns on every picture, after a
warm-up, and a picture's time is the median of --repeats.
  time_ratio_vs_rapidocr   our time for all pictures / RapidOCR's, with the same weights (PP-OCRv4 mobile, ONNX)
  char_recall_ours         share of the letters, digits and characters of gt.tsv found, with the same weights; order of
                           lines, spaces, punctuation, case and full-width forms do not count
  char_recall_rapidocr     the same of RapidOCR
  others                   the two figures of the default weights, and of PP-OCRv4 mobile in Paddle Inference
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import tempfile
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from environments import python_with
from tqdm import tqdm

from paddle_vlm import runtime
from paddle_vlm.vision.image import load_image

with runtime.heavy_imports():
    from paddle_vlm.translation.ocr import DEFAULT_MODELS, TextReader

RAPIDOCR = "rapidocr-onnxruntime==1.4.4"
SAME_WEIGHTS = "PP-OCRv4_mobile_onnx"  # RapidOCR's own files
IN_PADDLE = "PP-OCRv4_mobile"  # the same weights for Paddle Inference

# Runs in RapidOCR's environment: the path of a picture (BGR, .npy) a line in, seconds and text a line of JSON out.
SERVER = """
import json, sys, time
import numpy as np
from rapidocr_onnxruntime import RapidOCR
reader = RapidOCR(intra_op_num_threads=int(sys.argv[1]))
for line in sys.stdin:
    picture = np.load(line.strip())
    begun = time.perf_counter()
    found, _ = reader(picture)
    seconds = time.perf_counter() - begun
    print(json.dumps([seconds, "".join(item[1] for item in found or [])]), flush=True)
"""


@dataclass
class Tally:
    """One reader's characters found and seconds, a median for each picture."""

    found: int = 0
    wanted: int = 0
    seconds: list[float] = field(default_factory=list)

    def add(self, truth: str, text: str, seconds: list[float]) -> None:
        """Count one picture."""
        wanted = characters(truth)
        self.found += (wanted & characters(text)).total()
        self.wanted += wanted.total()
        self.seconds.append(statistics.median(seconds))

    @property
    def recall(self) -> float:
        """Share of the characters that were found."""
        return self.found / max(1, self.wanted)


class RapidOcr:
    """RapidOCR in a process of its own."""

    def __init__(self, python: Path, threads: int) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        self._process = subprocess.Popen(
            [str(python), "-c", SERVER, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=environment,
        )

    def read(self, picture: Path) -> tuple[float, str]:
        """Seconds and text of a picture stored as .npy."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("RapidOCR has no pipes")
        self._process.stdin.write(f"{picture}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise SystemExit(f"RapidOCR 进程意外退出(返回码 {self._process.wait()})。")
        seconds, text = json.loads(answer)
        return seconds, text

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def characters(text: str) -> Counter[str]:
    """Letters, digits and Chinese characters, full-width forms folded, case ignored."""
    return Counter(c for c in unicodedata.normalize("NFKC", text).lower() if c.isalnum())


def truths(folder: Path) -> list[tuple[Path, str]]:
    """Pictures and their texts."""
    table = folder / "gt.tsv"
    if not table.exists():
        raise SystemExit(f"{table} 不存在。每行应为:文件名 <TAB> 文字(各行以 | 隔开)。")
    rows = [line.split("\t", 1) for line in table.read_text(encoding="utf-8").splitlines() if "\t" in line]
    return [(folder / name, text.replace("|", "")) for name, text in rows]


def timed(reader: TextReader, rgb: np.ndarray) -> tuple[float, str]:
    """Seconds and text of one picture."""
    begun = perf_counter()
    lines = reader.read(rgb)
    return perf_counter() - begun, "".join(line.text for line in lines)


def compare(pictures: list[tuple[Path, str]], rapid: RapidOcr, repeats: int) -> dict[str, Tally]:
    """Let the readers take turns on every picture."""
    readers = {
        name: TextReader(name, device="cpu") for name in dict.fromkeys([SAME_WEIGHTS, IN_PADDLE, DEFAULT_MODELS])
    }
    tallies = {name: Tally() for name in [*readers, "rapidocr"]}
    with tempfile.TemporaryDirectory() as temporary:
        stored = Path(temporary) / "picture.npy"
        for path, truth in tqdm(pictures, unit="张"):
            rgb = load_image(path).rgb
            np.save(stored, np.ascontiguousarray(rgb[..., ::-1]))
            runs: dict[str, list[tuple[float, str]]] = {name: [] for name in tallies}
            for _ in range(repeats + 1):  # the first round is the warm-up
                runs["rapidocr"].append(rapid.read(stored))
                for name, reader in readers.items():
                    runs[name].append(timed(reader, rgb))
            for name, tally in tallies.items():
                tally.add(truth, runs[name][-1][1], [seconds for seconds, _ in runs[name][1:]])
    return tallies


def figures(tallies: dict[str, Tally], threads: int) -> dict[str, Any]:
    """The record that is printed and written."""
    rapid, ours = tallies["rapidocr"], tallies[SAME_WEIGHTS]
    return {
        "time_ratio_vs_rapidocr": round(sum(ours.seconds) / sum(rapid.seconds), 4),
        "char_recall_ours": round(ours.recall, 4),
        "char_recall_rapidocr": round(rapid.recall, 4),
        "others": {
            name: {
                "time_ratio_vs_rapidocr": round(sum(tallies[name].seconds) / sum(rapid.seconds), 4),
                "char_recall": round(tallies[name].recall, 4),
            }
            for name in (DEFAULT_MODELS, IN_PADDLE)
        },
        "median_seconds": {name: round(statistics.median(tally.seconds), 4) for name, tally in tallies.items()},
        "seconds": {name: [round(seconds, 3) for seconds in tally.seconds] for name, tally in tallies.items()},
        "pictures": len(rapid.seconds),
        "threads": threads,
        "machine": platform.processor() or platform.machine(),
        "date": date.today().isoformat(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="与 RapidOCR 比较文字识别的速度和召回率")
    parser.add_argument("--data", type=Path, required=True, help="图片和 gt.tsv 所在的文件夹")
    parser.add_argument("--json", type=Path, help="把结果写入此 JSON 文件")
    parser.add_argument("--repeats", type=int, default=3, help="每张图片读几遍,取中位数(默认 3)")
    parser.add_argument("--rapidocr-python", type=Path, help="已装有 RapidOCR 的 Python(默认自动创建虚拟环境)")
    options = parser.parse_args()

    pictures = truths(options.data)
    threads = runtime.cores()
    rapid = RapidOcr(options.rapidocr_python or python_with("rapidocr", RAPIDOCR), threads)
    try:
        record = figures(compare(pictures, rapid, options.repeats), threads)
    finally:
        rapid.close()
    text = json.dumps(record, ensure_ascii=False, indent=2)
    print(text)
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
