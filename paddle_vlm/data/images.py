"""Pictures with labels: any folder or archive of class folders, and splitting them."""

import logging
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from paddle_vlm.errors import BadData, BadImage
from paddle_vlm.runtime import parallel_map
from paddle_vlm.vision.image import SUFFIXES, load_image

log = logging.getLogger(__name__)

_ARCHIVES = (".tar.gz", ".tgz", ".tar", ".tar.xz")
_LAYOUT = "应为每类一个子文件夹,如 猫/001.jpg、狗/001.jpg"


@dataclass
class LabelledImages:
    """Pictures of one size in memory.

    Attributes:
        images: uint8 [N, H, W, 3], RGB.
        labels: int64 [N], each an index into `names`. BadData where one is not.
        names: of the classes.
        skipped: the pictures that could not be read, each with the reason.
    """

    images: np.ndarray
    labels: np.ndarray
    names: list[str]
    skipped: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if len(self.images) != len(self.labels):
            raise BadData(f"有 {len(self.images)} 张图片,却有 {len(self.labels)} 个标签。请检查数据。")
        outside = np.flatnonzero((self.labels < 0) | (self.labels >= len(self.names)))
        if len(outside):
            raise BadData(
                f"第 {outside[0]} 张图片的标签是 {self.labels[outside[0]]},超出 0 到 {len(self.names) - 1} 的范围"
                f"(共 {len(outside)} 处)。请检查数据,或重新下载。"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: np.ndarray) -> "LabelledImages":
        """Those pictures, in that order."""
        return LabelledImages(self.images[indices], self.labels[indices], self.names)


def load_split(folder: Path, split: str, size: int | None = None) -> LabelledImages | None:
    """`folder`/<split>.tar.gz, or `folder`/<split>/ with class folders; None where there is neither."""
    for path in (folder / split, *(folder / f"{split}{suffix}" for suffix in _ARCHIVES)):
        if path.exists():
            return load_images(path, size)
    return None


def load_images(source: Path, size: int | None = None) -> LabelledImages:
    """A folder of class folders, a .tar[.gz] of one, or a folder that holds such an archive and nothing else to read.

    The classes are in the order of their names.

    Unreadable pictures are reported and skipped. Grey, transparent and rotated ones become upright RGB.

    Args:
        size: cut out the middle square and scale it to size x size; None when all are of one size already.

    Raises BadData.
    """
    if source.is_dir():
        archives = [path for path in source.iterdir() if path.name.endswith(_ARCHIVES)]
        readers = _files(source) or (_members(archives[0]) if len(archives) == 1 else [])
    elif source.is_file() and source.name.endswith(_ARCHIVES):
        readers = _members(source)
    else:
        cause = "它不是文件夹,也不是 .tar.gz" if source.exists() else "它不存在"
        raise BadData(f"无法读取图片数据 {source}:{cause}。{_LAYOUT}。")
    if not readers:
        raise BadData(f"{source} 里没有按类存放的图片。{_LAYOUT}。")
    names = sorted({name for name, _, _ in readers})
    decoded = parallel_map(lambda reader: _decode(*reader[1:], size), readers)
    images = [item for item in decoded if isinstance(item, np.ndarray)]
    labels = [names.index(r[0]) for r, item in zip(readers, decoded, strict=True) if isinstance(item, np.ndarray)]
    skipped = [item for item in decoded if isinstance(item, str)]
    for reason in skipped[:5]:
        log.warning("跳过:%s", reason)
    if len(skipped) > 5:
        log.warning("……共跳过 %d 张无法读取的图片,全部列在训练报告里。", len(skipped))
    if empty := [name for number, name in enumerate(names) if number not in set(labels)]:
        raise BadData(f"{source} 中类别 {'、'.join(empty)} 没有一张可读的图片。请补充图片,或删去该文件夹。")
    shapes = {image.shape for image in images}
    if len(shapes) > 1:
        raise BadData(f"{source} 中的图片大小不一(如 {' 与 '.join(map(str, list(shapes)[:2]))})。请设置 data.size。")
    return LabelledImages(np.stack(images), np.array(labels, np.int64), names, skipped)


def split_off(data: LabelledImages, share: float, seed: int) -> tuple[LabelledImages, LabelledImages]:
    """(the rest, `share` of each class but at least one picture), drawn at random. Raises BadData."""
    held = np.zeros(len(data), bool)
    rng = np.random.default_rng(seed)
    for number, name in enumerate(data.names):
        members = np.flatnonzero(data.labels == number)
        if len(members) < 2:
            raise BadData(
                f"类别 {name} 只有 {len(members)} 张图片,无法既用于训练又用于验证。请至少放 2 张,或删去该文件夹。"
            )
        count = min(max(1, round(share * len(members))), len(members) - 1)
        held[rng.permutation(members)[:count]] = True
    rest = data.take(np.flatnonzero(~held))
    rest.skipped = data.skipped
    return rest, data.take(np.flatnonzero(held))


Reader = tuple[str, str, Callable[[], bytes]]  # class, name for messages, content


def _files(folder: Path) -> list[Reader]:
    found: list[Reader] = []
    for each in sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith((".", "__"))):
        for path in sorted(each.iterdir()):
            if path.suffix.lower() in SUFFIXES and not path.name.startswith("."):
                found.append((each.name, str(path), path.read_bytes))
    return found


def _members(archive: Path) -> list[Reader]:
    found: list[Reader] = []
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                path = Path(member.name)
                if not member.isfile() or path.suffix.lower() not in SUFFIXES or path.name.startswith("."):
                    continue
                file = tar.extractfile(member)
                content = file.read() if file else b""
                found.append((path.parent.name, f"{archive.name}/{member.name}", partial(bytes, content)))
    except (tarfile.TarError, EOFError, OSError) as error:
        raise BadData(f"无法读取 {archive}:压缩包不完整或已损坏({error})。请重新下载。") from error
    return sorted(found, key=lambda reader: reader[1])


def _decode(label: str, read: Callable[[], bytes], size: int | None) -> np.ndarray | str:
    """The picture, or why there is none."""
    try:
        rgb = load_image(read()).rgb
    except (BadImage, OSError) as error:
        return f"{label}:{error}"
    return rgb if size is None else fit_square(rgb, size)


def fit_square(rgb: np.ndarray, size: int) -> np.ndarray:
    """The middle square of uint8 [H, W, 3], scaled to [size, size, 3]."""
    height, width = rgb.shape[:2]
    if height == width == size:
        return rgb
    side = min(height, width)
    left, top = (width - side) / 2, (height - side) / 2
    box = (left, top, left + side, top + side)
    return np.asarray(Image.fromarray(rgb).resize((size, size), Image.Resampling.BICUBIC, box, reducing_gap=3.0))
