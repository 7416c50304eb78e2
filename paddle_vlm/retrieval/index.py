"""A searchable index of pictures in one folder: a catalog, a vector store, a lock, and the model that made it."""

import contextlib
import json
import logging
import shlex
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from filelock import FileLock, Timeout

from paddle_vlm.errors import BadIndex, OutputError, PaddleVLMError, UsageError
from paddle_vlm.retrieval.catalog import NAME, Catalog, Filter, Picture
from paddle_vlm.retrieval.scan import File
from paddle_vlm.retrieval.store import FaissStore, VectorStore

log = logging.getLogger(__name__)

_LOCK = "lock"


class ImageEncoder(Protocol):
    """Whatever turns pictures into unit vectors."""

    @property
    def dim(self) -> int: ...

    @property
    def fingerprint(self) -> str:
        """Changes whenever the vectors of the same pictures would."""

    def encode_images(self, images: list[np.ndarray]) -> np.ndarray:
        """uint8 RGB pictures of any size -> float32 [N, dim] of length 1."""


@dataclass(frozen=True)
class Found:
    """One picture that a search returns; `score` is the cosine of the two vectors."""

    picture: Picture
    score: float


class PictureIndex:
    """An index that is open for reading, or for writing by this process alone.

    Everything is stored in `folder`, but for the vectors of a Milvus index. Each `add`, `remove` and `update` is whole
    on disk when it returns.
    """

    def __init__(self, folder: Path, catalog: Catalog, lock: FileLock | None = None) -> None:
        self.folder, self._catalog, self._lock = folder, catalog, lock
        self.model = catalog.setting("model") or ""
        self.fingerprint = catalog.setting("fingerprint") or ""
        self.dim = int(catalog.setting("dim") or 0)
        self.milvus = catalog.setting("milvus")
        self._store = self._open_store()

    @classmethod
    def open(cls, folder: str | Path) -> "PictureIndex":
        """Open for searching. Raises BadIndex."""
        path = Path(folder).expanduser()
        return cls(path, Catalog(path))

    @classmethod
    def edit(
        cls, folder: str | Path, model: str, encoder: ImageEncoder, *, milvus: str | None = None, rebuild: bool = False
    ) -> "PictureIndex":
        """Open for changing, and make the index where there is none.

        Args:
            model: by which name the encoder can be loaded again.
            milvus: keep the vectors of a new index in Milvus: a path ending in .db, or http://host:port.
            rebuild: throw away what is there.

        Raises BadIndex when another process is writing or another model made the index, UsageError when the store is
        another one, OutputError when the folder cannot be written.
        """
        path = Path(folder).expanduser()
        lock = _locked(path)
        try:
            if rebuild:
                _destroy(path)
            exists = (path / NAME).exists()
            catalog = Catalog(path, write=True)
            if not exists or catalog.setting("fingerprint") is None:
                with catalog.transaction():
                    catalog.set(model=model, fingerprint=encoder.fingerprint, dim=str(encoder.dim))
                    catalog.set(milvus=milvus or "", collection=f"pictures_{uuid.uuid4().hex[:12]}")
            index = cls(path, catalog, lock)
            index.check(model, encoder.fingerprint)
            if milvus is not None and milvus != index.milvus:
                raise UsageError(
                    f"索引 {path} 的向量存放在 {index.milvus or 'FAISS'}。要改用 {milvus},请加 --rebuild。"
                )
        except BaseException:
            lock.release()
            raise
        return index

    def _open_store(self) -> VectorStore:
        if not self.milvus:
            return FaissStore(self._catalog, self.folder, self.dim)
        from paddle_vlm.retrieval.milvus import MilvusStore  # an extra of its own

        return MilvusStore(self._catalog, self.milvus, self._catalog.setting("collection") or "", self.dim)

    def check(self, model: str, fingerprint: str) -> None:
        """Raises BadIndex, with the command that rebuilds, unless this model made the index."""
        if fingerprint != self.fingerprint:
            folders = " ".join(shlex.quote(root) for root in self.roots()) or "图片文件夹"
            name = "" if model == self.model else f"(模型 {self.model})"
            raise BadIndex(
                f"索引 {self.folder} 由另一个模型或版本建立{name},向量不能与现在的模型 {model} 比较。"
                f"请重建:paddle-vlm index {folders} --index {shlex.quote(str(self.folder))} --model {model} --rebuild"
            )

    def close(self) -> None:
        """Release files, connections and the lock."""
        self._store.close()
        self._catalog.close()
        if self._lock is not None:
            self._lock.release()

    def __enter__(self) -> "PictureIndex":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def catalog(self) -> Catalog:
        """The table of pictures."""
        return self._catalog

    def roots(self) -> list[str]:
        """The folders that were indexed."""
        return json.loads(self._catalog.setting("roots") or "[]")

    def add_roots(self, roots: Sequence[Path]) -> None:
        """Remember folders for the command that rebuilds."""
        names = dict.fromkeys([*self.roots(), *(root.resolve().as_posix() for root in roots)])
        with self._catalog.transaction():
            self._catalog.set(roots=json.dumps(list(names), ensure_ascii=False))

    def count(self) -> int:
        """How many pictures can be found."""
        return self._catalog.count()

    def add(self, pictures: Sequence[Picture], vectors: np.ndarray, replacing: Sequence[int] = ()) -> list[Picture]:
        """Add pictures with their vectors float32 [N, dim], and forget those with the identifiers `replacing`."""
        with self._catalog.transaction():
            self._forget(replacing)
            kept = self._catalog.insert(pictures)
            if kept:
                self._store.add(kept, vectors)
        return kept

    def remove(self, ids: Sequence[int]) -> None:
        """Forget pictures."""
        with self._catalog.transaction():
            self._forget(ids)

    def update(self, moved: Sequence[tuple[File, int]]) -> None:
        """The pictures with these identifiers are now these files, with the content that they had."""
        old = self._catalog.get(id for _, id in moved)
        new = [replace(old[id], path=f.path, size=f.size, modified=f.modified) for f, id in moved if id in old]
        with self._catalog.transaction():
            for picture in new:  # two files may have swapped their names
                self._catalog.update(replace(picture, path=f"\0{picture.id}"))
            for picture in new:
                self._catalog.update(picture)
            self._store.update(new)

    def _forget(self, ids: Sequence[int]) -> None:
        if len(ids):
            self._store.remove(ids)
            self._catalog.remove(ids)

    def search(self, vector: np.ndarray, k: int, where: Filter | None = None) -> list[Found]:
        """The k pictures whose vectors are nearest to float32 [dim], best first; all of them when there are fewer."""
        ids, scores = self._store.search(vector, k, where)
        pictures = self._catalog.get(ids)
        pairs = zip(ids.tolist(), scores.tolist(), strict=True)
        return [Found(pictures[id], score) for id, score in pairs if id in pictures]

    def save(self) -> str:
        """Bring the search structure up to date; returns which one it is and why. A search needs no `save` before."""
        return self._store.save()


def _locked(folder: Path) -> FileLock:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / _LOCK)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise BadIndex(f"另一个进程正在更新索引 {folder}。请等它结束后再试;搜索不受影响。") from error
    except OSError as error:
        raise OutputError(f"无法写入索引文件夹 {folder}:{error.strerror}。请检查路径、写权限和剩余空间。") from error
    return lock


def _destroy(folder: Path) -> None:
    """Remove an index, whatever state it is in."""
    try:
        catalog = Catalog(folder)
        if catalog.setting("milvus"):
            from paddle_vlm.retrieval.milvus import drop_collection

            drop_collection(catalog.setting("milvus") or "", catalog.setting("collection") or "")
        catalog.close()
    except PaddleVLMError as error:
        log.debug("nothing to clean up: %s", error)
    for path in [*folder.glob(f"{NAME}*"), *folder.glob("vectors.*.faiss")]:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
