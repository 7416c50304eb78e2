"""Text lines of a picture, read by PaddleOCR 3.7's detection and recognition models."""

import queue
import re
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from paddleocr import TextDetection, TextRecognition

from paddle_vlm import runtime, weights
from paddle_vlm.translation.line_crops import rectify, side_lengths, unstack

Orientation = Literal["horizontal", "vertical"]

DEFAULT_MODELS = "PP-OCRv6_small"

_TALL = 1.5  # height over width from which a box is a column or a turned line
_UNSURE = 0.85  # upside-down lines read as at most 0.82, right ones as at least 0.92; between lies only poor print
_WIDTHS = [round(64 * 1.25**step / 32) * 32 for step in range(1, 18)]  # of strips that oneDNN reads


@dataclass(frozen=True, eq=False)
class TextLine:
    """One line of text.

    `polygon` is float32 [4, 2] in pixels, clockwise from the corner at the glyph tops where reading starts (the top
    left as the text is read); "vertical" means characters stacked upright, read downwards. `score` is 0..1.
    """

    polygon: np.ndarray
    text: str
    score: float
    orientation: Orientation


class TextReader:
    """Finds and reads the text in pictures. Safe to use from several threads.

    Args:
        det: a pair of models ("PP-OCRv6_small", "PP-OCRv4_mobile", ...), one PaddleOCR detection model, or the local
            folder of one.
        rec: a recognition model or its folder; by default the one that belongs to `det`.
        device: "auto", "cpu" or "gpu".
        min_score: lines that the recogniser is less sure of are dropped.
        max_side: the longer side of what the detector sees, in pixels; more finds smaller text and takes longer. By
            default 832, and up to 1280 for pictures of more than 1540.

    Raises MissingWeights for models that are not there and cannot be fetched.
    """

    def __init__(
        self,
        det: str | Path = DEFAULT_MODELS,
        rec: str | Path | None = None,
        *,
        device: str = "auto",
        min_score: float = 0.5,
        max_side: int | None = None,
    ) -> None:
        det, rec = _model_names(det, rec)
        device = runtime.device(device)
        self._detector = TextDetection(**_model_arguments(det, device, threads=runtime.cores(), shapes=2))
        self._detector_lock = threading.Lock()
        self._recognisers = _Recognisers(rec, device)
        self._min_score, self._max_side = min_score, max_side

    def read(self, rgb: np.ndarray) -> list[TextLine]:
        """The text lines of a picture uint8 [H, W, 3] RGB, from top to bottom; [] where there is no text."""
        boxes = self._detect(rgb)
        readings = self._read_views(rgb, [_usual_views(box) for box in boxes])
        unsure = [i for i, options in enumerate(readings) if _may_be_turned(options[0])]
        for i, options in zip(unsure, self._read_views(rgb, [[_turned_view(boxes[i])] for i in unsure]), strict=True):
            readings[i] += options
        lines = [_choose(options) for options in readings]
        lines = [line for line in lines if line.score >= self._min_score and line.text.strip()]
        return sorted(lines, key=lambda line: (float(line.polygon[:, 1].min()), float(line.polygon[:, 0].min())))

    def _detect(self, rgb: np.ndarray) -> list[np.ndarray]:
        """Quadrilaterals float32 [4, 2], the corners clockwise from the one nearest to the top left."""
        boxes = []
        side = self._max_side or int(np.clip(0.54 * max(rgb.shape), 832, 1280))
        for left, top, right, bottom, core in _tiles(rgb.shape[0], rgb.shape[1], side):
            for box in self._detect_in(rgb[top:bottom, left:right], side):
                box += np.array([left, top], np.float32)
                if core is None or core[0] <= box.mean(0)[core[2]] < core[1]:
                    boxes.append(box)
        return boxes

    def _detect_in(self, rgb: np.ndarray, side: int) -> list[np.ndarray]:
        height, width = rgb.shape[:2]
        # Twice the detector's size is enough for exact corners; going there by area averaging avoids aliasing.
        factor = min(1.0, 2.0 * side / max(height, width))
        size = max(1, round(width * factor)), max(1, round(height * factor))
        seen = _bgr(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA) if factor < 1 else rgb)
        with self._detector_lock:
            # box_thresh: the models' own 0.6 loses 1.6 % of the characters on photographs with PP-OCRv4.
            found = self._detector.predict(seen, limit_side_len=side, limit_type="max", box_thresh=0.5)[0]["dt_polys"]
        scale = np.array([width / size[0], height / size[1]], np.float32)
        return [np.asarray(polygon, np.float32) * scale for polygon in found]

    def _read_views(self, rgb: np.ndarray, views: Sequence[Sequence["_View"]]) -> list[list[TextLine]]:
        """What each box, in each of its views, reads as."""
        read = iter(self._recognisers.read([view.strip(rgb) for group in views for view in group]))
        return [[TextLine(view.polygon, *next(read), view.orientation) for view in group] for group in views]


@dataclass(frozen=True)
class _View:
    """One way to read a detected box: from which corner on, and whether as stacked characters."""

    polygon: np.ndarray
    orientation: Orientation = "horizontal"

    def strip(self, rgb: np.ndarray) -> np.ndarray:
        return unstack(rgb, self.polygon) if self.orientation == "vertical" else rectify(rgb, self.polygon)


def _usual_views(box: np.ndarray) -> list[_View]:
    """A wide box as it stands; a tall one as a line turned to read downwards and as stacked characters."""
    width, height = side_lengths(box)
    if height < _TALL * width:
        return [_View(box)]
    return [_View(np.roll(box, -1, axis=0)), _View(box, "vertical")]


def _turned_view(box: np.ndarray) -> _View:
    """A wide box upside down; a tall one as a line that reads upwards."""
    width, height = side_lengths(box)
    return _View(np.roll(box, -2 if height < _TALL * width else 1, axis=0))


def _may_be_turned(line: TextLine) -> bool:
    """Whether a line may stand on its head: it then reads as a few stray characters, or is not believed at all."""
    width, height = side_lengths(line.polygon)
    return line.score < _UNSURE and (line.score < 0.6 or len(line.text) < 0.9 * width / max(height, 1.0))


def _choose(readings: list[TextLine]) -> TextLine:
    """One of the readings of a box: as it stands, stacked (tall boxes), turned (when the first was unsure).

    PP-OCR also reads stacked characters that lie on their side, often better than cut apart. That they are stacked
    shows in that both readings agree: cutting a turned line apart gives nonsense.
    """
    first, *others = readings
    stacked = next((line for line in others if line.orientation == "vertical"), None)
    if stacked and _agree(first.text, stacked.text):
        lying_is_better = first.score > stacked.score - 0.05
        return replace(stacked, text=first.text, score=first.score) if lying_is_better else stacked
    turned = [line for line in others if line.orientation == "horizontal" and len(line.text) >= len(first.text)]
    best = max([first, *turned], key=lambda line: line.score)
    return stacked if stacked and best.score < min(_UNSURE, stacked.score) else best


def _agree(text: str, other: str) -> bool:
    return (Counter(text) & Counter(other)).total() >= 0.4 * max(len(text), len(other), 1)


def _tiles(height: int, width: int, side: int) -> Iterator[tuple[int, int, int, int, tuple[float, float, int] | None]]:
    """Left, top, right, bottom of overlapping pieces of a very long picture, and along which stretch of which axis
    (0: x, 1: y) the middle of a box must lie to be taken from that piece. A usual picture is one piece."""
    short, long = sorted((height, width))
    length = max(2 * short, side, long // 64)
    if long <= 1.5 * length:
        yield 0, 0, width, height, None
        return
    axis = 0 if width > height else 1
    count = -(-long // length) + 1
    starts = [round(i * (long - length) / (count - 1)) for i in range(count)]
    for i, start in enumerate(starts):
        low = (start + starts[i - 1] + length) / 2 if i else 0.0
        high = (starts[i + 1] + start + length) / 2 if i + 1 < count else float(long) + 1
        ends = (start, 0, start + length, height) if axis == 0 else (0, start, width, start + length)
        yield *ends, (low, high, axis)


class _Recognisers:
    """Several single-threaded copies of a recognition model: two lines on two cores take 0.74 of the time that they
    take one after the other on both. A copy is in one thread's hands at a time, so that sharing them is safe."""

    def __init__(self, name: str | Path, device: str) -> None:
        copies = min(runtime.cores(), 4) if device == "cpu" else 1
        arguments = _model_arguments(name, device, threads=1, shapes=4)
        self._onnx = "engine" in arguments
        self._free: queue.SimpleQueue[TextRecognition] = queue.SimpleQueue()
        for _ in range(copies):
            self._free.put(TextRecognition(**arguments))
        self._pool = ThreadPoolExecutor(copies, thread_name_prefix="ocr")

    def read(self, strips: Sequence[np.ndarray]) -> list[tuple[str, float]]:
        """Text and score of each strip uint8 RGB [48, W, 3]."""
        batches = self._batches([strip.shape[1] for strip in strips])
        images = ([_bgr(_widened(strips[i], width)) for i in batch] for batch, width in batches)
        results: list[tuple[str, float]] = [("", 0.0)] * len(strips)
        for (batch, _), found in zip(batches, self._pool.map(self._predict, images), strict=True):
            for i, reading in zip(batch, found, strict=True):
                results[i] = reading
        return results

    def _batches(self, widths: Sequence[int]) -> list[tuple[list[int], int]]:
        """Which strips are read together and how wide; the widest first, so that the copies finish together.

        A run of a Paddle predictor costs as much as 250 pixels of width before it begins, and each new input shape
        costs time and memory once: strips share runs and widths come in few steps. ONNX Runtime has neither cost.
        """
        order = sorted(range(len(widths)), key=lambda i: -widths[i])
        if self._onnx:
            return [([i], -(-widths[i] // 16) * 16) for i in order]
        batches: list[tuple[list[int], int]] = []
        for i in order:
            if batches and len(batches[-1][0]) < 4 and batches[-1][1] - widths[i] < 250:
                batches[-1][0].append(i)
            else:
                batches.append(([i], next((step for step in _WIDTHS if step >= widths[i]), widths[i])))
        return batches

    def _predict(self, images: list[np.ndarray]) -> list[tuple[str, float]]:
        recogniser = self._free.get()
        try:
            found = recogniser.predict(images, batch_size=len(images))
            return [(item["rec_text"], float(item["rec_score"])) for item in found]
        finally:
            self._free.put(recogniser)


def _model_names(det: str | Path, rec: str | Path | None) -> tuple[str | Path, str | Path]:
    if isinstance(det, str) and not det.endswith("_det") and not Path(det).is_dir():
        return f"{det}_det", rec or f"{det}_rec"
    return det, rec or f"{str(det).removesuffix('_det')}_rec"


def _model_arguments(name: str | Path, device: str, *, threads: int, shapes: int) -> dict[str, Any]:
    """How PaddleOCR is to load a model; `shapes` bounds what oneDNN keeps for each input shape it has seen."""
    folder = weights.fetch(name)
    arguments: dict[str, Any] = {"model_name": _architecture(folder), "model_dir": str(folder), "device": device}
    if (folder / "inference.onnx").exists() and not (folder / "inference.pdiparams").exists():
        return arguments | {
            "device": device if device == "cpu" or _onnx_on_gpu() else "cpu",
            "engine": "onnxruntime",  # whose arena keeps a tenth more memory and is no faster than malloc here
            "engine_config": {"intra_op_num_threads": threads, "enable_cpu_mem_arena": False},
        }
    return arguments | {
        "cpu_threads": threads,  # PaddleX starts ten however few the cores
        "enable_mkldnn": device == "cpu" and runtime.onednn_works(),
        "mkldnn_cache_capacity": shapes,
    }


def _architecture(folder: Path) -> str:
    """PaddleOCR's name of the network in a folder, which may itself be called otherwise."""
    settings = folder / "inference.yml"
    stated = settings.exists() and re.search(
        r"^ *model_name: *(\S+)", settings.read_text(encoding="utf-8"), re.MULTILINE
    )
    return stated[1] if stated else folder.name


def _onnx_on_gpu() -> bool:
    import onnxruntime

    return "CUDAExecutionProvider" in onnxruntime.get_available_providers()


def _widened(strip: np.ndarray, width: int) -> np.ndarray:
    spare = width - strip.shape[1]
    return cv2.copyMakeBorder(strip, 0, 0, 0, spare, cv2.BORDER_CONSTANT, value=(127, 127, 127))


def _bgr(rgb: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(rgb[..., ::-1])
