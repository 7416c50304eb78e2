"""Photographs with captions, as Flickr8k-CN is laid out: `<split>.jsonl` and `<split>.tar`."""

import json
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from paddle_vlm.errors import BadData
from paddle_vlm.vision.image import load_image

KINDS = ("zh", "zh_mt", "en")  # written by Chinese speakers, translated by machine, English


@dataclass(frozen=True)
class CaptionedPhoto:
    """A file name and its captions by kind."""

    image: str
    captions: dict[str, list[str]]

    def texts(self, kinds: Sequence[str] = ("zh",)) -> list[str]:
        """The captions of these kinds."""
        return [text for kind in kinds for text in self.captions.get(kind, [])]


class CaptionSet:
    """One split of a folder: `photos`, and their pixels on demand.

    `<split>.jsonl` has a line a photo: `{"image": "x.jpg", "zh": [...], "zh_mt": [...], "en": [...]}`, of which the
    lists may be absent; `<split>.tar` holds the pictures, under any folder.
    Raises BadData when the files are absent, and for a line that is not like that.
    """

    def __init__(self, folder: str | Path, split: str) -> None:
        self.folder, self.split = Path(folder), split
        for ending in ("jsonl", "tar"):
            if not (self.folder / f"{split}.{ending}").is_file():
                raise BadData(
                    f"找不到图文数据 {self.folder / f'{split}.{ending}'}。它应与 Flickr8k-CN 的布局相同:"
                    "<split>.jsonl 每行一张图片及其描述,<split>.tar 存放图片(见 docs/zh/search_training.md)。"
                )
        self.photos = _read_table(self.folder / f"{split}.jsonl")

    def __len__(self) -> int:
        return len(self.photos)

    def pixels(self) -> Iterator[tuple[int, np.ndarray]]:
        """(number of the photo, uint8 RGB [H, W, 3]) in the archive's order; pictures without a line are left out."""
        numbers = {photo.image: number for number, photo in enumerate(self.photos)}
        path = self.folder / f"{self.split}.tar"
        try:
            with tarfile.open(path) as archive:
                for member in archive:
                    number = numbers.pop(Path(member.name).name, None)
                    file = archive.extractfile(member) if number is not None else None
                    if number is not None and file is not None:
                        yield number, load_image(file.read()).rgb
        except (tarfile.TarError, EOFError) as error:
            raise BadData(f"图片归档 {path} 已损坏({error})。请重新下载。") from error
        if numbers:
            raise BadData(f"{path} 中缺少 {len(numbers)} 张图片,例如 {next(iter(numbers))}。请补全该归档。")


def _read_table(path: Path) -> list[CaptionedPhoto]:
    photos = []
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                row = json.loads(line)
                photos.append(CaptionedPhoto(row["image"], {kind: list(row[kind]) for kind in KINDS if kind in row}))
            except (ValueError, LookupError, TypeError) as error:
                raise BadData(f'{path} 第 {number} 行应为 {{"image": "…", "zh": ["…"]}} 形式的 JSON。') from error
    if not photos:
        raise BadData(f"{path} 中没有任何图片。请检查文件。")
    return photos
