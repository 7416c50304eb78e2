"""A Chinese-CLIP folder behind the interface of the bundled search model."""

import functools
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from paddle import Tensor, nn
from paddle.static import InputSpec

from paddle_vlm.errors import MissingWeights
from paddle_vlm.inference.cache import exported
from paddle_vlm.inference.export import Program, export_program
from paddle_vlm.inference.predictor import Predictor
from paddle_vlm.models.calibration import Calibration
from paddle_vlm.models.chinese_clip import LONGEST, ChineseClip, read_config
from paddle_vlm.retrieval.encoder import SearchModel, squared
from paddle_vlm.text.wordpiece import WordPiece

_BATCH = 8
# Not fitted: OFA-Sys publishes no validation scores. Chinese-CLIP's cosines of matching pairs lie around 0.4.
_CALIBRATION = Calibration(30.0, -12.0)


class ClipSearchModel(SearchModel):
    """Chinese-CLIP has no re-ranker: `rerank_grids` gives the cosines, and the probabilities are a rough guide."""

    def __init__(self, folder: Path, device: str = "auto") -> None:
        clip = read_config(folder)
        self.dim, self.size = clip.dim, clip.size
        self.fingerprint = _fingerprint(folder)
        self._pieces = WordPiece(folder / "vocab.txt")
        self._mean, self._deviation = (np.array(values, np.float32) for values in (clip.mean, clip.deviation))
        root = exported(folder, "chinese-clip", lambda target: _export(ChineseClip.load(folder), target))
        self._predictor = functools.cache(lambda part: Predictor(root / part, device))

    def look(self, images: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """uint8 RGB [H, W, 3] each -> unit vectors [N, dim], and as grids nothing that re-ranking could use."""
        vectors = [np.zeros((0, self.dim), np.float32)]
        for first in range(0, len(images), _BATCH):
            pixels = np.stack([squared(image, self.size) for image in images[first : first + _BATCH]])
            inputs = (pixels.astype(np.float32) / 255 - self._mean) / self._deviation
            vectors.append(self._predictor("image").run(inputs.transpose(0, 3, 1, 2))[0])
        return np.concatenate(vectors), np.zeros((len(images), 0, 0), np.float32)

    @property
    def looks_again(self) -> bool:
        """It has no fusion network."""
        return False

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Chinese texts -> unit vectors float32 [N, dim]."""
        vectors = [np.zeros((0, self.dim), np.float32)]
        for first in range(0, len(texts), 64):
            pieces = self._pieces.encode(texts[first : first + 64], LONGEST)
            vectors.append(self._predictor("text").run(pieces)[0])
        return np.concatenate(vectors)

    def rerank_grids(self, query: str, vectors: np.ndarray, grids: np.ndarray) -> np.ndarray:
        """Cosines of the query with what `look_twice` returned, the mean of both looks."""
        return (vectors @ self.encode_texts([query])[0]).mean(0)

    def calibrate(self, scores: np.ndarray | float, reranked: bool = False) -> np.ndarray:
        """Cosines -> roughly the probability that the match is right."""
        return _CALIBRATION(np.asarray(scores))


class _ImagePart(nn.Layer):
    def __init__(self, model: ChineseClip) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        return self.model.encode_images(images)


class _TextPart(nn.Layer):
    def __init__(self, model: ChineseClip) -> None:
        super().__init__()
        self.model = model

    def forward(self, pieces: Tensor) -> Tensor:
        return self.model.encode_texts(pieces)


def programs(model: ChineseClip) -> dict[str, Program]:
    """The image and the text program."""
    size = model.config.size
    images, pieces = (
        InputSpec([None, 3, size, size], "float32", "images"),
        InputSpec([None, LONGEST], "int64", "pieces"),
    )
    return {
        "image": Program(_ImagePart(model), [images], ("vectors",)),
        "text": Program(_TextPart(model), [pieces], ("vectors",)),
    }


def _export(model: ChineseClip, folder: Path) -> None:
    for name, program in programs(model).items():
        export_program(program, folder / name)


def _fingerprint(folder: Path) -> str:
    """Of the sizes and the first megabyte of the weights: hashing 400 MB and more at each start would take seconds."""
    digest = hashlib.blake2b(digest_size=8)
    for name in ("config.json", "vocab.txt", "model.safetensors", "pytorch_model.bin"):
        path = folder / name
        if path.is_file():
            with path.open("rb") as file:
                digest.update(f"{name} {path.stat().st_size} ".encode() + file.read(1 << 20))
        elif name == "vocab.txt":
            raise MissingWeights(f"{folder} 中缺少 {name}。请下载完整的模型文件夹。")
    return digest.hexdigest()
