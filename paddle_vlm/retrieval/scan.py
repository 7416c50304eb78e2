"""What has happened to the pictures of a folder since they were indexed: new, changed, moved, gone."""

import hashlib
import logging
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from paddle_vlm.errors import BadImage, UsageError
from paddle_vlm.retrieval.catalog import Catalog, Filter, Picture
from paddle_vlm.runtime import cores, parallel_map
from paddle_vlm.vision.image import SUFFIXES, load_image

log = logging.getLogger(__name__)

DECODED_SIDE = 448  # a larger JPEG is decoded at a fraction of its size; networks see less still
_EXIF, _TAKEN = 0x8769, 36867  # the Exif directory and DateTimeOriginal in it


@dataclass(frozen=True)
class File:
    """A file's path (absolute, with "/"), bytes and time of change in nanoseconds."""

    path: str
    size: int
    modified: int


@dataclass
class Changes:
    """What a scan found.

    Attributes:
        to_read: new files, and those whose content may have changed.
        replaced: path -> identifier of the picture that lay there before.
        moved: a file, and the identifier of the picture with the same content whose own file is gone or touched.
        gone: identifiers of pictures whose file is no longer there.
        unchanged: how many files are as they were.
        unreadable: path -> reason, of files that could not be read before and have not changed since.
        forgotten: unreadable files that are gone.
    """

    to_read: list[File] = field(default_factory=list)
    replaced: dict[str, int] = field(default_factory=dict)
    moved: list[tuple[File, int]] = field(default_factory=list)
    gone: set[int] = field(default_factory=set)
    unchanged: int = 0
    unreadable: dict[str, str] = field(default_factory=dict)
    forgotten: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Read:
    """A file's picture, ready to be encoded."""

    picture: Picture
    rgb: np.ndarray


def find_files(folder: Path) -> Iterator[File]:
    """The pictures under a folder, in order of their path; hidden files and folders are left out."""
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(parent, name)
            if path.suffix.lower() in SUFFIXES and not name.startswith("."):
                try:
                    state = path.stat()
                except OSError as error:  # a dangling link, or gone since the listing
                    log.debug("%s: %s", path, error)
                    continue
                yield File(path.as_posix(), state.st_size, state.st_mtime_ns)


def compare(catalog: Catalog, roots: Sequence[Path]) -> Changes:
    """Compare folders with the catalog by path, size and time; files of an equal size by content, to see moves.

    Raises UsageError for a root that is no folder, and for one without pictures: where pictures of it are indexed it
    is more likely an empty mount point than a folder whose pictures were all deleted.
    """
    changes, known_bad, seen = Changes(), catalog.unreadable(), set[str]()
    for root in roots:
        if not root.is_dir():
            raise UsageError(f"找不到文件夹 {root}。请检查路径;移动硬盘或网络盘请先挂载。")
        folder = root.resolve().as_posix()
        known = catalog.files(Filter(under=folder))
        found = [file for file in find_files(Path(folder)) if file.path not in seen]
        if not found and not any(path.startswith(f"{folder}/") for path in seen):
            raise UsageError(_why_empty(root, len(known)))
        for file in found:
            _judge(file, known, known_bad, changes)
        seen |= {file.path for file in found}
        changes.gone |= {row[0] for path, row in known.items() if path not in seen}
        changes.forgotten += [path for path in known_bad if path.startswith(f"{folder}/") and path not in seen]
    _find_moves(changes, catalog, seen)
    return changes


def _find_moves(changes: Changes, catalog: Catalog, seen: set[str]) -> None:
    """Takes out of `to_read` what has the content of a picture whose file is gone, or of its own former self."""
    sizes = {file.size for file in changes.to_read}
    if not sizes:
        return
    superseded = set(changes.replaced.values())
    lost = [
        row[0]
        for path, row in catalog.files(Filter()).items()
        if row[1] in sizes and (row[0] in superseded or (path not in seen and not Path(path).exists()))
    ]
    pictures = catalog.get(lost).values()
    candidates = [file for file in changes.to_read if file.size in {picture.size for picture in pictures}]
    by_content: dict[bytes, list[Picture]] = {}
    for picture in pictures:
        by_content.setdefault(picture.digest, []).append(picture)
    paths = {picture.path for picture in pictures}
    candidates.sort(key=lambda file: file.path not in paths)  # a touched file before a copy of it
    for file, digest in zip(candidates, parallel_map(_digest, candidates), strict=True):
        same = by_content.get(digest, [])
        if same:
            picture = next((picture for picture in same if picture.path == file.path), same[0])
            same.remove(picture)
            changes.moved.append((file, picture.id))
    moved_files, moved = {file.path for file, _ in changes.moved}, {id for _, id in changes.moved}
    changes.to_read = [file for file in changes.to_read if file.path not in moved_files]
    changes.gone |= {id for path, id in changes.replaced.items() if path in moved_files}
    changes.gone -= moved
    changes.replaced = {path: id for path, id in changes.replaced.items() if id not in moved | changes.gone}


def _digest(file: File) -> bytes:
    try:
        return digest_of(Path(file.path).read_bytes())
    except OSError:
        return b""  # reading it again will say why


def digest_of(data: bytes) -> bytes:
    """BLAKE2b, 16 bytes."""
    return hashlib.blake2b(data, digest_size=16).digest()


def _judge(
    file: File, known: dict[str, tuple[int, int, int]], bad: dict[str, tuple[int, int, str]], to: Changes
) -> None:
    state = (file.size, file.modified)
    if file.path in known and known[file.path][1:] == state:
        to.unchanged += 1
    elif file.path in bad and bad[file.path][:2] == state:
        to.unreadable[file.path] = bad[file.path][2]
    else:
        to.to_read.append(file)
        if file.path in known:
            to.replaced[file.path] = known[file.path][0]


def _why_empty(root: Path, indexed: int) -> str:
    if not indexed:
        return f"{root} 及其子文件夹里没有图片({'、'.join(sorted(SUFFIXES))})。请检查路径。"
    return (
        f"{root} 里没有图片,而索引里有其中的 {indexed} 张:磁盘可能没有挂载,所以没有动索引。"
        "如果确实都已删除,请删去索引文件夹重新建立。"
    )


def read_ahead(files: Sequence[File], batch: int) -> Iterator[list[tuple[File, Read | BadImage]]]:
    """Batches of files with what was read; the next one is decoded while the caller works on this one."""
    parts = [files[first : first + batch] for first in range(0, len(files), batch)]
    with ThreadPoolExecutor(cores()) as pool:
        ahead: list[Future] = [pool.submit(_attempt, file) for file in parts[0]] if parts else []
        for number, part in enumerate(parts):
            current = ahead
            following = parts[number + 1] if number + 1 < len(parts) else []
            ahead = [pool.submit(_attempt, file) for file in following]
            yield list(zip(part, (future.result() for future in current), strict=True))


def _attempt(file: File) -> Read | BadImage:
    try:
        return read(file)
    except BadImage as error:
        return error


def read(file: File) -> Read:
    """Read, hash and decode one file. Raises BadImage."""
    try:
        data = Path(file.path).read_bytes()
    except OSError as error:
        raise BadImage(f"无法读取 {file.path}:{error.strerror}。请检查权限。") from error
    try:
        image = load_image(data, at_least=DECODED_SIDE)
    except BadImage as error:
        raise BadImage(str(error).replace("(内存中的数据)", file.path)) from error
    height, width = image.full_size
    taken = _taken(image.exif) or file.modified / 1e9
    picture = Picture(file.path, file.size, file.modified, taken, digest_of(data), width, height)
    return Read(picture, shrink(image.rgb))


def shrink(rgb: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 3] with the shorter side at most DECODED_SIDE: a batch of large PNG would not fit into memory."""
    height, width = rgb.shape[:2]
    scale = DECODED_SIDE / min(height, width)
    if scale >= 1:
        return rgb
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)


def _taken(exif: bytes | None) -> float | None:
    """Seconds since 1970 at which a camera took the picture, by its own clock in this machine's time zone."""
    if not exif:
        return None
    try:
        tags = Image.Exif()
        tags.load(exif)
        text = str(tags.get_ifd(_EXIF).get(_TAKEN, ""))
        return datetime.strptime(text.strip("\0 "), "%Y:%m:%d %H:%M:%S").timestamp()
    except Exception as error:  # noqa: BLE001 - Pillow raises whatever it stumbles over in broken EXIF
        log.debug("no time in EXIF: %s", error)
        return None
