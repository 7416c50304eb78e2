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
