"""Fixtures that several tests share."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pylopdf_fonts_zh_cn
import pytest
from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def scene_text() -> Path:
    """The folder of photographs with Chinese text that lies beside the repository on the developers' machines."""
    folder = ROOT.parent / "shared" / "data" / "scene_text"
    if not folder.is_dir():
        pytest.skip("需要仓库旁的 ../shared/data/scene_text")
    return folder


@pytest.fixture(scope="session")
def chinese_picture() -> Callable[[Sequence[str]], np.ndarray]:
    """Draws lines of text, dark on a light ground, one under the other: uint8 RGB."""
    font = ImageFont.truetype(str(Path(pylopdf_fonts_zh_cn.__file__).parent / "NotoSansSC-Regular.otf"), 40)

    def draw(lines: Sequence[str]) -> np.ndarray:
        image = Image.new("RGB", (640, 60 + 110 * len(lines)), (236, 228, 210))
        for number, line in enumerate(lines):
            ImageDraw.Draw(image).text((60, 50 + 110 * number), line, (120, 20, 24), font)
        return np.asarray(image).copy()

    return draw


class ColourModel:
    """A real, very simple search model: colour histograms; of texts it understands the names of five colours."""

    COLOURS = {"红": (220, 20, 30), "绿": (20, 180, 40), "蓝": (20, 40, 220), "黄": (230, 220, 20), "黑": (10, 10, 10)}
    dim = 64
    fingerprint = "colours-1"

    def encode_images(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """uint8 RGB -> the square root of the shares of 4 x 4 x 4 colours, length 1."""
        bins = [(image.astype(int) // 64 @ [16, 4, 1]).ravel() for image in images]
        counts = [np.bincount(one, minlength=64) / len(one) for one in bins]
        return np.sqrt(np.array(counts, np.float32).reshape(-1, 64))

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """The vector of a picture in that colour; of grey for any other text."""
        swatches = [
            next((rgb for name, rgb in self.COLOURS.items() if name in text), (128, 128, 128)) for text in texts
        ]
        return self.encode_images([np.full((1, 1, 3), rgb, np.uint8) for rgb in swatches])

    looks_again = True

    def rerank(self, query: str, images: Sequence[np.ndarray]) -> np.ndarray:
        """A second look that sees what the first one saw."""
        return self.encode_images(images) @ self.encode_texts([query])[0]

    def calibrate(self, scores: np.ndarray | float, reranked: bool = False) -> np.ndarray:
        """As if fitted: a cosine of 0.5 is as likely right as wrong."""
        return 1 / (1 + np.exp(-20 * (np.asarray(scores) - 0.5)))


@pytest.fixture(scope="session")
def colour_model() -> ColourModel:
    """A search model that needs no weights."""
    return ColourModel()


@pytest.fixture
def colour_photos(tmp_path) -> Callable[..., Path]:
    """Makes a folder of pictures of mostly one colour: `colour_photos(红=2, 蓝=1)` -> 红0.png, 红1.png, 蓝0.png."""

    def make(folder: str = "photos", **counts: int) -> Path:
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        for name, count in counts.items():
            for number in range(count):
                pixels = np.full((40, 60, 3), ColourModel.COLOURS[name], np.uint8)
                pixels[: 4 + number, :9] = (128, 128, 128 - number)  # no two are the same
                Image.fromarray(pixels).save(tmp_path / folder / f"{name}{number}.png")
        return tmp_path / folder

    return make


@pytest.fixture(scope="session")
def dots() -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """`dots(count, seed)`: grey 32 x 32 pictures with a red (label 0) or blue (1) dot somewhere, and the labels."""

    def draw(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(seed)
        images = rng.integers(100, 140, (count, 32, 32, 3)).astype(np.uint8)
        labels = rng.integers(0, 2, count)
        for image, label, (y, x) in zip(images, labels, rng.integers(0, 25, (count, 2)), strict=True):
            image[y : y + 7, x : x + 7] = (220, 30, 30) if label == 0 else (30, 30, 220)
        return images, labels

    return draw


@pytest.fixture(scope="session")
def dot_classifier(tmp_path_factory, dots) -> Path:
    """The model folder of a small network that has learnt to tell 红点 from 蓝点."""
    import paddle

    from paddle_vlm.models.classifier import ClassifierConfig, ImageClassifier, to_input

    paddle.seed(0)
    options = {"channels": [8, 16, 16], "hidden": 16}
    model = ImageClassifier(ClassifierConfig("article", ["红点", "蓝点"], 32, options))
    optimizer = paddle.optimizer.Adam(3e-3, parameters=model.parameters())
    for step in range(60):
        images, labels = dots(32, step)
        loss = paddle.nn.functional.cross_entropy(model(paddle.to_tensor(to_input(images))), paddle.to_tensor(labels))
        loss.backward()
        optimizer.step()
        optimizer.clear_grad()
    folder = tmp_path_factory.mktemp("dots")
    model.save(folder)
    return folder
