"""Draw lines of glyphs into a picture: straight ones by FreeType at their final size, oblique ones through one warp."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image, ImageDraw

from paddle_vlm.translation.fitting import Face
from paddle_vlm.translation.space import Box, Frame

if TYPE_CHECKING:
    from paddle_vlm.translation.style import Colour

# FreeType as Pillow drives it moves stems and advances to whole pixels, which sets small print unevenly (words of
# 9 to 13 px are read back worse). So glyphs are drawn at 64 px per em or more and each pixel takes the mean of its own
# samples: the exact outlines at their true size and place.
_FINE = 64.0


@dataclass(frozen=True)
class Block:
    """Lines with the left end of each baseline, in the frame; sizes in pixels."""

    frame: Frame
    lines: tuple[tuple[str, float, float], ...]
    face: Face
    size: float
    color: Colour
    outline_color: Colour | None = None
    outline_width: float = 0.0
    slant: float = 0.0  # degrees to the right

    @property
    def samples(self) -> int:
        """Samples per pixel and axis at which the glyphs are drawn."""
        least = 2 if self.frame.quarter_turns is None or self.slant else 1
        return int(np.clip(np.ceil(_FINE / self.size), least, 6))

    @property
    def ink(self) -> Box:
        """The rectangle of all ink before slanting, outline included."""
        font = self.face.font(self.size * self.samples)
        boxes = [
            np.add(np.divide(font.getbbox(text, anchor="ls"), self.samples), (x, y, x, y)) for text, x, y in self.lines
        ]
        low, high = np.min(boxes, axis=0), np.max(boxes, axis=0)
        extra = self.outline_width
        return Box(float(low[0]) - extra, float(low[1]) - extra, float(high[2]) + extra, float(high[3]) + extra)

    @property
    def shear(self) -> np.ndarray:
        """float64 [3, 3]: leans the block about its own middle."""
        lean, middle = np.tan(np.radians(self.slant)), (self.ink.y0 + self.ink.y1) / 2
        return np.array([[1, -lean, lean * middle], [0, 1, 0], [0, 0, 1]], np.float64)


def ink_polygon(block: Block) -> np.ndarray:
    """The ink's quadrilateral float32 [4, 2] in the picture, clockwise from where reading starts."""
    matrix = block.frame.matrix @ block.shear
    return cv2.perspectiveTransform(block.ink.corners[None].astype(np.float64), matrix)[0].astype(np.float32)


def draw_block(canvas: np.ndarray, block: Block) -> None:
    """Draw into `canvas` uint8 [H, W, C] in place; C = 4 has alpha, which text makes opaque."""
    if block.frame.quarter_turns is None or block.slant:
        x, y, covers = _oblique(canvas.shape, block)
    else:
        x, y, covers = _straight(block)
    for cover, colour in covers:
        _blend(canvas, x, y, cover, colour)


def _covers(block: Block, origin: tuple[float, float], size: tuple[int, int]) -> list[np.ndarray]:
    """Coverage uint8 [h, w] of the outline (where there is one) and of the glyphs."""
    scale = block.samples
    font = block.face.font(block.size * scale)
    covers = []
    for stroke in [block.outline_width * scale, 0.0] if block.outline_color else [0.0]:
        tile = Image.new("L", size)
        draw = ImageDraw.Draw(tile)
        for text, x, y in block.lines:
            place = ((x - origin[0]) * scale, (y - origin[1]) * scale)
            draw.text(place, text, fill=255, font=font, anchor="ls", stroke_width=stroke)
        covers.append(np.asarray(tile))
    return covers


def _coloured(block: Block, covers: list[np.ndarray]) -> list[tuple[np.ndarray, Colour]]:
    colours = [block.outline_color, block.color] if block.outline_color else [block.color]
    return [(cover, colour) for cover, colour in zip(covers, colours, strict=True) if colour is not None]


def _straight(block: Block) -> tuple[int, int, list[tuple[np.ndarray, Colour]]]:
    ink = block.ink
    x0, y0 = int(np.floor(ink.x0)) - 1, int(np.floor(ink.y0)) - 1
    size = (int(np.ceil(ink.x1)) + 1 - x0, int(np.ceil(ink.y1)) + 1 - y0)
    corners = block.frame.to_picture(Box(x0, y0, x0 + size[0], y0 + size[1]).corners)
    x, y = (round(float(v)) for v in corners.min(0))
    fine = _covers(block, (x0, y0), (size[0] * block.samples, size[1] * block.samples))
    covers = [cv2.resize(cover, size, interpolation=cv2.INTER_AREA) for cover in fine]
    turns = -(block.frame.quarter_turns or 0)
    return x, y, _coloured(block, [np.rot90(cover, turns) for cover in covers])


def _oblique(shape: tuple[int, ...], block: Block) -> tuple[int, int, list[tuple[np.ndarray, Colour]]]:
    polygon = ink_polygon(block)
    x0, y0 = (int(v) for v in np.floor(polygon.min(0)) - 2)
    width, height = (int(v) for v in np.ceil(polygon.max(0)) + 2 - (x0, y0))
    ink, scale = block.ink, block.samples
    origin = (ink.x0 - 2, ink.y0 - 2)
    size = (int((ink.width + 4) * scale), int((ink.height + 4) * scale))
    to_frame = np.array([[1 / scale, 0, origin[0]], [0, 1 / scale, origin[1]], [0, 0, 1]], np.float64)
    fine = np.array([[2, 0, -2 * x0], [0, 2, -2 * y0], [0, 0, 1]], np.float64)
    matrix = fine @ block.frame.matrix @ block.shear @ to_frame
    # Pixel centres of the two grids do not coincide: half a pixel each.
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]], np.float64)
    matrix = np.linalg.inv(half) @ matrix @ half
    covers = []
    for cover in _covers(block, origin, size):
        warped = cv2.warpPerspective(cover, matrix, (2 * width, 2 * height), flags=cv2.INTER_LINEAR)
        covers.append(cv2.resize(warped, (width, height), interpolation=cv2.INTER_AREA))
    return x0, y0, _coloured(block, covers)


def _blend(canvas: np.ndarray, x: int, y: int, cover: np.ndarray, colour: Colour) -> None:
    """Lay `colour` over the canvas by coverage; what falls outside is left out."""
    left, top = max(0, -x), max(0, -y)
    target = canvas[max(0, y) : max(0, y + cover.shape[0]), max(0, x) : max(0, x + cover.shape[1])]
    cover = cover[top : top + target.shape[0], left : left + target.shape[1]]
    amount = cover.astype(np.float32)[..., None] / 255
    old = target[..., :3].astype(np.float32)
    if target.shape[2] == 3:
        target[...] = np.round(old + (np.array(colour, np.float32) - old) * amount).astype(np.uint8)
        return
    alpha = target[..., 3:].astype(np.float32) / 255
    total = amount + alpha * (1 - amount)
    mixed = (np.array(colour, np.float32) * amount + old * alpha * (1 - amount)) / np.maximum(total, 1e-6)
    target[..., :3] = np.where(total > 0, np.round(mixed), old).astype(np.uint8)
    target[..., 3:] = np.round(255 * total).astype(np.uint8)
