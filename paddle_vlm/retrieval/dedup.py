"""Pictures that are there twice: the same file, or the same picture after resizing, recompression, cropping, filters.

Three looks, each dearer than the one before: a hash of the file; a perceptual hash (pHash, Zauner 2010) and the search
model's vectors, which propose pairs; SIFT with a homography, and the two pictures laid over one another, which decide.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import faiss
import numpy as np

from paddle_vlm.errors import BadImage
from paddle_vlm.retrieval.index import ImageEncoder
from paddle_vlm.retrieval.scan import DECODED_SIDE, File, Read, read_ahead, shrink
from paddle_vlm.vision.features import Keypoints, match, sift
from paddle_vlm.vision.image import load_image

HASH_DISTANCE = 12  # bits of 64 that may differ in a proposed pair
NEIGHBOURS = 5  # or: among so many nearest vectors; of crops to 60 % a side, 98 % are
MIN_INLIERS = 12  # chance alone gives up to 7
MIN_AGREEMENT = 0.7  # correlation of lightness where the two pictures lie over one another, in most places
MIN_COLOUR_AGREEMENT = 0.5  # the same of their colours, where both have some
PLAIN_DIFFERENCE = 8.0  # mean difference of 0..255 up to which pictures without key points are the same
MIN_OVERLAP = 0.3  # of the smaller picture
_KEPT = 256  # pictures kept for the next comparison, about 0.8 MB each
_OVERLAY = 128  # pixels of the longer side at which two pictures are laid over one another
_PLAIN = 20  # key points; pictures with fewer are compared without moving them
_SQUARE, _FLAT = 16, 2.0  # pixels of the overlay; a square of less contrast (0..100) tells nothing
_COLOURFUL = 8.0  # root mean square of Lab's a and b around their means
_BATCH = 64


@dataclass(frozen=True)
class Photo:
    """A picture in a group of duplicates."""

    path: str
    size: int
    width: int
    height: int
    modified: int

    def quality(self) -> tuple[int, int, int]:
        """Larger is better: pixels, bytes, age."""
        return self.width * self.height, self.size, -self.modified


@dataclass(frozen=True)
class DuplicateGroup:
    """The same picture several times, best one first; `exact` where all files are equal to the byte."""

    photos: tuple[Photo, ...]
    exact: bool

    @property
    def wasted(self) -> int:
        """Bytes of all but the best one."""
        return sum(photo.size for photo in self.photos[1:])


@dataclass
class Duplicates:
    """What a search for duplicates found in `looked_at` pictures; `unreadable` is path -> reason."""

    groups: list[DuplicateGroup]
    looked_at: int
    unreadable: dict[str, str]


@dataclass(frozen=True)
class _Seen:
    photo: Photo
    digest: bytes
    hash: np.ndarray  # uint8 [8]
    vector: np.ndarray  # float32 [dim]


def find_duplicates(
    files: Sequence[File], encoder: ImageEncoder, progress: Callable[[int, int], None] | None = None
) -> Duplicates:
    """Group equal and nearly equal pictures.

    Args:
        files: see `scan.find_files`.
        encoder: its vectors propose pairs that were cropped or turned too far for the hash.
        progress: called with pictures looked at and to look at.
    """
    seen: list[_Seen] = []
    unreadable: dict[str, str] = {}
    done = 0
    for outcomes in read_ahead(files, _BATCH):
        good = [one for _, one in outcomes if isinstance(one, Read)]
        unreadable |= {file.path: str(one) for file, one in outcomes if isinstance(one, BadImage)}
        if good:
            vectors = encoder.encode_images([one.rgb for one in good])
            seen += [_look(one, vector) for one, vector in zip(good, vectors, strict=True)]
        done += len(outcomes)
        if progress:
            progress(done, len(files))
    return Duplicates(_groups(seen), len(seen), unreadable)


def _look(one: Read, vector: np.ndarray) -> _Seen:
    p = one.picture
    grey = cv2.cvtColor(one.rgb, cv2.COLOR_RGB2GRAY)
    return _Seen(Photo(p.path, p.size, p.width, p.height, p.modified), p.digest, cv2.img_hash.pHash(grey)[0], vector)


def _groups(seen: list[_Seen]) -> list[DuplicateGroup]:
    parents = list(range(len(seen)))

    def root(i: int) -> int:
        while parents[i] != i:
            parents[i] = i = parents[parents[i]]
        return i

    first: dict[bytes, int] = {}
    for i, one in enumerate(seen):
        parents[i] = first.setdefault(one.digest, i)
    distinct = sorted(first.values())
    closer = functools.lru_cache(_KEPT)(_look_closer)
    for a, b in _proposals([seen[i] for i in distinct]):
        i, j = distinct[a], distinct[b]
        if root(i) != root(j) and _same(seen[i].photo.path, seen[j].photo.path, closer):
            parents[root(i)] = root(j)
    members: dict[int, list[int]] = {}
    for i in range(len(seen)):
        members.setdefault(root(i), []).append(i)
    groups = [
        DuplicateGroup(
            tuple(sorted((seen[i].photo for i in group), key=Photo.quality, reverse=True)),
            exact=len({seen[i].digest for i in group}) == 1,
        )
        for group in members.values()
        if len(group) > 1
    ]
    return sorted(groups, key=lambda group: -group.wasted)


def _proposals(seen: list[_Seen]) -> Iterator[tuple[int, int]]:
    """Pairs that may be the same picture, each once, likeliest first."""
    if len(seen) < 2:
        return
    hashes, vectors = np.stack([one.hash for one in seen]), np.stack([one.vector for one in seen])
    by_hash = faiss.IndexBinaryFlat(64)
    by_hash.add(hashes)
    limits, _, near = by_hash.range_search(hashes, HASH_DISTANCE + 1)  # FAISS means "below"
    pairs = {(i, int(j)) for i in range(len(seen)) for j in near[limits[i] : limits[i + 1]] if i < j}
    _, nearest = faiss.knn(vectors, vectors, min(len(seen), NEIGHBOURS + 1), faiss.METRIC_INNER_PRODUCT)
    pairs |= {(min(i, int(j)), max(i, int(j))) for i in range(len(seen)) for j in nearest[i] if i != j}
    yield from sorted(pairs, key=lambda pair: -float(vectors[pair[0]] @ vectors[pair[1]]))


def _look_closer(path: str) -> tuple[np.ndarray, Keypoints]:
    rgb = shrink(load_image(path, at_least=DECODED_SIDE).rgb)
    return rgb, sift(rgb)


def _same(first: str, second: str, closer: Callable[[str], tuple[np.ndarray, Keypoints]]) -> bool:
    try:
        (rgb, points), (other, other_points) = closer(first), closer(second)
    except BadImage:  # gone since it was looked at
        return False
    if min(len(points), len(other_points)) < _PLAIN:
        small, other_small = (cv2.resize(one, (32, 32), interpolation=cv2.INTER_AREA) for one in (rgb, other))
        return float(cv2.absdiff(small, other_small).mean()) < PLAIN_DIFFERENCE
    found = match(points, other_points)
    return found.inliers >= MIN_INLIERS and found.homography is not None and _agree(rgb, other, found.homography)


def _agree(rgb: np.ndarray, other: np.ndarray, homography: np.ndarray) -> bool:
    """Whether both pictures, uint8 RGB, look the same where the first lies over the other."""
    scale = _OVERLAY / max(other.shape[:2])
    size = (max(8, round(other.shape[1] * scale)), max(8, round(other.shape[0] * scale)))
    # The first picture is shrunk before it is warped, or most of its pixels would be skipped.
    shrunk = min(1.0, scale * np.sqrt(abs(np.linalg.det(homography[:2, :2]))))
    small = cv2.resize(rgb, None, fx=shrunk, fy=shrunk, interpolation=cv2.INTER_AREA)
    onto = np.diag([scale, scale, 1]) @ homography @ np.diag([1 / shrunk, 1 / shrunk, 1])
    covered = cv2.warpPerspective(np.ones(small.shape[:2], np.uint8), onto, size) > 0
    smaller = min(covered.size, small.shape[0] * small.shape[1] * abs(np.linalg.det(onto[:2, :2])))
    if covered.sum() < MIN_OVERLAP * smaller:
        return False
    pair = cv2.warpPerspective(small, onto, size), cv2.resize(other, size, interpolation=cv2.INTER_AREA)
    first, second = (cv2.cvtColor(np.float32(one) / 255, cv2.COLOR_RGB2LAB) for one in pair)
    if _lightness_agreement(first[..., 0], second[..., 0], covered) < MIN_AGREEMENT:
        return False
    a, b = (one[covered] - one[covered].mean(0) for one in (first, second))  # [M, 3]
    colourful = min(float(np.sqrt((one[:, 1:] ** 2).mean())) for one in (a, b)) > _COLOURFUL
    return not colourful or _correlation(a[:, 1:], b[:, 1:]) >= MIN_COLOUR_AGREEMENT  # a grey copy is a copy too


def _lightness_agreement(first: np.ndarray, second: np.ndarray, covered: np.ndarray) -> float:
    """The median correlation over small squares, so that a caption or a sticker does not decide."""
    found = []
    for y in range(0, covered.shape[0] - _SQUARE + 1, _SQUARE):
        for x in range(0, covered.shape[1] - _SQUARE + 1, _SQUARE):
            part = np.s_[y : y + _SQUARE, x : x + _SQUARE]
            if covered[part].all() and max(first[part].std(), second[part].std()) > _FLAT:
                a, b = first[part] - first[part].mean(), second[part] - second[part].mean()
                found.append(_correlation(a, b))
    return float(np.median(found)) if found else 0.0


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float((a * b).sum() / max(1e-6, float(np.linalg.norm(a) * np.linalg.norm(b))))
