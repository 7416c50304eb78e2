"""The background around a line of text: the neighbourhood of its polygon and a smooth surface fitted to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from paddle_vlm.translation.ocr import TextLine


def glyph_height(line: TextLine) -> float:
    """Size of a line's characters in pixels: across the reading direction, whichever way the line runs."""
    p0, p1, p2, p3 = np.asarray(line.polygon, np.float32)
    across = (p3 - p0, p2 - p1) if line.orientation == "horizontal" else (p1 - p0, p2 - p3)
    return max(4.0, float(np.mean([np.hypot(*side) for side in across])))


@dataclass
class Neighbourhood:
    """A rectangle of the picture around one polygon, with each pixel's distance to the polygon (0 inside).

    `scale` is the factor by which the pixels were reduced: strokes are found as well at a bounded glyph size,
    and the work no longer grows with the picture.
    """

    box: tuple[int, int, int, int]  # x0, y0, x1, y1 in the full picture
    scale: float
    height: float  # glyph height in reduced pixels
    inside: np.ndarray  # float32 [h, w]: distance to the polygon's edge from inside, 0 outside
    outside: np.ndarray  # float32 [h, w]: distance to the polygon from outside, 0 inside

    @classmethod
    def of(cls, line: TextLine, shape: tuple[int, ...], margin: float, max_height: float = 1e9) -> Neighbourhood:
        """`margin` in glyph heights; `max_height` bounds the glyph height after reduction."""
        height = glyph_height(line)
        polygon = np.asarray(line.polygon, np.float32)
        reach = margin * height + 2
        low, high = np.floor(polygon.min(0) - reach), np.ceil(polygon.max(0) + reach) + 1
        x0, y0 = (int(v) for v in np.clip(low, 0, (shape[1] - 1, shape[0] - 1)))
        x1, y1 = (int(v) for v in np.clip(high, (x0 + 1, y0 + 1), (shape[1], shape[0])))
        scale = min(1.0, max_height / height)
        size = (max(1, round((y1 - y0) * scale)), max(1, round((x1 - x0) * scale)))
        corners = (polygon - (x0, y0)) * ((size[1]) / (x1 - x0), (size[0]) / (y1 - y0))
        drawn = np.zeros(size, np.uint8)
        cv2.fillConvexPoly(drawn, np.round(corners * 16).astype(np.int32), 1, shift=4)
        inside = cv2.distanceTransform(drawn, cv2.DIST_L2, 3)
        outside = cv2.distanceTransform(1 - drawn, cv2.DIST_L2, 3)
        return cls((x0, y0, x1, y1), scale, height * scale, inside, outside)

    def cut(self, image: np.ndarray) -> np.ndarray:
        """The picture's part [h, w(, C)] at the reduced size (a view where nothing is reduced)."""
        x0, y0, x1, y1 = self.box
        return self.reduced(image[y0:y1, x0:x1])

    def reduced(self, part: np.ndarray) -> np.ndarray:
        """A full-size part of the picture at the reduced size."""
        if part.shape[:2] == self.inside.shape:
            return part
        return cv2.resize(part, self.inside.shape[::-1], interpolation=cv2.INTER_AREA)

    def enlarged(self, small: np.ndarray) -> np.ndarray:
        """Back from the reduced size to the full one."""
        x0, y0, x1, y1 = self.box
        if small.shape[:2] == (y1 - y0, x1 - x0):
            return small
        return cv2.resize(small, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)


@dataclass
class Surface:
    """A smooth background and the robust spread of the known pixels around it (same unit as the pixels)."""

    values: np.ndarray  # float32 [h, w, C]
    spread: float
    quadratic: np.ndarray  # float32 [h, w, C]: `values` without what follows soft shading


def fit_background(pixels: np.ndarray, valid: np.ndarray, radius: float) -> Surface | None:
    """A quadratic surface plus what the valid pixels within about `radius` differ from it; None with too few pixels.

    The second part follows soft shading that no single surface fits (a dented plate, a vignette).
    """
    surface = fit_surface(pixels, valid)
    if surface is None:
        return None
    residual = pixels - surface.values
    kept = valid & (length(residual) < max(4.0, 3 * surface.spread))
    values = surface.values + spread_into(residual, kept, radius)
    # A low quantile: up to half of the pixels may be the faint foot of a shadow or glow.
    return Surface(values, 2.0 * _quantile(length(pixels - values)[valid], 0.3), surface.values)


def length(vectors: np.ndarray) -> np.ndarray:
    """Euclidean length along the last axis (several times faster than numpy's norm on few channels)."""
    return np.sqrt(np.einsum("...c,...c->...", vectors, vectors))


def median(values: np.ndarray) -> float:
    """The middle of some numbers [n] (numpy's median takes three times as long on a few hundred)."""
    return _quantile(values, 0.5)


def _quantile(values: np.ndarray, share: float) -> float:
    place = int(share * (len(values) - 1))
    return float(np.partition(values, place)[place])


def spread_into(values: np.ndarray, known: np.ndarray, radius: float) -> np.ndarray:
    """Average of the known `values` [h, w, C] around each pixel, 0 where none is near (normalised convolution)."""
    weight = known.astype(np.float32)
    size = (2 * max(1, round(0.6 * radius)) + 1,) * 2
    total, amount = values * weight[..., None], weight
    for _ in range(2):
        total, amount = cv2.blur(total, size), cv2.blur(amount, size)
    total = total.reshape(values.shape)
    return total / np.maximum(amount, 1e-6)[..., None] * np.minimum(1, amount * 1e4)[..., None]


def membrane(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """`values` float32 [h, w, C] continued smoothly over the unknown pixels (pull-push, Gortler et al. 1996)."""
    if min(known.shape) < 2:
        return values
    height, width = known.shape
    weight = known.astype(np.float32)
    size = ((width + 1) // 2, (height + 1) // 2)
    coarse = cv2.resize(values * weight[..., None], size, interpolation=cv2.INTER_AREA)
    amount = cv2.resize(weight, size, interpolation=cv2.INTER_AREA)
    coarse = coarse.reshape(*amount.shape, -1) / np.maximum(amount, 1e-6)[..., None]
    coarse = membrane(coarse, amount > 0) if not known.all() else coarse
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR).reshape(values.shape)
    for _ in range(4):  # relax, or the middle between two sides would show as a step
        smooth = np.where(known[..., None], values, smooth)
        smooth = cv2.blur(smooth, (3, 3), borderType=cv2.BORDER_REPLICATE).reshape(values.shape)
    return np.where(known[..., None], values, smooth)


def grown(mask: np.ndarray, radius: float) -> np.ndarray:
    """`mask` bool [h, w] dilated by a disc."""
    size = 2 * round(radius) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    return cv2.dilate(mask.astype(np.uint8), kernel).astype(bool)


def fit_surface(pixels: np.ndarray, valid: np.ndarray, samples: int = 400) -> Surface | None:
    """Fit value = quadratic(x, y) to `pixels` float32 [h, w, C] where `valid` [h, w]; None with too few pixels.

    Iteratively reweighted least squares with Tukey's biweight, so that up to about a third of foreign pixels
    (a border line, a neighbour's glyph) do not bend the surface.
    """
    found = np.flatnonzero(valid)
    if len(found) < 12:
        return None
    height, width = valid.shape
    ys, xs = np.divmod(found[:: max(1, len(found) // samples)], width)
    grid_x, grid_y = np.linspace(-1, 1, width, dtype=np.float32), np.linspace(-1, 1, height, dtype=np.float32)
    x, y = grid_x[xs], grid_y[ys]
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)
    target = pixels[ys, xs].astype(np.float32)
    # Start from the median colour: the first weights then already distrust what is not background.
    residual = length(target - np.array([median(channel) for channel in target.T], np.float32))
    # The small ridge keeps curvature out where the samples do not call for it (a thin band, one side only).
    ridge = np.diag(np.array([0, 1e-3, 1e-3, 1e-2, 1e-2, 1e-2], np.float32))
    coefficients = np.zeros((6, target.shape[1]), np.float32)
    for _ in range(4):
        limit = 4.7 * max(0.5, 1.48 * median(residual))
        weight = np.clip(1 - (residual / limit) ** 2, 0, 1) ** 2
        left = terms * weight[:, None]
        system = left.T @ terms + (ridge + 1e-6 * np.eye(6, dtype=np.float32)) * max(1.0, float(weight.sum()))
        coefficients = np.linalg.solve(system, left.T @ target).astype(np.float32)
        residual = length(target - terms @ coefficients)
    constant, in_x, in_y, in_xx, in_xy, in_yy = coefficients[:, :, None]  # [C, 1] each
    by_power = np.stack(
        [constant + in_y * grid_y + in_yy * grid_y**2, in_x + in_xy * grid_y, in_xx + 0 * grid_y], axis=-1
    )
    values = by_power @ np.stack([np.ones_like(grid_x), grid_x, grid_x**2])  # [C, h, 3] @ [3, w]
    values = np.ascontiguousarray(values.transpose(1, 2, 0))
    return Surface(values, 1.48 * median(residual), values)
