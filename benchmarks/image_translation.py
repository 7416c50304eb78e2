"""How well and how fast pictures are translated: `python benchmarks/image_translation.py --data DIR --json F`.

DIR is any folder of pictures. Every result is read again by OCR:
  residual_chinese  Chinese characters still read in the results / Chinese characters read in the originals
  reread_words      share of the English words that were set that OCR reads at their place (spaces and case ignored)
  overlaps          pairs of set regions that overlap by more than a pixel
  median_seconds    warm median of translating one picture, from file to finished pixels
  cold_seconds      a fresh process from start to file written, median of three
  peak_mb           peak resident memory of this process
  soak_growth       with --soak N: growth of resident memory over the second half of N pictures of different sizes
"""

import argparse
import json
import platform
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import date
from itertools import combinations
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from paddle_vlm import ImageTranslator, runtime
from paddle_vlm.apps.image_translation import TranslatedImage
from paddle_vlm.translation.ocr import TextLine
from paddle_vlm.vision.image import list_images

HAN = re.compile("[\u3400-\u9fff]")
WORD = re.compile(r"[A-Za-z0-9]+")
ROOT = Path(__file__).resolve().parents[1]


@dataclass
class Tally:
    """Counts summed over the pictures."""

    chinese: int = 0
    residual: int = 0
    words: int = 0
    reread: int = 0
    overlaps: int = 0

    @classmethod
    def of(cls, result: TranslatedImage, before: list[TextLine], after: list[TextLine]) -> "Tally":
        """The counts of one picture; `before` and `after` are what OCR reads in the original and in the result."""
        placed = [(r.translation.text, r.placement.polygon) for r in result.regions if r.placement is not None]
        read = [words_read(text, polygon, after) for text, polygon in placed]
        return cls(
            chinese=sum(len(HAN.findall(line.text)) for line in before),
            residual=sum(len(HAN.findall(line.text)) for line in after),
            words=sum(total for total, _ in read),
            reread=sum(found for _, found in read),
            overlaps=sum(overlap_area(a, b) > 1.0 for (_, a), (_, b) in combinations(placed, 2)),
        )

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(*(a + b for a, b in zip(vars(self).values(), vars(other).values(), strict=True)))


def words_read(text: str, polygon: np.ndarray, lines: list[TextLine]) -> tuple[int, int]:
    """(words set, words read back); each piece of read text serves one word only."""
    area = polygon.astype(np.float32)
    reach = 0.1 * float(np.sqrt(max(1.0, cv2.contourArea(area))))
    middles = [tuple(map(float, line.polygon.mean(0))) for line in lines]
    near = [
        line for line, middle in zip(lines, middles, strict=True) if cv2.pointPolygonTest(area, middle, True) > -reach
    ]
    read = "\n".join("".join(WORD.findall(line.text)) for line in near).lower()
    wanted = sorted((w.lower() for w in WORD.findall(text)), key=len, reverse=True)
    found = 0
    for word in wanted:
        if word in read:
            read, found = read.replace(word, "\n", 1), found + 1
    return len(wanted), found


def overlap_area(a: np.ndarray, b: np.ndarray) -> float:
    """Area in pixels shared by two convex quadrilaterals."""
    return float(cv2.intersectConvexConvex(a.astype(np.float32), b.astype(np.float32))[0])


def cold_seconds(picture: Path, runs: int = 3) -> float:
    """Median wall time of the command in a fresh process."""
    times = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(runs):
            begun = time.perf_counter()
            subprocess.run(
                [sys.executable, ROOT / "tools" / "infer.py", "translate", picture, "-o", f"{folder}/out.png"],
                check=True, capture_output=True,
            )  # fmt: skip
            times.append(time.perf_counter() - begun)
    return statistics.median(times)


def soak(translator: ImageTranslator, pictures: list[Path], count: int) -> float:
    """Translate `count` pictures of different sizes; relative growth of resident memory over the second half."""
    generator = np.random.default_rng(0)
    half = 0
    for number in tqdm(range(count), desc="内存稳定性", unit="张"):
        image = cv2.imread(str(pictures[number % len(pictures)]))
        scale = float(generator.uniform(0.5, 1.5)) * 1000 / max(image.shape[:2])
        translator.translate(np.ascontiguousarray(cv2.resize(image, None, fx=scale, fy=scale)[..., ::-1]))
        if number == count // 2 - 1:
            half = resident_bytes()
    return resident_bytes() / half - 1


def resident_bytes() -> int:
    """Resident memory of this process (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--out", type=Path, help="keep the results here, to look at")
    parser.add_argument("--soak", type=int, default=0, metavar="N")
    args = parser.parse_args()
    pictures = list_images([str(args.data)])
    translator = ImageTranslator()
    translator.translate(pictures[0])
    tally, seconds, each = Tally(), [], []
    for picture in tqdm(pictures, desc="翻译", unit="张"):
        begun = time.perf_counter()
        result = translator.translate(picture)
        seconds.append(time.perf_counter() - begun)
        before, after = translator.read(result.original.rgb), translator.read(result.rgb)
        mine = Tally.of(result, before, after)
        tally = tally + mine
        each.append({"image": picture.name, "seconds": round(seconds[-1], 3), **vars(mine)})
        if args.out:
            args.out.mkdir(parents=True, exist_ok=True)
            result.save_comparison(args.out / f"{picture.stem}.jpg")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    figures: dict[str, Any] = {
        "pictures": len(pictures),
        "residual_chinese": round(tally.residual / max(1, tally.chinese), 4),
        "reread_words": round(tally.reread / max(1, tally.words), 4),
        "overlaps": tally.overlaps,
        "median_seconds": round(statistics.median(seconds), 3),
        "cold_seconds": round(cold_seconds(pictures[0]), 2),
        "peak_mb": round(peak),
    }
    if args.soak:
        figures["soak_growth"] = round(soak(translator, pictures, args.soak), 4)
        figures["soak_peak_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    figures |= {
        "cores": runtime.cores(),
        "machine": platform.processor() or platform.machine(),
        "date": str(date.today()),
    }
    args.json.write_text(json.dumps({**figures, "each": each}, ensure_ascii=False, indent=1), encoding="utf-8")
    print(json.dumps(figures, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
