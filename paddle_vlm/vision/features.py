"""Classical descriptions of pictures: SIFT and its matching, HOG, visual words."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from paddle_vlm.errors import BadImage
from paddle_vlm.runtime import parallel_map

BINS = 9  # directions of HOG, 20 degrees each


@dataclass
class Keypoints:
    """Places of a picture that can be found again, and how each looks.

    Attributes:
        points: float32 [N, 2], x and y in pixels of the picture.
        sizes: float32 [N], diameter of the described area in pixels.
        angles: float32 [N], main direction in degrees, clockwise.
        descriptors: float32 [N, 128], RootSIFT (Arandjelovic and Zisserman 2012): unit vectors.
    """

    points: np.ndarray
    sizes: np.ndarray
    angles: np.ndarray
    descriptors: np.ndarray

    def __len__(self) -> int:
        return len(self.points)


@dataclass
class MatchResult:
    """What two pictures have in common.

    Attributes:
        first, second: float32 [M, 2], places that look alike and agree with the homography.
        homography: float64 [3, 3] that maps places of the first picture to the second; None where none was found.
        candidates: how many places looked alike before the geometry was checked.
    """

    first: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), np.float32))
    second: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), np.float32))
    homography: np.ndarray | None = None
    candidates: int = 0

    @property
    def inliers(self) -> int:
        return len(self.first)


def sift(rgb: np.ndarray, limit: int = 1000, longest: int = 800) -> Keypoints:
    """The `limit` most distinct places (SIFT, Lowe 2004) of uint8 [H, W, 3]; none in a picture without texture.

    Args:
        longest: larger pictures are searched at this size, in pixels of the longer side.
    """
    scale = min(1.0, longest / max(rgb.shape[:2]))
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    if scale < 1:
        grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    found, descriptors = cv2.SIFT.create(nfeatures=limit).detectAndCompute(grey, None)
    if descriptors is None:
        return Keypoints(*(np.zeros(shape, np.float32) for shape in ((0, 2), 0, 0, (0, 128))))
    descriptors = np.sqrt(descriptors / np.maximum(descriptors.sum(1, keepdims=True), 1e-6))
    numbers = np.array([(*each.pt, each.size, each.angle) for each in found], np.float32)
    numbers[:, :3] /= scale
    return Keypoints(numbers[:, :2], numbers[:, 2], numbers[:, 3], descriptors.astype(np.float32))


def match_sift(first: np.ndarray, second: np.ndarray, tolerance: float = 4.0) -> MatchResult:
    """`match` of two pictures, uint8 [H, W, 3]."""
    return match(sift(first), sift(second), tolerance)


def match(first: Keypoints, second: Keypoints, tolerance: float = 4.0) -> MatchResult:
    """Places that look alike in both pictures and whose positions agree with one plane seen twice.

    Lowe's ratio test, then a homography by MAGSAC (Barath et al. 2020). Chance alone gives up to about 7 inliers.

    Args:
        tolerance: how far a place may lie from where the homography puts it, in pixels of the second picture.
    """
    if min(len(first), len(second)) < 4:
        return MatchResult()
    pairs = cv2.BFMatcher(cv2.NORM_L2).knnMatch(first.descriptors, second.descriptors, k=2)
    alike = [best for best, other in pairs if best.distance < 0.75 * other.distance]
    taken: dict[int, cv2.DMatch] = {}  # a place of the second picture answers once
    for each in sorted(alike, key=lambda each: each.distance):
        taken.setdefault(each.trainIdx, each)
    source = first.points[[each.queryIdx for each in taken.values()]]
    target = second.points[list(taken)]
    if len(taken) < 4:
        return MatchResult(candidates=len(taken))
    homography, kept = cv2.findHomography(source, target, cv2.USAC_MAGSAC, tolerance, maxIters=5000)
    if homography is None or not _plausible(homography):
        return MatchResult(candidates=len(taken))
    inliers = kept[:, 0].astype(bool)
    return MatchResult(source[inliers], target[inliers], homography, len(taken))


def _plausible(homography: np.ndarray) -> bool:
    """Neither mirrored nor squeezed to a line, as homographies through chance matches are."""
    area = np.linalg.det(homography[:2, :2])
    return bool(np.isfinite(homography).all() and 0.01 < area < 100 and abs(homography[2, :2]).max() < 0.01)


def hog_cells(rgb: np.ndarray, cell: int = 8) -> np.ndarray:
    """Histograms of oriented gradients (Dalal and Triggs 2005), not normalised: float32 [H // cell, W // cell, 9].

    Bin b holds the mean strength, in grey levels, of gradients about 20 b + 10 degrees against the x axis (y runs down)
    without sign; a gradient counts for its two nearest bins. Raises BadImage for a picture smaller than one cell.
    """
    rows, columns = rgb.shape[0] // cell, rgb.shape[1] // cell
    if not rows or not columns:
        raise BadImage(f"图片只有 {rgb.shape[1]}×{rgb.shape[0]} 像素,小于 HOG 的一格({cell}×{cell})。请用更大的图片。")
    across, down = (cv2.Sobel(rgb, cv2.CV_32F, *order, ksize=1) for order in ((1, 0), (0, 1)))
    strongest = np.hypot(across, down).argmax(-1)[..., None]  # each pixel follows its strongest channel
    dx, dy = (np.take_along_axis(each, strongest, -1)[: rows * cell, : columns * cell, 0] for each in (across, down))
    strength, position = np.hypot(dx, dy), np.degrees(np.arctan2(dy, dx)) / (180 / BINS) - 0.5
    histograms = np.empty((rows, columns, BINS), np.float32)
    for number in range(BINS):
        distance = np.abs((position - number + BINS / 2) % BINS - BINS / 2)
        votes = strength * np.maximum(0, 1 - distance)
        histograms[..., number] = votes.reshape(rows, cell, columns, cell).mean(axis=(1, 3))
    return histograms


def hog(images: np.ndarray, cell: int = 4) -> np.ndarray:
    """One vector a picture: cells in overlapping blocks of 2 x 2, each block normalised.

    uint8 [N, H, W, 3], at least 2 x 2 cells -> float32 [N, (H // cell - 1) * (W // cell - 1) * 36].
    """
    height, width = (side // cell * cell for side in images.shape[1:3])
    descriptor = cv2.HOGDescriptor((width, height), (2 * cell, 2 * cell), (cell, cell), (cell, cell), BINS)
    return np.stack(parallel_map(descriptor.compute, np.ascontiguousarray(images[:, :height, :width])))


@dataclass
class Vocabulary:
    """Visual words (Sivic and Zisserman 2003): typical descriptors, found by k-means, and how rare each is.

    Attributes:
        words: float32 [K, 128].
        rarity: float32 [K], log(pictures / pictures that have the word).
    """

    words: np.ndarray
    rarity: np.ndarray

    @classmethod
    def learn(cls, pictures: Sequence[Keypoints], words: int = 200, seed: int = 0) -> "Vocabulary":
        """From the key points of pictures. Raises BadImage where there are fewer of them than words."""
        every = np.concatenate([each.descriptors for each in pictures]) if pictures else np.zeros((0, 128), np.float32)
        if len(every) < words:
            raise BadImage(
                f"图片里一共只有 {len(every)} 个 SIFT 特征点,学不出 {words} 个视觉词。请用更多或更大的图片。"
            )
        cv2.setRNGSeed(seed)
        stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 30, 1e-4)
        _, _, centres = cv2.kmeans(every, words, None, stop, 1, cv2.KMEANS_PP_CENTERS)
        vocabulary = cls(centres, np.ones(words, np.float32))
        seen = sum(np.bincount(vocabulary.assign(each), minlength=words) > 0 for each in pictures)
        vocabulary.rarity = np.log((1 + len(pictures)) / np.maximum(seen, 1)).astype(np.float32)
        return vocabulary

    def assign(self, keypoints: Keypoints) -> np.ndarray:
        """The nearest word of each key point, int64 [N]."""
        distances = (self.words**2).sum(1) - 2 * keypoints.descriptors @ self.words.T
        return distances.argmin(1)

    def histogram(self, keypoints: Keypoints) -> np.ndarray:
        """float32 [K], words counted and weighted by rarity, length 1 (all zero without key points).

        The product of two of them tells how alike two pictures are.
        """
        counts = np.bincount(self.assign(keypoints), minlength=len(self.words)) * self.rarity
        return (counts / max(float(np.linalg.norm(counts)), 1e-12)).astype(np.float32)
