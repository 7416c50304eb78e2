"""Pictures of what `features` and `segment` find."""

from collections.abc import Sequence

import cv2
import numpy as np

from paddle_vlm.vision.features import BINS, Keypoints, MatchResult, hog_cells
from paddle_vlm.vision.segment import mean_colours, outlines, superpixels, watershed

_SMALLEST = 480  # pixels of the longer side; smaller pictures are drawn enlarged


def draw_keypoints(rgb: np.ndarray, keypoints: Keypoints, words: np.ndarray | None = None) -> np.ndarray:
    """Circles as large as the described areas, with a radius in the main direction.

    Args:
        words: int64 [N], visual word of each key point; equal words get equal colours. None colours by direction.
    """
    canvas, scale = _enlarged(rgb)
    canvas = (canvas * 0.6 + 60).astype(np.uint8)
    hues = keypoints.angles / 2 if words is None else words * 180 / (words.max(initial=0) + 1)
    for point, size, angle, colour in zip(
        keypoints.points * scale, keypoints.sizes * scale, keypoints.angles, _colours(hues), strict=True
    ):
        radius = max(2.0, size / 2)
        tip = point + radius * np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
        cv2.circle(canvas, _place(point), round(radius), colour, 1, cv2.LINE_AA)
        cv2.line(canvas, _place(point), _place(tip), colour, 1, cv2.LINE_AA)
    return canvas


def draw_hog(rgb: np.ndarray, cell: int = 8) -> np.ndarray:
    """In each cell, lines along the edges: the brighter, the more gradients across them."""
    canvas, scale = _enlarged(rgb)
    canvas = canvas // 4
    cells = hog_cells(rgb, cell)
    shades = 255 * np.sqrt(np.minimum(1, cells / max(float(np.percentile(cells.max(-1), 95)), 1e-6)))
    for row, column in np.ndindex(*cells.shape[:2]):
        middle = (np.array([column, row]) + 0.5) * cell * scale
        for number in np.argsort(shades[row, column]):  # the strongest last, on top
            along = np.radians((number + 0.5) * 180 / BINS + 90)
            reach = 0.48 * cell * scale * np.array([np.cos(along), np.sin(along)])
            shade = round(float(shades[row, column, number]))
            if shade > 60:
                cv2.line(canvas, _place(middle - reach), _place(middle + reach), (shade,) * 3, 1, cv2.LINE_AA)
    return canvas


def draw_segments(rgb: np.ndarray, subjects: Sequence[np.ndarray]) -> np.ndarray:
    """Panels two by two: superpixels, watershed regions in their mean colours, and each subject, bool [H, W], alone."""
    patches = superpixels(rgb, max(8, max(rgb.shape[:2]) // 24))
    traced = np.where(outlines(patches)[..., None], np.array([255, 220, 0], np.uint8), rgb)
    cuts = [np.where(subject[..., None], rgb, 255) for subject in subjects]
    panels = [_framed(_enlarged(each)[0]) for each in (traced, mean_colours(rgb, watershed(rgb)), *cuts)]
    return np.concatenate([np.concatenate(panels[i : i + 2], 1) for i in range(0, len(panels), 2)])


def draw_matches(first: np.ndarray, second: np.ndarray, result: MatchResult) -> np.ndarray:
    """Both pictures side by side, lines between the same places, and the first one's outline in the second."""
    (left, left_scale), (right, right_scale) = _enlarged(first), _enlarged(second)
    canvas = np.full((max(len(left), len(right)), left.shape[1] + right.shape[1] + 8, 3), 255, np.uint8)
    canvas[: len(left), : left.shape[1]] = left
    canvas[: len(right), -right.shape[1] :] = right
    across = np.array([left.shape[1] + 8, 0])
    hues = np.linspace(0, 180, result.inliers, endpoint=False)
    for a, b, colour in zip(
        result.first * left_scale, result.second * right_scale + across, _colours(hues), strict=True
    ):
        for point in (a, b):
            cv2.circle(canvas, _place(point), 3, colour, 1, cv2.LINE_AA)
        cv2.line(canvas, _place(a), _place(b), colour, 1, cv2.LINE_AA)
    if result.homography is not None:
        height, width = first.shape[:2]
        corners = np.array([[[0, 0], [width, 0], [width, height], [0, height]]], np.float32)
        outline = cv2.perspectiveTransform(corners, result.homography)[0] * right_scale + across
        cv2.polylines(canvas, [outline.round().astype(np.int32)], True, (0, 200, 0), 2, cv2.LINE_AA)
    return canvas


def _enlarged(rgb: np.ndarray) -> tuple[np.ndarray, float]:
    scale = max(1.0, _SMALLEST / max(rgb.shape[:2]))
    if scale == 1:
        return rgb, 1.0
    return cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC), scale


def _colours(hues: np.ndarray) -> list[tuple[int, ...]]:
    """Bright colours for hues in 0..180."""
    hsv = np.stack([hues, np.full(len(hues), 255), np.full(len(hues), 255)], -1).astype(np.uint8)
    return [tuple(colour) for colour in cv2.cvtColor(hsv[None], cv2.COLOR_HSV2RGB)[0].tolist()] if len(hues) else []


def _framed(rgb: np.ndarray) -> np.ndarray:
    return np.pad(rgb, ((0, 6), (0, 6), (0, 0)), constant_values=255)


def _place(point: np.ndarray) -> tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))
