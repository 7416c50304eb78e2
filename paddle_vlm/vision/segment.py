"""Segmentation without a network: cut the subject out, superpixels, regions."""

from typing import Literal

import cv2
import numpy as np

Method = Literal["grabcut", "watershed"]
_WORKING = 480  # pixels of the longer side: GrabCut's time grows faster than the pixels, its outline hardly improves


def cut_out(rgb: np.ndarray, method: Method = "grabcut", box: tuple[int, int, int, int] | None = None) -> np.ndarray:
    """Which pixels belong to the subject: uint8 [H, W, 3] -> bool [H, W]; none in a picture of a few pixels.

    Args:
        method: "grabcut" (colour models of subject and surroundings, and a minimum cut between them, Rother et al.
            2004) or "watershed" (regions flood from seeds until they meet at edges, Meyer 1994; quicker, rougher).
        box: left, top, right, bottom of a box around the subject in pixels. None takes for surroundings what looks
            like the picture's border.
    """
    height, width = rgb.shape[:2]
    scale = min(1.0, _WORKING / max(height, width))
    small = rgb if scale == 1 else cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    inside = _inside(small.shape[:2], box, scale)
    sure = _likely_subject(small, inside)
    mask = _grabcut(small, inside, sure) if method == "grabcut" else _watershed(small, inside, sure)
    mask = _without_specks(mask)
    if scale < 1:
        mask = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC) > 0.5
    return mask


def superpixels(rgb: np.ndarray, size: int = 24, smoothness: float = 10.0) -> np.ndarray:
    """Patches of similar colour, about size x size pixels (SLICO, Achanta et al. 2012): labels int32 [H, W] from 0.

    Args:
        smoothness: higher values give rounder patches, lower ones follow edges more closely.
    """
    size = min(size, *rgb.shape[:2])  # OpenCV 4.10 crashes on pictures narrower than half a patch
    slic = cv2.ximgproc.createSuperpixelSLIC(cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB), cv2.ximgproc.SLICO, size, smoothness)
    slic.iterate(10)
    slic.enforceLabelConnectivity(25)
    return slic.getLabels()


def watershed(rgb: np.ndarray, detail: float = 0.5) -> np.ndarray:
    """Regions between edges: labels int32 [H, W] from 0. The seeds are where the picture is smooth.

    Args:
        detail: 0 to 1, higher for more and smaller regions.
    """
    smooth = cv2.bilateralFilter(rgb, 7, 40, 7)
    edges = _edges(smooth)
    seeds = (edges <= np.percentile(edges, 40 + 40 * detail)).astype(np.uint8)
    seeds = cv2.erode(seeds, np.ones((3, 3), np.uint8))
    _, markers = cv2.connectedComponents(seeds, connectivity=4)
    if markers.max() == 0:
        return np.zeros(rgb.shape[:2], np.int32)
    regions = cv2.watershed(smooth, markers.copy())
    return _without_seams(regions) - 1


def mean_colours(rgb: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Each region in its mean colour: uint8 [H, W, 3]."""
    flat, counts = labels.ravel(), np.maximum(np.bincount(labels.ravel()), 1)
    means = [np.bincount(flat, weights=rgb[..., channel].ravel()) / counts for channel in range(3)]
    return np.stack(means, -1).round().astype(np.uint8)[labels]


def outlines(labels: np.ndarray) -> np.ndarray:
    """Where a region meets the next one to the right or below: bool [H, W]."""
    border = np.zeros(labels.shape, bool)
    border[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    border[:-1] |= labels[:-1] != labels[1:]
    return border


def _inside(shape: tuple[int, int], box: tuple[int, int, int, int] | None, scale: float) -> np.ndarray:
    """Where the subject may be: bool [H, W]."""
    height, width = shape
    margin = max(2, round(0.02 * min(height, width)))
    left, top, right, bottom = (margin, margin, width - margin, height - margin)
    if box is not None:
        left, top, right, bottom = (round(side * scale) for side in box)
    inside = np.zeros(shape, bool)
    inside[max(0, top) : max(0, bottom), max(0, left) : max(0, right)] = True
    return inside


def _likely_subject(rgb: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Superpixels that look least like the surroundings and lie near the middle: bool [H, W].

    Far from the border in colour counts as in Zhu et al. 2014, a centre prior as in most work on saliency.
    """
    if not inside.any():
        return inside
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB).astype(np.float32)
    labels = superpixels(rgb, max(4, max(rgb.shape[:2]) // 24))
    count = labels.max() + 1
    size = np.maximum(np.bincount(labels.ravel(), minlength=count), 1)

    def mean(values: np.ndarray) -> np.ndarray:
        return np.bincount(labels.ravel(), weights=values.ravel(), minlength=count) / size

    colour = np.stack([mean(lab[..., channel]) for channel in range(3)], 1)
    outside = mean((~inside).astype(np.float32)) > 0.05
    if not outside.any():
        return inside
    difference = np.linalg.norm(colour[:, None] - colour[None, outside], axis=2)
    nearest = np.sort(difference, 1)[:, : max(1, round(0.15 * outside.sum()))].mean(1)
    ys, xs = np.nonzero(inside)
    rows, columns = np.indices(labels.shape)
    away = ((mean(rows) - ys.mean()) / max(ys.std(), 1)) ** 2 + ((mean(columns) - xs.mean()) / max(xs.std(), 1)) ** 2
    score = nearest * np.exp(-away / 4)
    score[outside] = 0
    limit, _ = cv2.threshold((255 * score / max(score.max(), 1e-6)).astype(np.uint8), 0, 255, cv2.THRESH_OTSU)
    chosen = 255 * score / max(score.max(), 1e-6) > min(limit, 254)
    return chosen[labels] & inside


def _grabcut(rgb: np.ndarray, inside: np.ndarray, likely: np.ndarray) -> np.ndarray:
    mask = np.full(rgb.shape[:2], cv2.GC_BGD, np.uint8)
    mask[inside] = cv2.GC_PR_BGD
    mask[likely] = cv2.GC_PR_FGD
    if not likely.any() or likely.all():
        return likely
    cv2.setRNGSeed(0)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(np.ascontiguousarray(rgb[..., ::-1]), mask, None, *models, 5, cv2.GC_INIT_WITH_MASK)
    subject = (mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD)
    return subject if subject.any() else likely  # in a picture without a subject everything may become surroundings


def _watershed(rgb: np.ndarray, inside: np.ndarray, likely: np.ndarray) -> np.ndarray:
    """The core of what is likely and the surroundings are seeds; edges decide between them."""
    reach = max(3, min(rgb.shape[:2]) // 30)
    core = cv2.erode(likely.astype(np.uint8), np.ones((reach, reach), np.uint8))
    near = cv2.dilate(likely.astype(np.uint8), np.ones((4 * reach, 4 * reach), np.uint8))
    markers = np.zeros(rgb.shape[:2], np.int32)
    markers[(near == 0) | ~inside] = 1
    markers[core > 0] = 2
    if not (markers == 2).any():
        return likely
    return _without_seams(cv2.watershed(cv2.bilateralFilter(rgb, 7, 40, 7), markers)) == 2


def _without_seams(regions: np.ndarray) -> np.ndarray:
    """OpenCV marks the pixels between regions -1: give them to a neighbour."""
    filled = cv2.dilate(regions.astype(np.float32), np.ones((3, 3), np.uint8)).astype(np.int32)
    return np.where(regions < 1, np.maximum(filled, 1), regions)


def _edges(rgb: np.ndarray) -> np.ndarray:
    """Strength of the strongest channel's gradient: float32 [H, W]."""
    across, down = (cv2.Scharr(rgb, cv2.CV_32F, *order) for order in ((1, 0), (0, 1)))
    return np.hypot(across, down).max(-1)


def _without_specks(mask: np.ndarray) -> np.ndarray:
    """Pieces smaller than a hundredth of the largest one vanish, and so do holes of that size."""
    for value in (True, False):
        count, labels, stats, _ = cv2.connectedComponentsWithStats((mask == value).astype(np.uint8), connectivity=4)
        areas = stats[:, cv2.CC_STAT_AREA]
        if count > 1:
            small = areas < 0.01 * areas[1:].max()
            small[0] = False
            mask = np.where(small[labels], not value, mask)
    return mask
