"""The pictures that a classifier learns from and is measured on."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from paddle_vlm.data import cifar10, emoji
from paddle_vlm.data.images import LabelledImages, fit_square, load_images, load_split, split_off
from paddle_vlm.errors import BadData


@dataclass
class DataConfig:
    """Which pictures."""

    name: Literal["emoji", "cifar10", "folder"] = "emoji"
    folder: Path | None = None  # of cifar10 (None: download) and of folder: class folders, or train/ and test/ of them
    size: int = 32  # pictures are cut and scaled to size x size
    valid_share: float = 0.1  # of the training pictures, where the set has no validation part; 0 trains on all of them

    def __post_init__(self) -> None:
        if self.name == "folder" and self.folder is None:
            raise ValueError("data.name=folder 需要用 data.folder 指定图片文件夹。")
        if not 0 <= self.valid_share < 1:
            raise ValueError(f"data.valid_share 应在 0 到 1 之间(不含 1),不能是 {self.valid_share}。")
        if self.size < 8:
            raise ValueError(f"data.size 至少为 8,不能是 {self.size}。")


@dataclass
class Data:
    """The parts of a set; `valid` and `test` may be absent."""

    train: LabelledImages
    test: LabelledImages | None = None
    valid: LabelledImages | None = None

    def parts(self) -> list[tuple[str, LabelledImages]]:
        """Those that there are, with Chinese names, training first."""
        named = (("训练", self.train), ("验证", self.valid), ("测试", self.test))
        return [(name, part) for name, part in named if part is not None]


def load_data(config: DataConfig, seed: int) -> Data:
    """Training, validation and test part of the configured set. Raises BadData."""
    if config.name == "emoji":
        return Data(*(emoji.load(split, config.size) for split in ("train", "test", "val")))
    if config.name == "cifar10":
        data = Data(*(_resized(cifar10.load(split, config.folder), config.size) for split in ("train", "test")))
    else:
        data = _own_pictures(config.folder or Path(), config.size)
    if len(data.train.names) < 2:
        raise BadData(f"只有一个类别({'、'.join(data.train.names)}),无法训练分类器。请至少准备两类图片。")
    if data.valid is None and config.valid_share:
        data.train, data.valid = split_off(data.train, config.valid_share, seed)
    return data


def _own_pictures(folder: Path, size: int) -> Data:
    """train/, val/ and test/ (or archives) of class folders; or class folders, which are all to train on."""
    train = load_split(folder, "train", size)
    if train is None:
        return Data(load_images(folder, size))
    valid, test = (load_split(folder, split, size) for split in ("val", "test"))
    return Data(train, test and relabel(test, train.names), valid and relabel(valid, train.names))


def _resized(data: LabelledImages, size: int) -> LabelledImages:
    if data.images.shape[1:3] == (size, size):
        return data
    return dataclasses.replace(data, images=np.stack([fit_square(image, size) for image in data.images]))


def relabel(data: LabelledImages, names: list[str]) -> LabelledImages:
    """The same pictures with labels that count in `names`. Raises BadData for a class that is not among them."""
    if unknown := [name for name in data.names if name not in names]:
        raise BadData(f"类别 {'、'.join(unknown)} 不在训练用的类别之中({'、'.join(names)})。请检查文件夹名。")
    numbers = np.array([names.index(name) for name in data.names])
    return LabelledImages(data.images, numbers[data.labels], names, data.skipped)
