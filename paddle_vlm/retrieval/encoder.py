"""Pictures and Chinese texts -> vectors of one space, and the second look at the best candidates."""

import functools
import hashlib
import json
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import paddle
from paddle import Tensor, nn
from paddle.static import InputSpec

from paddle_vlm import runtime
from paddle_vlm.errors import MissingWeights
from paddle_vlm.inference.cache import exported
from paddle_vlm.inference.export import Program, export
from paddle_vlm.inference.openvino import has_openvino
from paddle_vlm.inference.predictor import OneDNN, Predictor
from paddle_vlm.models.chinese_clip import is_chinese_clip
from paddle_vlm.models.dual_encoder import LONGEST, PAD, TextEncoder
from paddle_vlm.models.search import SETTINGS, WEIGHTS, SearchNetwork, read_config
from paddle_vlm.retrieval import hub
from paddle_vlm.text.caption_vocabulary import FILE as VOCABULARY
from paddle_vlm.text.caption_vocabulary import CaptionVocabulary
from paddle_vlm.weights import fetch

log = logging.getLogger(__name__)

_BATCH = 16  # pictures at once: more is no faster on a CPU
_ALIKE = 0.99  # cosine of a vector that was computed in bfloat16 to the exact one
_TEXT_STEP = 8  # texts are padded to a multiple, so that oneDNN sees few shapes


class SearchModel:
    """The encoders and the re-ranker of one model folder, through Paddle Inference. Safe to call from several threads.

    Attributes:
        dim: width of the vectors.
        size: pixels of a side of the square that pictures are squeezed into.
        fingerprint: of the model's files; vectors of models with other fingerprints cannot be compared.
    """

    def __init__(self, folder: Path, device: str = "auto") -> None:
        self.config = read_config(folder)
        self.dim, self.size = self.config.dual.dim, self.config.dual.size
        self.fingerprint = fingerprint(folder)
        self._vocabulary = CaptionVocabulary.load(folder)
        # OpenVINO knows no GRU; with the others it takes a fifth to a third of the time of the operators of Paddle.
        compiled = self.config.dual.text != "gru" and has_openvino() and runtime.device(device) == "cpu"
        root = exported(
            folder, "search-openvino" if compiled else "search",
            lambda target: export_parts(SearchNetwork.load(folder), target, compiled),
        )  # fmt: skip
        # The text network is so small that oneDNN's own overhead nearly doubles its time; pictures take half the time
        # in bfloat16, and are found as well.
        onednn: dict[str, bool | OneDNN] = {"image": OneDNN(half=True), "text": False, "fusion": True}
        self._predictor = functools.cache(lambda part: Predictor(root / part, device, onednn=onednn[part]))

    @classmethod
    def load(cls, name: str | Path = "search", device: str = "auto") -> "SearchModel":
        """A bundled model by name, or a folder; a Chinese-CLIP too, as a folder or by its name on the hub.

        Raises MissingWeights.
        """
        folder = hub.download(str(name)) if hub.is_hub_name(name) else fetch(name)
        if is_chinese_clip(folder):
            from paddle_vlm.retrieval.clip_encoder import ClipSearchModel  # it extends this class

            return ClipSearchModel(folder, device)
        return cls(folder, device)

    @property
    def looks_again(self) -> bool:
        """Whether the model has a trained fusion network, so that `rerank` is worth its time."""
        return self.config.rerank_weight > 0

    def encode_images(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """uint8 RGB [H, W, 3] each, of any size -> unit vectors float32 [N, dim]."""
        return self.look(images)[0]

    def look(self, images: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """uint8 RGB [H, W, 3] each -> unit vectors [N, dim] and grids [N, cells, channels]."""
        vectors = [np.zeros((0, self.dim), np.float32)]
        grids = [np.zeros((0, self.config.fusion.cells, self.config.fusion.channels), np.float32)]
        for first in range(0, len(images), _BATCH):
            pixels = np.stack([squared(image, self.size) for image in images[first : first + _BATCH]])
            found = self._predictor("image").run(pixels)
            vectors.append(found[0])
            grids.append(found[1])
        return np.concatenate(vectors), np.concatenate(grids)

    def look_twice(self, images: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """What `look` makes of pictures and of their mirror images, [2, N, ...] each, for `rerank_grids`."""
        vectors, grids = self.look([*images, *(image[:, ::-1] for image in images)])
        return tuple(part.reshape(2, len(images), *part.shape[1:]) for part in (vectors, grids))  # type: ignore[return-value]

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Chinese texts -> unit vectors float32 [N, dim]."""
        if not texts:
            return np.zeros((0, self.dim), np.float32)
        vectors = np.empty((len(texts), self.dim), np.float32)
        order = np.argsort([len(text) for text in texts], kind="stable")
        for first in range(0, len(order), 256):
            rows = order[first : first + 256]
            vectors[rows] = self._predictor("text").run(*self._numbers([texts[row] for row in rows]))[0]
        return vectors

    def rerank(self, query: str, images: Sequence[np.ndarray]) -> np.ndarray:
        """A second, closer look at a few pictures and their mirror images -> scores float32 [N] (see `calibrate`)."""
        return self.rerank_grids(query, *self.look_twice(images))

    def rerank_grids(self, query: str, vectors: np.ndarray, grids: np.ndarray) -> np.ndarray:
        """Scores float32 [N], higher is better, for what `look_twice` returned."""
        if not vectors.size:
            return np.zeros(0, np.float32)
        flat = vectors.reshape(-1, self.dim)
        cosines = flat @ self.encode_texts([query])[0]
        characters, words = (np.repeat(part, len(flat), 0) for part in self._numbers([query]))
        inputs = (grids.reshape(len(flat), *grids.shape[2:]), flat, characters, words, cosines)
        return self._predictor("fusion").run(*inputs)[0].reshape(vectors.shape[:2]).mean(0)

    def calibrate(self, scores: np.ndarray | float, reranked: bool = False) -> np.ndarray:
        """Cosines (or `rerank`'s scores) -> the probability that the match is right."""
        return (self.config.reranked if reranked else self.config.cosine)(np.asarray(scores))

    def _numbers(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        characters, words = self._vocabulary.encode(texts, LONGEST)
        missing = -characters.shape[1] % _TEXT_STEP
        return tuple(np.pad(part, ((0, 0), (0, missing)), constant_values=PAD) for part in (characters, words))  # type: ignore[return-value]


def squared(image: np.ndarray, size: int) -> np.ndarray:
    """uint8 RGB [H, W, 3] -> [size, size, 3]: squeezed, not cut, as the photos of the training were."""
    smaller = image.shape[0] * image.shape[1] > size * size
    return cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)


def fingerprint(folder: Path) -> str:
    """16 hexadecimal digits of the model's files. Raises MissingWeights."""
    digest = hashlib.blake2b(digest_size=8)
    for name in (WEIGHTS, VOCABULARY):
        path = folder / name
        if not path.is_file():
            raise MissingWeights(f"模型文件夹 {folder} 中缺少 {name}。请使用完整的模型。")
        digest.update(path.read_bytes())
    digest.update(json.dumps(json.loads((folder / SETTINGS).read_text(encoding="utf-8"))["dual"]).encode())
    return digest.hexdigest()


class _ImagePart(nn.Layer):
    def __init__(self, model: SearchNetwork) -> None:
        super().__init__()
        self.dual = model.dual

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        images = pixels.transpose([0, 3, 1, 2]).astype("float32") / 127.5 - 1
        maps = self.dual.trunk.narrow(images)
        return self.dual.encode_maps(maps), maps.flatten(2).transpose([0, 2, 1])


class _FusionPart(nn.Layer):
    def __init__(self, model: SearchNetwork) -> None:
        super().__init__()
        self.model = model

    def forward(self, grid: Tensor, images: Tensor, characters: Tensor, words: Tensor, cosines: Tensor) -> Tensor:
        return self.model.rerank(grid, images, characters, words, cosines)


def programs(model: SearchNetwork) -> dict[str, Program]:
    """The image, text and fusion programs."""
    size, fusion = model.config.dual.size, model.config.fusion
    tokens = [InputSpec([None, None], "int64", name) for name in ("characters", "words")]
    pixels = InputSpec([None, size, size, 3], "uint8", "pixels")
    grid = InputSpec([None, fusion.cells, fusion.channels], "float32", "grid")
    images = InputSpec([None, model.config.dual.dim], "float32", "images")
    cosines = InputSpec([None], "float32", "cosines")
    return {
        "image": Program(_ImagePart(model), [pixels], ("vectors", "grid")),
        "text": Program(model.dual.text, tokens, ("vectors",)),
        "fusion": Program(_FusionPart(model), [grid, images, *tokens, cosines], ("scores",)),
    }


def export_parts(model: SearchNetwork, folder: Path, compiled: bool = False) -> None:
    """Write the image, text and fusion programs below `folder`.

    `compiled`: the text program for OpenVINO, unless what OpenVINO computes here is wrong.
    """
    for name, program in programs(model).items():
        if name == "text" and compiled:
            export(program.layer, program.inputs, folder / name, for_openvino=True)
            if _agree(Predictor(folder / name, "cpu"), model.dual.text):
                continue
            log.warning("OpenVINO 在这台机器上的结果不对,文本编码器改用飞桨自己的算子")
            shutil.rmtree(folder / name)
        export(program.layer, program.inputs, folder / name)


@paddle.no_grad()
def _agree(predictor: Predictor, text: TextEncoder) -> bool:
    """Whether the program of a text encoder gives random texts of several lengths its vectors."""
    random, tables = np.random.default_rng(0), (text.characters, text.words)
    for rows, length in ((1, 8), (3, 24), (16, 40)):
        tokens = [random.integers(1, len(table.weight), (rows, length)) for table in tables]
        tokens[0][:, -3:] = tokens[1][:, -3:] = PAD
        if (predictor.run(*tokens)[0] * text(*map(paddle.to_tensor, tokens)).numpy()).sum(-1).min() < _ALIKE:
            return False
    return True
