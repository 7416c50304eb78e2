"""Where vectors are kept and searched: one small interface, and FAISS on this machine's disk behind it."""

import contextlib
import json
import logging
import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from paddle_vlm.errors import MissingDependency, OutputError
from paddle_vlm.retrieval.catalog import Catalog, Filter, Picture

try:
    import faiss
except ImportError as _error:
    raise MissingDependency(
        "没有安装 FAISS。请运行:pip install faiss-cpu(或在项目目录 pip install -e .[search])"
    ) from _error

log = logging.getLogger(__name__)

FLAT_BELOW = 50_000
SAMPLES_PER_LIST = 64  # for k-means; FAISS asks for 39 at least
CANDIDATES = 100  # the quantised index's best, which are then compared exactly
EXACT = 10_000  # a filter that leaves fewer is searched without the index
STALE = 0.2  # share of removed pictures above which the index is made anew
_CHUNK = 50_000


class VectorStore(Protocol):
    """The vectors of a catalog's pictures. Scores are inner products; vectors have length 1."""

    def add(self, pictures: Sequence[Picture], vectors: np.ndarray) -> None:
        """Keep float32 [N, dim], inside the catalog's transaction."""

    def update(self, pictures: Sequence[Picture]) -> None:
        """The pictures' paths or times have changed."""

    def remove(self, ids: Sequence[int]) -> None:
        """Forget vectors, inside the catalog's transaction."""

    def search(self, query: np.ndarray, k: int, where: Filter | None = None) -> tuple[np.ndarray, np.ndarray]:
        """float32 [dim] -> int64 identifiers and float32 scores, best first; fewer than k where there are not k."""

    def count(self) -> int:
        """How many vectors are kept."""

    def save(self) -> str:
        """Bring the search structure up to date and on disk; returns what was chosen and why."""

    def close(self) -> None:
        """Release files and connections."""


@dataclass(frozen=True)
class Recipe:
    """How an index of some size is built: a FAISS factory string, how many lists a search opens, and why."""

    factory: str
    lists: int
    probes: int
    reason: str


def recipe_for(count: int, dim: int) -> Recipe:
    """The index for so many pictures.

    Flat is exact and fast enough for a small folder. Above it, inverted lists of vectors with a byte a number: beside
    an HNSW graph they are built several times faster, stay on disk until read, and give pictures up again; beside
    product quantisation they find more of the right pictures in the same time (benchmarks/search.py --compare).
    """
    if count < FLAT_BELOW:
        return Recipe("IDMap2,Flat", 0, 0, f"少于 {FLAT_BELOW:,} 张:逐一比较(Flat),结果精确")
    lists = 2 ** round(math.log2(4 * math.sqrt(count)))
    probes = max(1, lists // 16)
    reason = (
        f"不少于 {FLAT_BELOW:,} 张:倒排索引(IVF,{lists} 个列表,每次查 {probes} 个)加 8 位量化,每张 {dim} 字节,"
        f"最好的 {CANDIDATES} 个候选再精确比较"
    )
    return Recipe(f"IVF{lists},SQ8", lists, probes, reason)


@dataclass(frozen=True)
class Snapshot:
    """The index file that the catalog vouches for: it holds every vector up to `last_id`, removed ones included."""

    file: str
    bytes: int
    last_id: int
    vectors: int
    factory: str
    lists: int
    probes: int


class FaissStore:
    """Vectors in the catalog (the truth), and an index file made from them, which is memory-mapped.

    Pictures that came after the index file are compared one by one; those that went are dropped from its answers. So
    a search is right at any moment, and a lost or broken index file costs time only.
    """

    def __init__(self, catalog: Catalog, folder: Path, dim: int) -> None:
        self._catalog, self._folder, self._dim = catalog, folder, dim
        self._snapshot: Snapshot | None = None
        self._index: Any = None
        self._recent: tuple[np.ndarray, np.ndarray] | None = None  # what came after the index file, once read
        self._load()

    def add(self, pictures: Sequence[Picture], vectors: np.ndarray) -> None:
        self._catalog.add_vectors([picture.id for picture in pictures], vectors)
        self._recent = None

    def update(self, pictures: Sequence[Picture]) -> None:
        """Nothing to do: paths are the catalog's."""

    def remove(self, ids: Sequence[int]) -> None:
        self._catalog.remove_vectors(ids)
        self._recent = None

    def count(self) -> int:
        return self._catalog.count()

    def close(self) -> None:
        self._index = None

    def search(self, query: np.ndarray, k: int, where: Filter | None = None) -> tuple[np.ndarray, np.ndarray]:
        if self._version != self._catalog.version():
            self._load()  # another process has added pictures
        allowed = None if where is None else self._catalog.ids(where)
        if allowed is not None and len(allowed) <= EXACT:
            return _best(query, k, *self._catalog.vectors(allowed))
        ids, vectors = self._indexed(query, k, allowed)
        new_ids, new_vectors = self._unindexed()
        if len(new_ids) >= FLAT_BELOW:
            log.warning("有 %d 张图片尚未编入索引文件,搜索会慢一些。再运行一次 index 即可。", len(new_ids))
        if allowed is not None:
            kept = np.isin(new_ids, allowed)
            new_ids, new_vectors = new_ids[kept], new_vectors[kept]
        new_ids, new_scores = _best(query, k, new_ids, new_vectors)
        old_ids, old_scores = _best(query, k, ids, vectors)
        scores = np.concatenate([old_scores, new_scores])
        order = np.argsort(-scores, kind="stable")[:k]
        return np.concatenate([old_ids, new_ids])[order], scores[order]

    def _indexed(self, query: np.ndarray, k: int, allowed: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Candidates of the index file that still exist, with their exact vectors."""
        if self._index is None or self._snapshot is None:
            return np.empty(0, np.int64), np.empty((0, self._dim), np.float32)
        selector = None if allowed is None else _selector(allowed)
        wanted, probes = max(CANDIDATES, 4 * k), self._snapshot.probes
        while True:
            wanted, probes = min(wanted, self._index.ntotal), min(probes, self._snapshot.lists)
            options: dict[str, Any] = {} if selector is None else {"sel": selector}
            kind = faiss.SearchParametersIVF if probes else faiss.SearchParameters
            options |= {"nprobe": probes} if probes else {}
            found = self._index.search(query[None], wanted, params=kind(**options))[1][0]
            ids, vectors = self._catalog.vectors(found[found >= 0])
            if len(ids) >= k or (wanted == self._index.ntotal and probes == self._snapshot.lists):
                return ids, vectors
            wanted, probes = wanted * 4, probes * 4  # removed or filtered pictures took the places

    def _unindexed(self) -> tuple[np.ndarray, np.ndarray]:
        """Vectors that came after the index file."""
        if self._recent is None:
            self._recent = self._catalog.vectors_after(self._snapshot.last_id if self._snapshot else 0)
        return self._recent

    def save(self) -> str:
        recipe = recipe_for(self.count(), self._dim)
        old, index = self._snapshot, self._index
        last_id = self._catalog.last_id()
        after = old.last_id if old and index else 0
        pending = len(self._unindexed()[0])
        gone = (old.vectors if old and index else 0) + pending - self.count()
        same = old is not None and index is not None and old.factory == recipe.factory and gone <= STALE * self.count()
        if same and not pending:
            return recipe.reason
        if old and same:
            index = faiss.read_index(str(self._folder / old.file))  # the mapped one cannot grow
        else:
            after, index = 0, self._trained(recipe)
        while True:
            ids, vectors = self._catalog.vectors_after(after, _CHUNK)
            if not len(ids):
                break
            index.add_with_ids(vectors, ids)
            after = int(ids[-1])
        self._write(index, recipe, last_id)
        return recipe.reason

    def _trained(self, recipe: Recipe) -> Any:
        index = faiss.index_factory(self._dim, recipe.factory, faiss.METRIC_INNER_PRODUCT)
        if recipe.lists:
            ids = self._catalog.ids(Filter())
            size = min(len(ids), recipe.lists * SAMPLES_PER_LIST)
            log.info("正在训练索引(%d 个样本)…", size)
            sample = np.sort(np.random.default_rng(0).choice(ids, size, replace=False))
            index.train(self._catalog.vectors(sample)[1])
        return index

    def _write(self, index: Any, recipe: Recipe, last_id: int) -> None:
        path = self._folder / f"vectors.{last_id}.{os.getpid()}.faiss"
        try:
            faiss.write_index(index, str(path))
            with path.open("rb") as file:
                os.fsync(file.fileno())
            snapshot = Snapshot(
                path.name, path.stat().st_size, last_id, index.ntotal, recipe.factory, recipe.lists, recipe.probes
            )
            with self._catalog.transaction():
                self._catalog.set(snapshot=json.dumps(asdict(snapshot)))
        except (RuntimeError, OSError) as error:
            path.unlink(missing_ok=True)
            raise OutputError(
                f"无法写入索引文件 {path}:{error}。磁盘可能已满;图片已经入库,腾出空间后再运行一次 index 即可。"
            ) from error
        self._load()
        for other in self._folder.glob("vectors.*.faiss"):
            if other.name != path.name:
                with contextlib.suppress(OSError):  # still mapped by a reader on Windows; the next save tries again
                    other.unlink()

    def _load(self) -> None:
        self._version = self._catalog.version()
        text = self._catalog.setting("snapshot")
        self._snapshot = Snapshot(**json.loads(text)) if text else None
        self._recent, self._index = None, None
        if self._snapshot is None:
            return
        path = self._folder / self._snapshot.file
        try:
            if path.stat().st_size != self._snapshot.bytes:
                raise OSError("wrong size")
            mapped = faiss.IO_FLAG_MMAP if self._snapshot.lists else faiss.IO_FLAG_MMAP_IFC
            self._index = faiss.read_index(str(path), mapped)
        except (RuntimeError, OSError) as error:
            log.warning("索引文件 %s 缺失或已损坏(%s),改为逐一比较。再运行一次 index 会修复它。", path, error)
            self._snapshot = None


def _selector(ids: np.ndarray) -> Any:
    """Lets the given identifiers through: a bit each, so that a million of them cost 125 kB."""
    bits = np.zeros(int(ids.max()) + 1, np.uint8)
    bits[ids] = 1
    packed = np.packbits(bits, bitorder="little")
    return faiss.IDSelectorBitmap(packed)  # type: ignore[call-arg, arg-type]  # its stubs know only the C++ signature


def _best(query: np.ndarray, k: int, ids: np.ndarray, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if not len(ids):
        return np.empty(0, np.int64), np.empty(0, np.float32)
    scores = np.einsum("nd,d->n", vectors, query)  # not BLAS: its threads wait for each other on a busy machine
    order = np.lexsort((ids, -scores))[:k]  # the same order whatever the index
    return ids[order], scores[order]
