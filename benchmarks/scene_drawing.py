"""Draw Chinese text of known place and style onto pictures, straight, stacked, turned and in perspective."""

from dataclasses import dataclass, field
from functools import cache

import cv2
import numpy as np
import pylopdf_fonts_zh_cn as noto
from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]


@dataclass
class SceneLine:
    """One line: polygon [4][2] clockwise from where reading starts at the glyph heads, sizes in pixels."""

    text: str
    polygon: list[list[float]]
    orientation: str
    color: Colour
    outline_color: Colour | None
    outline_width: float
    bold: bool
    height: float


@dataclass
class Scene:
    """A picture uint8 [H, W, 3], the same without its text, and the lines in it."""

    rgb: np.ndarray
    clean: np.ndarray
    lines: list[SceneLine] = field(default_factory=list)


@dataclass
class Pen:
    """How a text is drawn."""

    size: float
    color: Colour
    serif: bool = False
    bold: bool = False
    outline: tuple[Colour, float] | None = None
    shadow: bool = False
    vertical: bool = False


@cache
def _font(serif: bool, size: float) -> ImageFont.FreeTypeFont:
    path = noto.serif_path() if serif else noto.sans_path()
    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)


def write(scene: Scene, text: str, place: tuple[float, float], pen: Pen, to_picture: np.ndarray) -> tuple[float, float]:
    """Write with the top left corner at `place` of a plane that `to_picture` [3, 3] maps; returns the width, height."""
    font, glyphs = _font(pen.serif, round(2 * pen.size)), []
    for index, character in enumerate(text):
        x = 0.0 if pen.vertical else font.getlength(text[:index])
        y = (0.86 + 1.1 * index * pen.vertical) * 2 * pen.size
        glyphs.append((character, x, y))
    extra = 2 * ((pen.outline[1] if pen.outline else 0) + 0.12 * pen.size) + 2
    boxes = np.array([np.add(font.getbbox(c, anchor="ls"), (x, y, x, y)) for c, x, y in glyphs])
    low, high = boxes[:, :2].min(0) - extra, boxes[:, 2:].max(0) + extra
    tile_size = (int(np.ceil(high[0] - low[0])), int(np.ceil(high[1] - low[1])))
    heavy = 0.028 * 2 * pen.size if pen.bold else 0.0
    layers: list[tuple[Colour, float, float, float]] = [(pen.color, heavy, 0.0, 1.0)]
    if pen.outline:
        layers.insert(0, (pen.outline[0], heavy + 2 * pen.outline[1], 0.0, 1.0))
    if pen.shadow:
        layers.insert(0, ((0, 0, 0), heavy, 0.1 * pen.size, 0.55))
    half = np.diag([0.5, 0.5, 1.0])
    for color, stroke, offset, strength in layers:
        tile = Image.new("L", tile_size)
        draw = ImageDraw.Draw(tile)
        for character, x, y in glyphs:
            at = (x - low[0] + offset, y - low[1] + offset)
            draw.text(at, character, fill=255, font=font, anchor="ls", stroke_width=stroke)
        cover = np.asarray(tile)
        if offset:
            cover = cv2.GaussianBlur(cover, (0, 0), 0.05 * pen.size)
        shift = np.array([[1, 0, place[0] + low[0] / 2], [0, 1, place[1] + low[1] / 2], [0, 0, 1]], np.float64)
        lay(scene.rgb, cover, to_picture @ shift @ half, color, strength)
    pad, (x0, y0), (x1, y1) = 0.05 * pen.size, (low + extra) / 2, (high - extra) / 2
    corners = np.array([[x0 - pad, y0 - pad], [x1 + pad, y0 - pad], [x1 + pad, y1 + pad], [x0 - pad, y1 + pad]])
    polygon = cv2.perspectiveTransform((corners + place)[None].astype(np.float64), to_picture)[0]
    outline, width = pen.outline or (None, 0.0)
    scale = float(np.sqrt(abs(np.linalg.det(to_picture[:2, :2]))))
    orientation = "vertical" if pen.vertical else "horizontal"
    scene.lines.append(
        SceneLine(
            text, np.round(polygon, 2).tolist(), orientation, pen.color, outline, width, pen.bold, pen.size * scale
        )
    )
    return x1 - x0, y1 - y0


def lay(picture: np.ndarray, cover: np.ndarray, matrix: np.ndarray, color: Colour, strength: float = 1.0) -> None:
    """Blend a colour into `picture` by the coverage that `matrix` [3, 3] warps into it, sampled four times a pixel."""
    height, width = picture.shape[:2]
    corners = np.array(
        [[[0, 0], [cover.shape[1], 0], [cover.shape[1], cover.shape[0]], [0, cover.shape[0]]]], np.float64
    )
    region = cv2.perspectiveTransform(corners, matrix)[0]
    x0, y0 = (int(v) for v in np.clip(np.floor(region.min(0)) - 1, 0, (width, height)))
    x1, y1 = (int(v) for v in np.clip(np.ceil(region.max(0)) + 1, 0, (width, height)))
    if x1 <= x0 or y1 <= y0:
        return
    fine = np.array([[2, 0, -2 * x0], [0, 2, -2 * y0], [0, 0, 1]], np.float64) @ matrix
    warped = cv2.warpPerspective(cover, fine, (2 * (x1 - x0), 2 * (y1 - y0)), flags=cv2.INTER_LINEAR)
    amount = cv2.resize(warped, (x1 - x0, y1 - y0), interpolation=cv2.INTER_AREA)[..., None].astype(np.float32) / 255
    part = picture[y0:y1, x0:x1].astype(np.float32)
    picture[y0:y1, x0:x1] = np.round(part + (np.array(color, np.float32) - part) * amount * strength).astype(np.uint8)


def view(
    rng: np.random.Generator, size: tuple[float, float], width: int, height: int, turn: float, depth: float
) -> np.ndarray:
    """[3, 3]: a plane of `size` set in the middle of the picture, turned by degrees, seen from the side by `depth`."""
    w, h = size
    corners = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
    angle = np.radians(turn)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    target = (corners - (w / 2, h / 2)) * (1 + depth * np.array([[1, 1], [-1, -1], [-1, -1], [1, 1]]) * [0.3, 1])
    target = target @ rotation.T
    span = np.ptp(target, axis=0)
    target *= min(1.0, 0.94 * width / span[0], 0.94 * height / span[1])
    room = (np.array([width, height]) - np.ptp(target, axis=0)) / 2 * 0.9
    target += np.array([width, height]) / 2 + rng.uniform(-1, 1, 2) * room
    return cv2.getPerspectiveTransform(corners, target.astype(np.float32)).astype(np.float64)


def panel(ground: np.ndarray, size: tuple[float, float], view: np.ndarray, texture: np.ndarray) -> None:
    """Fix a textured board with a soft shadow and a rim onto the ground."""
    w, h = (int(v) for v in size)
    board = cv2.resize(texture, (w, h), interpolation=cv2.INTER_LINEAR)
    cv2.rectangle(board, (0, 0), (w - 1, h - 1), tuple(int(v) for v in board.mean((0, 1)) * 0.6), 5)
    shape = (ground.shape[1], ground.shape[0])
    cover = cv2.warpPerspective(np.full((h, w), 255, np.uint8), view, shape).astype(np.float32)[..., None] / 255
    fallen = cv2.warpAffine(cover[..., 0], np.array([[1, 0, 8], [0, 1, 10]], np.float32), shape)
    shade = cv2.GaussianBlur(fallen, (0, 0), 9)[..., None]
    darker = ground * (1 - 0.45 * shade)
    warped = cv2.warpPerspective(board, view, shape, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
    ground[...] = np.round(darker * (1 - cover) + warped * cover).astype(np.uint8)
