"""Find pictures that are there twice, as equal files or as edited copies. Nothing is ever deleted."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from paddle_vlm.errors import UsageError
from paddle_vlm.files import write_json
from paddle_vlm.retrieval.dedup import Duplicates, find_duplicates
from paddle_vlm.retrieval.encoder import SearchModel
from paddle_vlm.retrieval.index import ImageEncoder
from paddle_vlm.retrieval.scan import File, find_files
from paddle_vlm.retrieval.sheet import Entry, contact_sheet
from paddle_vlm.vision.image import save_image

_SHOWN = 60  # pictures on a contact sheet
_COLUMNS = 6


@dataclass
class DuplicateReport:
    """Groups of duplicates, those that waste most first; in each the best picture first."""

    found: Duplicates

    @property
    def wasted(self) -> int:
        """Bytes that all but the best pictures take."""
        return sum(group.wasted for group in self.found.groups)

    def redundant(self) -> list[str]:
        """Paths of all but the best picture of each group."""
        return [photo.path for group in self.found.groups for photo in group.photos[1:]]

    def to_dict(self) -> dict[str, Any]:
        """The JSON record."""
        groups = [
            {"exact": group.exact, "keep": group.photos[0].path, "photos": [asdict(photo) for photo in group.photos]}
            for group in self.found.groups
        ]
        record = {"looked_at": self.found.looked_at, "wasted_bytes": self.wasted, "groups": groups}
        return record | {"unreadable": self.found.unreadable}

    def table(self) -> str:
        """For the terminal."""
        lines = []
        for number, group in enumerate(self.found.groups, 1):
            lines.append(f"第 {number} 组({'完全相同' if group.exact else '近似'})")
            for place, photo in enumerate(group.photos):
                mark = "保留" if place == 0 else "重复"
                lines.append(f"  {mark}  {photo.width}×{photo.height}  {photo.size / 1024:.0f} KB  {photo.path}")
        redundant = len(self.redundant())
        lines.append(
            f"看了 {self.found.looked_at} 张:{len(self.found.groups)} 组重复,"
            f"多出 {redundant} 张,{self.wasted / 2**20:.1f} MB。没有删除任何文件。"
        )
        return "\n".join(lines)

    def sheet(self) -> np.ndarray:
        """A contact sheet of the first groups, uint8 RGB [H, W, 3]."""
        entries = [
            Entry(photo.path, f"第 {number} 组 {'保留' if place == 0 else '重复'}", Path(photo.path).name)
            for number, group in enumerate(self.found.groups, 1)
            for place, photo in enumerate(group.photos)
        ]
        return contact_sheet(entries[:_SHOWN], f"{len(self.found.groups)} 组重复图片", min(_COLUMNS, len(entries)) or 1)

    def save(self, path: str | Path) -> Path:
        """Write the contact sheet, and beside it the JSON record. Raises OutputError."""
        written = save_image(self.sheet(), None, path)
        write_json(written.with_suffix(".json"), self.to_dict())
        return written


class DuplicateFinder:
    """Finds duplicates below folders.

    Args:
        model: the search model whose vectors propose pairs.
        encoder: in place of `model`'s.
    """

    def __init__(self, model: str | Path = "search", device: str = "auto", encoder: ImageEncoder | None = None) -> None:
        self._encoder = encoder or SearchModel.load(model, device)

    def find(
        self, folders: Sequence[str | Path], progress: Callable[[int, int], None] | None = None
    ) -> DuplicateReport:
        """Look at every picture below the folders. Raises UsageError for one that is missing or without pictures."""
        files: dict[str, File] = {}
        for name in folders:
            folder = Path(name).expanduser()
            if not folder.is_dir():
                raise UsageError(f"找不到文件夹 {folder}。请检查路径。")
            found = {file.path: file for file in find_files(folder.resolve())}
            if not found:
                raise UsageError(f"{folder} 及其子文件夹里没有图片。请检查路径。")
            files |= found
        return DuplicateReport(find_duplicates(list(files.values()), self._encoder, progress))
