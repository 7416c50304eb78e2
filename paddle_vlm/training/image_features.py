"""What the frozen lower part of an image network makes of each picture, computed once and kept on disk."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from paddle import Tensor, nn
from paddle.static import InputSpec
from tqdm import tqdm

from paddle_vlm.errors import OutputError
from paddle_vlm.inference.export import export
from paddle_vlm.inference.predictor import Predictor
from paddle_vlm.models.efficientnet import EfficientNet

log = logging.getLogger(__name__)

_BATCH = 32
WHOLE, FLIPPED = 0, 1  # views; the others are random crops


@dataclass
class Features:
    """Features of N pictures, seen V times each; fp16, memory-mapped.

    Attributes:
        lower: [V, N, c, h, w], the maps below the blocks that may be fine-tuned.
        narrow: [V, N, C, h, w], `EfficientNet.narrow`.
        pooled: [V, N, features], the head's mean.
    """

    lower: list[np.ndarray]
    narrow: list[np.ndarray]
    pooled: list[np.ndarray]


class FeatureStore:
    """A folder of feature files, one triple a set of pictures and view; only what is missing is computed."""

    def __init__(self, folder: Path, trunk: EfficientNet, blocks: int, size: int) -> None:
        self.folder, self.trunk, self.blocks, self.size = folder, trunk, blocks, size
        self._predictor: Predictor | None = None

    def get(self, name: str, pictures: Iterable[tuple[int, np.ndarray]], count: int, views: int) -> Features:
        """Features of `count` pictures given as (number, uint8 RGB); `pictures` is walked once for each new view.

        Raises OutputError.
        """
        parts: dict[str, list[np.ndarray]] = {"lower": [], "narrow": [], "pooled": []}
        for view in range(views):
            files = {part: self.folder / f"{name}-{view}-{part}.npy" for part in parts}
            if not all(path.is_file() for path in files.values()):
                self._compute(files, pictures, count, view)
            for part, path in files.items():
                parts[part].append(np.load(path, mmap_mode="r"))
        return Features(**parts)

    def _compute(
        self, files: dict[str, Path], pictures: Iterable[tuple[int, np.ndarray]], count: int, view: int
    ) -> None:
        found: dict[str, np.ndarray] = {}
        numbers: list[int] = []
        pixels: list[np.ndarray] = []
        title = next(iter(files.values())).name.rpartition("-")[0]

        def flush() -> None:
            for part, values in zip(files, self._run(np.stack(pixels)), strict=True):
                found.setdefault(part, np.zeros((count, *values.shape[1:]), np.float16))[numbers] = values
            numbers.clear()
            pixels.clear()

        for number, rgb in tqdm(pictures, total=count, desc=f"图像特征 {title}", unit="张", leave=False, disable=None):
            numbers.append(number)
            pixels.append(see(rgb, view, self.size, np.random.default_rng([view, number])))
            if len(numbers) == _BATCH:
                flush()
        if numbers:
            flush()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for part, path in files.items():
                temporary = path.with_name(f".{path.name}")
                np.save(temporary, found[part])
                temporary.replace(path)
        except OSError as error:
            raise OutputError(f"无法写入 {self.folder}:{error.strerror or error}。请检查写权限和剩余空间。") from error

    def _run(self, pixels: np.ndarray) -> list[np.ndarray]:
        if self._predictor is None:
            part = _Part(self.trunk, self.blocks)
            folder = export(part, [InputSpec([None, self.size, self.size, 3], "uint8")], self.folder / "program")
            self._predictor = Predictor(folder)
        return self._predictor.run(pixels)


class _Part(nn.Layer):
    def __init__(self, trunk: EfficientNet, blocks: int) -> None:
        super().__init__()
        self.trunk, self.blocks = trunk, blocks

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        lower = self.trunk.lower(pixels.transpose([0, 3, 1, 2]).astype("float32") / 127.5 - 1, self.blocks)
        narrow = self.trunk.upper(lower, self.blocks)
        return lower, narrow, self.trunk.head(narrow).mean([2, 3])


def see(rgb: np.ndarray, view: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """One view of uint8 RGB [H, W, 3] as [size, size, 3]: whole, flipped, or cropped with another brightness."""
    height, width = rgb.shape[:2]
    if view == FLIPPED or (view > FLIPPED and rng.random() < 0.5):
        rgb = rgb[:, ::-1]
    if view > FLIPPED:
        share = np.sqrt(rng.uniform(0.45, 0.95))
        tall, wide = int(height * share), int(width * share)
        top, left = rng.integers(0, height - tall + 1), rng.integers(0, width - wide + 1)
        rgb = rgb[top : top + tall, left : left + wide]
        rgb = np.clip(rgb * rng.uniform(0.8, 1.2) + rng.uniform(-15, 15), 0, 255).astype(np.uint8)
    smaller = rgb.shape[0] * rgb.shape[1] > size * size
    interpolation = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    return cv2.resize(np.ascontiguousarray(rgb), (size, size), interpolation=interpolation)
