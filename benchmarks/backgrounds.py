"""Procedural grounds for the generated scenes: walls, boards, paper, cloth and blurred greenery."""

from collections.abc import Callable

import cv2
import numpy as np

Ground = Callable[[np.random.Generator, int, int], np.ndarray]  # rng, width, height -> uint8 [height, width, 3]


def _noise(
    rng: np.random.Generator, width: int, height: int, cells: tuple[float, float], octaves: int = 4
) -> np.ndarray:
    """Smooth noise float32 [height, width], about -1..1; `cells` across and down in the coarsest octave."""
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        size = (max(2, int(cells[0] * 2**octave)), max(2, int(cells[1] * 2**octave)))
        grid = rng.uniform(-1, 1, size[::-1]).astype(np.float32)
        total += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC) / 2**octave
    return total / 1.5


def _tinted(color: tuple[int, int, int], light: np.ndarray) -> np.ndarray:
    """A colour made lighter and darker by `light` (1 = unchanged)."""
    return np.clip(np.array(color, np.float32) * light[..., None], 0, 255).astype(np.uint8)


def _one_of(rng: np.random.Generator, colors: list[tuple[int, int, int]]) -> tuple[int, int, int]:
    return colors[int(rng.integers(len(colors)))]


def flat(rng: np.random.Generator, width: int, height: int, color: tuple[int, int, int] | None = None) -> np.ndarray:
    """One even colour."""
    return np.full((height, width, 3), color or rng.integers(40, 230, 3), np.uint8)


def gradient(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """From one colour to another across the picture."""
    first, second = rng.integers(20, 150, 3), rng.integers(70, 200, 3)
    angle = rng.uniform(0, 2 * np.pi)
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    way = np.cos(angle) * xs / width + np.sin(angle) * ys / height
    way = ((way - way.min()) / np.ptp(way))[..., None]
    return np.round(first * (1 - way) + second * way).astype(np.uint8)


def wood(rng: np.random.Generator, width: int, height: int, dark: bool = False) -> np.ndarray:
    """Planks with a grain along them."""
    color = (74, 50, 36) if dark else _one_of(rng, [(186, 140, 92), (160, 110, 66), (206, 168, 120)])
    grain = 0.06 * _noise(rng, width, height, (3, 60)) + 0.05 * _noise(rng, width, height, (2, 9), 2)
    light = 1 + grain
    plank = height // int(rng.integers(4, 7))
    for top in range(0, height, plank):
        light[top : top + plank] *= rng.uniform(0.92, 1.06)
        light[top : top + 3] *= 0.6
    return _tinted(color, light)


def wood_dark(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Stained planks."""
    return wood(rng, width, height, dark=True)


def brick(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Courses of bricks with mortar."""
    color = _one_of(rng, [(156, 82, 62), (170, 150, 130), (120, 70, 58)])
    light = 1 + 0.12 * _noise(rng, width, height, (60, 45), 3)
    picture = _tinted(color, light)
    tall = int(rng.integers(34, 52))
    long, mortar = int(2.4 * tall), np.array([188, 182, 172])
    for row, top in enumerate(range(0, height, tall)):
        for left in range(-(row % 2) * long // 2, width, long):
            brick_ = picture[top + 3 : top + tall, max(0, left + 3) : max(0, left + long)]
            brick_[...] = np.clip(brick_ * rng.uniform(0.85, 1.12), 0, 255)
            picture[top : top + tall, max(0, left) : max(0, left + 3)] = mortar
        picture[top : top + 3] = mortar
    return picture


def stone(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Granite: speckles on slow clouds."""
    speckle = cv2.GaussianBlur(rng.normal(0, 1, (height, width)).astype(np.float32), (0, 0), 1.1)
    color = _one_of(rng, [(150, 148, 142), (172, 162, 148), (118, 122, 126)])
    return _tinted(color, 1 + 0.13 * speckle + 0.06 * _noise(rng, width, height, (5, 4)))


def metal(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Brushed steel with a soft reflection."""
    brushed = cv2.blur(rng.normal(0, 1, (height, width)).astype(np.float32), (61, 1))
    shine = 0.1 * np.cos(np.linspace(0, rng.uniform(3, 9), width, dtype=np.float32))[None]
    return _tinted((176, 178, 182), 1 + 0.14 * brushed + shine)


def fabric(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """A weave."""
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    weave = 0.05 * np.sin(xs * 1.3) * np.sin(ys * 1.3) + 0.02 * rng.normal(0, 1, (height, width)).astype(np.float32)
    color = _one_of(rng, [(214, 202, 182), (196, 206, 214), (224, 214, 200)])
    return _tinted(color, 1 + weave + 0.03 * _noise(rng, width, height, (3, 3), 2))


def paper(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Warm paper with faint clouds."""
    fibre = 0.008 * rng.normal(0, 1, (height, width)).astype(np.float32)
    return _tinted((244, 236, 218), 1 + fibre + 0.015 * _noise(rng, width, height, (4, 4)))


def plaster(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """A painted wall with light falling across."""
    color = _one_of(rng, [(222, 214, 196), (196, 208, 204), (216, 196, 180)])
    fall = np.linspace(1.06, rng.uniform(0.75, 0.95), width, dtype=np.float32)[None]
    return _tinted(color, fall * (1 + 0.025 * _noise(rng, width, height, (30, 24), 3)))


def slate(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """A chalk board wiped many times."""
    return _tinted((46, 54, 52), 1 + 0.1 * _noise(rng, width, height, (5, 3), 5))


def bokeh(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Lights out of focus in the dark."""
    picture = gradient(rng, width, height).astype(np.float32) * 0.5
    for _ in range(40):
        layer = np.zeros((height, width), np.float32)
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        cv2.circle(layer, centre, int(rng.uniform(0.015, 0.07) * width), 1.0, -1)
        layer = cv2.GaussianBlur(layer, (0, 0), rng.uniform(2, 8))
        picture += layer[..., None] * rng.uniform(20, 110, 3) * 0.5
    return np.clip(picture, 0, 255).astype(np.uint8)


def foliage_bokeh(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Greenery seen through a wide lens: leaves as blobs from blurred to nearly sharp, darker below."""
    light = np.linspace(1.1, 0.5, height, dtype=np.float32)[:, None]
    picture = _tinted((84, 110, 62), light * (1 + 0.5 * _noise(rng, width, height, (7, 5)))).astype(np.float32)
    for blur in (14, 7, 3, 1.2):
        layer, cover = np.zeros((height, width, 3), np.float32), np.zeros((height, width), np.float32)
        for _ in range(70):
            centre = (int(rng.integers(width)), int(rng.integers(height)))
            axes = (int(rng.uniform(8, 40)), int(rng.uniform(4, 16)))
            turn, color = float(rng.uniform(0, 180)), rng.uniform([20, 40, 10], [130, 160, 80])
            cv2.ellipse(layer, centre, axes, turn, 0, 360, [float(v) for v in color], -1)
            cv2.ellipse(cover, centre, axes, turn, 0, 360, 1.0, -1)
        cover = cv2.GaussianBlur(cover, (0, 0), blur)[..., None]
        picture = picture * (1 - cover) + cv2.GaussianBlur(layer, (0, 0), blur)
    return np.clip(picture * light[..., None], 0, 255).astype(np.uint8)


GROUNDS: dict[str, Ground] = {
    "gradient": gradient, "wood": wood, "wood_dark": wood_dark, "brick": brick, "stone": stone, "metal": metal,
    "fabric": fabric, "paper": paper, "plaster": plaster, "slate": slate, "bokeh": bokeh, "foliage": foliage_bokeh,
}  # fmt: skip
