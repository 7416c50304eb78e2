"""CIFAR-10 (Krizhevsky 2009): the official archive, or class folders."""

import contextlib
import hashlib
import io
import logging
from pathlib import Path

import numpy as np

from paddle_vlm.data.images import LabelledImages, load_split
from paddle_vlm.errors import BadData
from paddle_vlm.runtime import heavy_imports

log = logging.getLogger(__name__)

NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
CHINESE = ["飞机", "汽车", "鸟", "猫", "鹿", "狗", "青蛙", "马", "船", "卡车"]
ARCHIVE = "cifar-10-python.tar.gz"
MD5 = "c58f30108f718f92721af3b95e74349a"  # published beside the archive at www.cs.toronto.edu/~kriz/cifar.html
_REMEDY = (
    f"请从 https://www.cs.toronto.edu/~kriz/cifar.html 下载 {ARCHIVE} 放入一个文件夹,用 data.folder 指定;"
    "或先用不需要下载的 data.name=emoji。"
)


def load(split: str, folder: Path | None = None) -> LabelledImages:
    """The 50,000 "train" or 10,000 "test" pictures, 32 x 32.

    Args:
        folder: holds the official archive, or train.tar.gz and test.tar.gz (or train/, test/) with class folders.
            None lets Paddle download the archive into its own cache.

    Raises BadData.
    """
    if folder is None:
        return _official(None, split)
    archive = folder if folder.name == ARCHIVE else folder / ARCHIVE
    if archive.is_file():
        _check(archive)
        return _official(archive, split)
    data = load_split(folder, split) if folder.is_dir() else None
    if data is None:
        raise BadData(f"{folder} 里既没有 {ARCHIVE},也没有 {split}.tar.gz 或 {split}/。{_REMEDY}")
    if data.names != NAMES:
        raise BadData(f"{folder} 里的类别是 {'、'.join(data.names)},不是 CIFAR-10 的十类。请改用 data.name=folder。")
    return data


def _check(archive: Path) -> None:
    """The archive holds pickles, which may run anything: only the one that everybody knows is opened."""
    digest = hashlib.md5()
    with archive.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    if digest.hexdigest() != MD5:
        raise BadData(f"{archive} 的 MD5 是 {digest.hexdigest()},不是官方的 {MD5}:下载不完整或被改动。{_REMEDY}")


def _official(archive: Path | None, split: str) -> LabelledImages:
    with heavy_imports():
        from paddle.vision.datasets import Cifar10
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # the downloader's own bar, in English
            if archive is None:
                log.info("正在下载 CIFAR-10(170 MB)……")
            rows = Cifar10(archive and str(archive), mode=split, download=archive is None).data
    except Exception as error:  # the downloader raises RuntimeError, the network's errors and its own
        raise BadData(f"无法取得 CIFAR-10:{error}。{_REMEDY}") from error
    pixels = np.stack([np.asarray(image, np.uint8) for image, _ in rows]).reshape(-1, 3, 32, 32)
    labels = np.array([label for _, label in rows], np.int64)
    return LabelledImages(np.ascontiguousarray(pixels.transpose(0, 2, 3, 1)), labels, NAMES)
