"""Text lines of a picture, read by PaddleOCR 3.7's detection and recognition models."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from paddleocr import TextDetection, TextRecognition

from paddle_vlm import runtime, weights
from paddle_vlm.translation.line_crops import STRIP_HEIGHT, rectify, side_lengths, unstack

Orientation = Literal["horizontal", "vertical"]

DEFAULT_MODELS = "PP-OCRv6_small"


@dataclass(frozen=True)
class TextLine:
    """One line of text.

    `polygon` is float32 [4, 2] in pixels, clockwise from the corner at the glyph tops where reading starts (the top-left
    corner as the text is read); "vertical" means characters stacked upright, read downwards. `score` is 0..1.
    """

    polygon: np.ndarray
    text: str
    score: float
    orientation: Orientation


@dataclass(frozen=True)
class _View:
    """One way to read a detected box: as which quadrilateral, and whether as stacked characters."""

    polygon: np.ndarray
    orientation: Orientation = "horizontal"

    def strip(self, rgb: np.ndarray) -> np.ndarray:
        return unstack(rgb, self.polygon) if self.orientation == "vertical" else rectify(rgb, self.polygon)


class TextReader:
    """Finds and reads the text in pictures. Safe to use from several threads.

    Args:
        det: a detection model: a pair name ("PP-OCRv6_small", "PP-OCRv4_mobile", ...), any PaddleOCR detection model
            name, or a local folder.
        rec: a recognition model; by default the one that belongs to `det`.
        device: "auto", "cpu" or "gpu".
        min_score: lines that the recogniser is less sure of are dropped.
        max_side: the longer side of what the detector sees, in pixels; more finds smaller text and takes longer.
    """

    def __init__(
        self,
        det: str | Path = DEFAULT_MODELS,
        rec: str | Path | None = None,
        *,
        device: str = "auto",
        min_score: float = 0.5,
        max_side: int = 960,
    ) -> None:
        det_name, rec_name = _model_names(det, rec)
        device = runtime.device(device)
        self._det = TextDetection(**_model_arguments(det_name, device, shapes=4))
        self._rec = TextRecognition(**_model_arguments(rec_name, device, shapes=16))
        self._det_lock, self._rec_lock = threading.Lock(), threading.Lock()
        self._min_score, self._max_side = min_score, max_side

    def read(self, rgb: np.ndarray) -> list[TextLine]:
        """The text lines of a picture uint8 [H, W, 3] RGB, from top to bottom; none: []."""
        boxes = self._detect(rgb)
        views = [_first_views(box) for box in boxes]
        best = self._best_readings(rgb, views)
        unsure = [i for i, line in enumerate(best) if line.score < _UNSURE]
        again = self._best_readings(rgb, [_further_views(boxes[i]) for i in unsure])
        for i, line in zip(unsure, again, strict=True):
            if line.score > best[i].score + 0.05:
                best[i] = line
        lines = [line for line in best if line.score >= self._min_score and line.text.strip()]
        return sorted(lines, key=lambda line: (float(line.polygon[:, 1].min()), float(line.polygon[:, 0].min())))

    def _detect(self, rgb: np.ndarray) -> list[np.ndarray]:
        """Quadrilaterals float32 [4, 2], the corners clockwise from the one nearest to the top left."""
        height, width = rgb.shape[:2]
        factor = min(1.0, 2.0 * self._max_side / max(height, width))
        size = max(1, round(width * factor)), max(1, round(height * factor))
        seen = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA) if factor < 1 else rgb
        with self._det_lock:
            found = self._det.predict(_bgr(seen), limit_side_len=self._max_side, limit_type="max")[0]["dt_polys"]
        scale = np.array([width / seen.shape[1], height / seen.shape[0]], np.float32)
        return [np.asarray(polygon, np.float32) * scale for polygon in found]

    def _best_readings(self, rgb: np.ndarray, views: Sequence[Sequence[_View]]) -> list[TextLine]:
        flat = [view for group in views for view in group]
        readings = iter(self._recognise([view.strip(rgb) for view in flat]))
        lines = []
        for group in views:
            options = [TextLine(v.polygon, *next(readings), v.orientation) for v in group]
            lines.append(max(options, key=lambda line: line.score))
        return lines

    def _recognise(self, strips: Sequence[np.ndarray]) -> list[tuple[str, float]]:
        """Text and score of each strip [48, W, 3]; strips of similar width share a batch."""
        results: list[tuple[str, float]] = [("", 0.0)] * len(strips)
        order = sorted(range(len(strips)), key=lambda i: strips[i].shape[1])
        for batch in (order[i : i + _BATCH] for i in range(0, len(order), _BATCH)):
            images = [_bgr(_padded(strips[i])) for i in batch]
            with self._rec_lock:
                found = self._rec.predict(images, batch_size=len(images))
            for i, item in zip(batch, found, strict=True):
                results[i] = item["rec_text"], float(item["rec_score"])
        return results


_BATCH = 4
_UNSURE = 0.8  # below this a line is also read the other way round


def _model_names(det: str | Path, rec: str | Path | None) -> tuple[str | Path, str | Path]:
    if isinstance(det, str) and not det.endswith("_det") and not Path(det).is_dir():
        return f"{det}_det", rec or f"{det}_rec"
    return det, rec or str(det).removesuffix("_det") + "_rec"


def _model_arguments(name: str | Path, device: str, shapes: int) -> dict[str, Any]:
    """How PaddleOCR is to load a model; `shapes` bounds what oneDNN keeps for each input shape it has seen."""
    folder = weights.fetch(name)
    arguments: dict[str, Any] = {"model_name": Path(name).name, "model_dir": str(folder), "device": device}
    if (folder / "inference.onnx").exists():
        return arguments | {"engine": "onnxruntime", "engine_config": {"intra_op_num_threads": runtime.cores()}}
    return arguments | {
        "cpu_threads": runtime.cores(),  # PaddleX starts ten threads however few the cores
        "enable_mkldnn": device == "cpu" and runtime.onednn_works(),
        "mkldnn_cache_capacity": shapes,
    }


def _first_views(box: np.ndarray) -> list[_View]:
    """A wide box is read as it stands; a tall one as stacked characters and as a line turned to read downwards."""
    width, height = side_lengths(box)
    if height < 1.5 * width:
        return [_View(box)]
    return [_View(box, "vertical"), _View(np.roll(box, -1, axis=0))]


def _further_views(box: np.ndarray) -> list[_View]:
    """A wide box upside down; a tall one as a line that reads upwards."""
    width, height = side_lengths(box)
    return [_View(np.roll(box, -2 if height < 1.5 * width else 1, axis=0))]


def _padded(strip: np.ndarray) -> np.ndarray:
    """Widened with grey to a multiple of 32, so that the recogniser sees few shapes."""
    spare = -strip.shape[1] % 32
    return cv2.copyMakeBorder(strip, 0, 0, 0, spare, cv2.BORDER_CONSTANT, value=(127, 127, 127))


def _bgr(rgb: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(rgb[..., ::-1])
