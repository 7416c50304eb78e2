"""Translate the Chinese text in a picture into English, in place."""

import tempfile
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from paddle_vlm import runtime
from paddle_vlm.files import write_json
from paddle_vlm.translation.glossary import Glossary, Memory
from paddle_vlm.translation.ocr import TextLine, TextReader
from paddle_vlm.translation.pipeline import Rendering, TranslatedRegion, render_translation
from paddle_vlm.translation.translator import Translator
from paddle_vlm.vision.image import LoadedImage, load_image, save_image


@dataclass
class TranslatedImage:
    """The picture in English and the record of what was read and how it was translated."""

    original: LoadedImage
    rendering: Rendering

    @property
    def rgb(self) -> np.ndarray:
        """uint8 [H, W, 3], the same size as the original."""
        return self.rendering.rgb

    @property
    def regions(self) -> list[TranslatedRegion]:
        """The regions in reading order, those that were kept included."""
        return self.rendering.regions

    @property
    def comparison(self) -> np.ndarray:
        """Original and result side by side (above one another for wide pictures), uint8 RGB."""
        height, width = self.rgb.shape[:2]
        axis = 1 if width <= 1.5 * height else 0
        shape = (height, max(8, width // 100), 3) if axis == 1 else (max(8, height // 100), width, 3)
        return np.concatenate([self.original.rgb, np.full(shape, 255, np.uint8), self.rgb], axis=axis)

    def to_dict(self) -> dict[str, Any]:
        """The JSON record: picture, regions, seconds per stage."""
        height, width = self.rgb.shape[:2]
        return {
            "image": str(self.original.path) if self.original.path else None,
            "width": width,
            "height": height,
            "regions": [_region_record(item) for item in self.regions],
            "seconds": {stage: round(value, 4) for stage, value in self.rendering.seconds.items()},
        }

    def table(self) -> str:
        """For the terminal, a region a line: where the English comes from, the Chinese, the English."""
        names = {"glossary": "术语", "memory": "记忆", "model": "模型", "dictionary": "词典", "kept": "保留"}
        rows = [(names[r.translation.source], r.region.text, r.translation.text) for r in self.regions]
        width = max((_columns(text) for _, text, _ in rows), default=0)
        return "\n".join(
            f"{source}  {text}{' ' * (width - _columns(text))}  {english}" for source, text, english in rows
        )

    def save(self, path: str | Path) -> Path:
        """Write the picture in the format of the suffix. OutputError when that fails or would overwrite the input."""
        return save_image(self.rgb, like=self.original, path=path, alpha=self.rendering.alpha)

    def encode(self, suffix: str) -> bytes:
        """What `save` would write to a file of this suffix, such as ".jpg"."""
        with tempfile.TemporaryDirectory(prefix="paddle_vlm-") as folder:
            return self.save(Path(folder) / f"out{suffix}").read_bytes()

    def save_comparison(self, path: str | Path) -> Path:
        """Write original and result side by side."""
        return save_image(self.comparison, like=self.original, path=path)

    def save_json(self, path: str | Path) -> Path:
        """Write `to_dict()` as UTF-8 JSON, whole or not at all. Raises OutputError."""
        path = Path(path)
        write_json(path, self.to_dict(), parents=False)
        return path


class ImageTranslator:
    """Chinese-to-English translation of the text in pictures, on this machine alone.

    Args:
        ocr: OCR weights, a pair name such as "PP-OCRv4_mobile" (see docs/zh/ocr.md).
        translator: "translator" (shipped) or the folder of another model.
        glossary: TSV of terms that are always obeyed.
        memory: TSV or TMX of exact translations.
        device: "auto", "cpu" or "gpu".
    """

    def __init__(
        self,
        *,
        ocr: str | None = None,
        translator: str = "translator",
        glossary: str | Path | None = None,
        memory: str | Path | None = None,
        device: str = "auto",
    ) -> None:
        terms = Glossary.load(glossary) if glossary else None
        exact = Memory.load(memory) if memory else None
        # The two models load side by side: reading files and building networks release the interpreter often enough.
        with runtime.quick_loading(), ThreadPoolExecutor(2) as pool:
            reader = pool.submit(TextReader, ocr, device=device) if ocr else pool.submit(TextReader, device=device)
            # The other cores look at the picture meanwhile, see render_translation.
            threads = max(1, runtime.cores() // 2)
            self._translator = Translator(translator, glossary=terms, memory=exact, device=device, threads=threads)
            self._reader = reader.result()

    def read(self, rgb: np.ndarray) -> list[TextLine]:
        """The text lines that OCR finds in a picture uint8 [H, W, 3]."""
        return self._reader.read(rgb)

    def translate(self, source: str | Path | bytes | np.ndarray | LoadedImage) -> TranslatedImage:
        """Translate one picture given as a path, its bytes, base64 or data URL, or an array uint8 [H, W(, 3|4)].

        One that `load_image` has read, with limits of its own, will do too. Raises BadImage when the picture cannot be
        read.
        """
        image = source if isinstance(source, LoadedImage) else load_image(source)
        return TranslatedImage(
            image, render_translation(image, read=self._reader.read, translate=self._translator.translate)
        )


def _region_record(item: TranslatedRegion) -> dict[str, Any]:
    lines, placement = item.region.lines, item.placement
    weights = [max(1, len(line.text)) for line in lines]
    return {
        "polygon": _rounded(item.region.polygon),
        "text": item.region.text,
        "translation": item.translation.text,
        "source": item.translation.source,
        "ocr_score": round(float(np.average([line.score for line in lines], weights=weights)), 4),
        "translation_score": round(float(item.translation.score), 4),
        "orientation": item.region.orientation,
        "font_size": round(float(placement.font_size), 1) if placement else None,
        "color": "#{:02x}{:02x}{:02x}".format(*placement.color) if placement else None,
    }


def _rounded(polygon: np.ndarray) -> list[list[float]]:
    return [[round(float(x), 1), round(float(y), 1)] for x, y in polygon]


def _columns(text: str) -> int:
    """Terminal columns: East Asian wide characters take two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
