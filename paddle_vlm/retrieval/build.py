"""Bring an index up to date with folders of pictures, a batch at a time."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from paddle_vlm.errors import BadImage
from paddle_vlm.retrieval.index import ImageEncoder, PictureIndex
from paddle_vlm.retrieval.scan import Changes, File, Read, compare, read_ahead

log = logging.getLogger(__name__)

BATCH = 64


@dataclass
class IndexReport:
    """What one run did. `unreadable` is path -> reason; `structure` says how vectors are searched, and why."""

    added: int = 0
    changed: int = 0
    moved: int = 0
    removed: int = 0
    unchanged: int = 0
    total: int = 0
    unreadable: dict[str, str] = field(default_factory=dict)
    structure: str = ""
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return dict(vars(self))

    def summary(self) -> str:
        """One Chinese line."""
        return (
            f"索引共 {self.total} 张:新增 {self.added},更新 {self.changed},移动 {self.moved},移除 {self.removed},"
            f"未变 {self.unchanged},无法读取 {len(self.unreadable)}({self.seconds:.1f} 秒)"
        )


def update_index(
    index: PictureIndex,
    encoder: ImageEncoder,
    roots: Sequence[Path],
    *,
    captions: Mapping[str, str] | None = None,
    batch: int = BATCH,
    progress: Callable[[int, int], None] | None = None,
) -> IndexReport:
    """Add new pictures under `roots`, take over moved and changed ones, drop those that are gone.

    Every batch is on disk before the next begins, so a run that was killed goes on where it was. A file that cannot be
    read is listed in the report and tried again only once it changes.

    Args:
        captions: absolute path -> text to keep with the picture.
        progress: called with the files done and the files to do.

    Raises UsageError for a root that is no folder or holds no picture.
    """
    begun = perf_counter()
    changes = compare(index.catalog, roots)
    index.add_roots(roots)
    report = IndexReport(moved=len(changes.moved), removed=len(changes.gone), unchanged=changes.unchanged)
    report.unreadable = dict(changes.unreadable)
    _apply(index, changes)
    done = 0
    for outcomes in read_ahead(changes.to_read, batch):
        _add(index, encoder, outcomes, changes, captions or {}, report)
        done += len(outcomes)
        if progress:
            progress(done, len(changes.to_read))
    report.structure = index.save()
    report.total = index.count()
    report.seconds = perf_counter() - begun
    return report


def _apply(index: PictureIndex, changes: Changes) -> None:
    """What can be done without looking at a picture."""
    if changes.gone:
        index.remove(sorted(changes.gone))
    if changes.moved:
        index.update(changes.moved)
    if changes.forgotten:
        with index.catalog.transaction():
            index.catalog.forget_unreadable(changes.forgotten)


def _add(
    index: PictureIndex,
    encoder: ImageEncoder,
    outcomes: list[tuple[File, Read | BadImage]],
    changes: Changes,
    captions: Mapping[str, str],
    report: IndexReport,
) -> None:
    good = [outcome for _, outcome in outcomes if isinstance(outcome, Read)]
    bad = [(file, str(outcome)) for file, outcome in outcomes if isinstance(outcome, BadImage)]
    vectors = encoder.encode_images([one.rgb for one in good]) if good else np.empty((0, index.dim), np.float32)
    pictures = [replace(one.picture, caption=captions.get(one.picture.path)) for one in good]
    replaced = [changes.replaced[file.path] for file, _ in outcomes if file.path in changes.replaced]
    index.add(pictures, vectors, replacing=replaced)
    if bad:
        with index.catalog.transaction():
            for file, reason in bad:
                index.catalog.note_unreadable(file.path, file.size, file.modified, reason)
    report.unreadable |= {file.path: reason for file, reason in bad}
    changed = sum(picture.path in changes.replaced for picture in pictures)
    report.changed += changed
    report.added += len(pictures) - changed
    report.removed += len(replaced) - changed
