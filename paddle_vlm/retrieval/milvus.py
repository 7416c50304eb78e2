"""Vectors in Milvus: a `milvus-lite` file on this machine, or a cluster by its http address."""

import contextlib
import json
import logging
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from paddle_vlm.errors import BadIndex, MissingDependency, UsageError
from paddle_vlm.retrieval.catalog import Catalog, Filter, Picture
from paddle_vlm.retrieval.store import FLAT_BELOW

try:
    from pymilvus import DataType, MilvusClient, MilvusException
except ImportError as _error:
    raise MissingDependency(
        "没有安装 Milvus 客户端。请运行:pip install pymilvus milvus-lite(或在项目目录 pip install -e .[milvus])"
    ) from _error

log = logging.getLogger(__name__)

MOST = 16_384  # results of one Milvus search
_LONGEST_PATH = 8_192  # bytes
# HNSW as in Milvus's own guide; DISKANN keeps the graph on NVMe and a tenth of the memory, on a cluster only.
_BUILD: dict[str, dict[str, Any]] = {"FLAT": {}, "HNSW": {"M": 32, "efConstruction": 200}, "DISKANN": {}}


class MilvusStore:
    """The same as FaissStore with the vectors in a Milvus collection; the catalog keeps the pictures.

    Args:
        uri: a path that ends in .db, or http(s)://[user:password@]host:port.
        collection: its name; several indexes may share a server.
        index: "auto" (FLAT below 50,000 pictures, HNSW above) or one of FLAT, HNSW, DISKANN.

    Raises BadIndex when the server cannot be reached.
    """

    def __init__(self, catalog: Catalog, uri: str, collection: str, dim: int, index: str = "auto") -> None:
        if index != "auto" and index not in _BUILD:
            raise UsageError(f"不认识的 Milvus 索引 {index}。可用:auto、{'、'.join(_BUILD)}。")
        self._catalog, self._uri, self._name, self._dim, self._kind = catalog, uri, collection, dim, index
        with self._explained():
            self._client = MilvusClient(uri, timeout=20)
            if not self._client.has_collection(collection):
                self._create()
            self._client.load_collection(collection)

    def _create(self) -> None:
        schema = self._client.create_schema(auto_id=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=self._dim)
        schema.add_field("path", DataType.VARCHAR, max_length=_LONGEST_PATH)
        schema.add_field("taken", DataType.DOUBLE)
        self._client.create_collection(
            self._name, schema=schema, index_params=self._parameters("FLAT"), consistency_level="Strong"
        )

    def _parameters(self, kind: str) -> Any:
        parameters = self._client.prepare_index_params()
        parameters.add_index("vector", index_type=kind, metric_type="IP", params=_BUILD[kind])
        return parameters

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except MilvusException as error:
            raise BadIndex(
                f"Milvus({self._uri})出错:{error.message}。请检查地址、服务是否在运行,或 .db 文件是否被别的程序占用。"
            ) from error

    def add(self, pictures: Sequence[Picture], vectors: np.ndarray) -> None:
        # In half precision as the catalog would keep them, so that both stores give the same order.
        rows = [_row(picture, vector) for picture, vector in zip(pictures, vectors.astype(np.float16), strict=True)]
        with self._explained():
            self._client.upsert(self._name, rows)  # a killed run's leftovers have the same identifiers

    def update(self, pictures: Sequence[Picture]) -> None:
        changed = {picture.id: picture for picture in pictures}
        with self._explained():
            found = self._client.get(self._name, list(changed), output_fields=["id", "vector"])
            if found:
                self._client.upsert(self._name, [_row(changed[row["id"]], np.asarray(row["vector"])) for row in found])

    def remove(self, ids: Sequence[int]) -> None:
        with self._explained():
            self._client.delete(self._name, ids=[int(id) for id in ids])

    def count(self) -> int:
        with self._explained():
            return int(self._client.query(self._name, filter="", output_fields=["count(*)"])[0]["count(*)"])

    def search(self, query: np.ndarray, k: int, where: Filter | None = None) -> tuple[np.ndarray, np.ndarray]:
        with self._explained():
            found = self._client.search(
                self._name,
                data=[query.tolist()],
                limit=min(k, MOST),
                filter="" if where is None else _expression(where),
                output_fields=["id"],
                search_params={"metric_type": "IP", "params": {"ef": max(4 * min(k, MOST // 4), 64)}},
            )[0]
        ids = np.array([hit["id"] for hit in found], np.int64)
        scores = np.array([hit["distance"] for hit in found], np.float32)
        order = np.lexsort((ids, -scores))
        return ids[order], scores[order]

    def save(self) -> str:
        """Flush, drop what a killed run left behind, and change the index when the collection has outgrown it."""
        with self._explained():
            self._client.delete(self._name, filter=f"id > {self._catalog.last_id()}")
            self._client.flush(self._name)
            kind = self._kind if self._kind != "auto" else "FLAT" if self.count() < FLAT_BELOW else "HNSW"
            names = self._client.list_indexes(self._name)
            if self._client.describe_index(self._name, names[0])["index_type"] != kind:
                self._client.release_collection(self._name)
                self._client.drop_index(self._name, names[0])
                self._client.create_index(self._name, self._parameters(kind))
                self._client.load_collection(self._name)
        return f"Milvus 集合 {self._name}:{kind} 索引"

    def close(self) -> None:
        self._client.close()


def _row(picture: Picture, vector: np.ndarray) -> dict[str, Any]:
    return {
        "id": picture.id,
        "vector": vector.astype(np.float32).tolist(),
        "path": picture.path,
        "taken": float(picture.taken),
    }


def _expression(where: Filter) -> str:
    """The filter in Milvus's language; `like` takes % and _ as wildcards, so these are escaped."""
    parts = []
    if where.under is not None:
        folder = where.under.rstrip("/") + "/"
        for character in "\\%_":
            folder = folder.replace(character, "\\" + character)
        parts.append(f"path like {json.dumps(folder + '%', ensure_ascii=False)}")
    if where.after is not None:
        parts.append(f"taken >= {float(where.after)}")
    if where.before is not None:
        parts.append(f"taken < {float(where.before)}")
    return " and ".join(parts)


def drop_collection(uri: str, collection: str) -> None:
    """Delete an index's vectors. Raises BadIndex when the server cannot be reached."""
    try:
        client = MilvusClient(uri, timeout=20)
        client.drop_collection(collection)
        client.close()
    except MilvusException as error:
        raise BadIndex(f"Milvus({uri})出错:{error.message}。") from error
