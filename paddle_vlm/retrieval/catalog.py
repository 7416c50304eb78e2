"""What an index knows of its pictures: one SQLite file, the truth that everything else can be rebuilt from."""

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from paddle_vlm.errors import BadIndex, OutputError

NAME = "pictures.sqlite"
FORMAT = 1  # of the tables below, kept in SQLite's user_version
_SCHEMA = """
CREATE TABLE pictures (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    path TEXT NOT NULL UNIQUE,
    size INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    taken REAL NOT NULL,
    digest BLOB NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    caption TEXT
);
CREATE INDEX pictures_digest ON pictures (digest);
CREATE INDEX pictures_taken ON pictures (taken);
CREATE TABLE vectors (id INTEGER PRIMARY KEY, vector BLOB NOT NULL);
CREATE TABLE unreadable (path TEXT PRIMARY KEY, size INTEGER NOT NULL, modified INTEGER NOT NULL, reason TEXT NOT NULL);
CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
_COLUMNS = "path, size, modified, taken, digest, width, height, caption"
_MANY = 500  # identifiers in one statement; SQLite's oldest limit is 999


@dataclass(frozen=True)
class Picture:
    """A picture that has been indexed.

    Attributes:
        path: absolute.
        size, modified: bytes and nanoseconds, as the file system said when it was read.
        taken: seconds since 1970, from EXIF, or the time of the last change.
        digest: BLAKE2b of the file, 16 bytes.
        caption: what is known of it besides, or None.
        id: its number, 0 before it is in a catalog. A picture whose content changes gets a new one.
    """

    path: str
    size: int
    modified: int
    taken: float
    digest: bytes
    width: int
    height: int
    caption: str | None = None
    id: int = 0


@dataclass(frozen=True)
class Filter:
    """Which pictures may be found: those under a folder, taken in [after, before) (seconds since 1970)."""

    under: str | None = None
    after: float | None = None
    before: float | None = None

    def sql(self) -> tuple[str, list[str | float]]:
        """A WHERE clause over `pictures` and its parameters."""
        clauses, values = ["1"], list[str | float]()
        if self.under is not None:
            folder = self.under.rstrip("/") + "/"
            clauses.append("path >= ? AND path < ?")  # a range, which the path's own index serves
            values += [folder, folder[:-1] + "0"]  # "0" follows "/"
        if self.after is not None:
            clauses.append("taken >= ?")
            values.append(self.after)
        if self.before is not None:
            clauses.append("taken < ?")
            values.append(self.before)
        return " AND ".join(clauses), values


class Catalog:
    """The tables of one index. Not for several threads.

    Every change belongs inside `transaction()`: a process that is killed leaves the last whole transaction behind.
    """

    def __init__(self, folder: Path, *, write: bool = False) -> None:
        """Opens what `folder` holds; with `write` makes it where there is none.

        Raises BadIndex when there is none to read, or it is damaged or of another format.
        """
        self.path = folder / NAME
        self._counted = (-1, -1, 0)
        missing = BadIndex(f"{folder} 里没有索引。请先建立:paddle-vlm index 图片文件夹 --index {folder}")
        if not write and not self.path.exists():
            raise missing
        with self.explained():
            # A reader may have to roll back what a killed writer left, so "ro" is for folders that cannot be written.
            mode = "rwc" if write else "rw" if os.access(self.path, os.W_OK) and os.access(folder, os.W_OK) else "ro"
            uri = f"{self.path.resolve().as_uri()}?mode={mode}"
            self._db = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=30)
            if not self._one("SELECT count(*) FROM sqlite_master"):  # new, or the first run was killed at once
                if not write:
                    raise missing
                self._db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {FORMAT}; COMMIT;")
            self._check_whole()

    def _check_whole(self) -> None:
        found = self._one("PRAGMA user_version")
        if found != FORMAT:
            raise BadIndex(f"{self.path} 的格式是第 {found} 版,本程序使用第 {FORMAT} 版。请加 --rebuild 重建。")
        wanted = self._one("PRAGMA page_count") * self._one("PRAGMA page_size")
        if self.path.stat().st_size < wanted:
            raise sqlite3.DatabaseError("file is shorter than its header says")

    def close(self) -> None:
        """Release the file."""
        self._db.close()

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """Turns SQLite's errors into BadIndex or OutputError."""
        try:
            yield
        except sqlite3.Error as error:
            text = str(error)
            if "full" in text or "disk I/O" in text:
                raise OutputError(
                    f"无法写入 {self.path}:磁盘空间不足或读写出错。已完成的批次都已保存,腾出空间后重新运行即可继续。"
                ) from error
            if "readonly" in text or "unable to open" in text:
                raise OutputError(f"无法打开 {self.path}:没有写权限。请换一个可写的位置。") from error
            if "locked" in text:
                raise BadIndex(f"{self.path} 正被另一个程序占用。请稍后再试。") from error
            raise BadIndex(f"索引数据库 {self.path} 已损坏({error})。请加 --rebuild 重建。") from error

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All changes inside are kept, or none."""
        with self.explained():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def version(self) -> int:
        """A number that changes whenever another process has changed the catalog."""
        return self._one("PRAGMA data_version")

    def setting(self, key: str) -> str | None:
        """A value stored with the index, or None."""
        rows = self._rows("SELECT value FROM settings WHERE key = ?", [key])
        return rows[0][0] if rows else None

    def set(self, **values: str) -> None:
        """Store values with the index."""
        self._many("INSERT OR REPLACE INTO settings VALUES (?, ?)", values.items())

    def count(self) -> int:
        """How many pictures are indexed. Counted once until something changes: a million take SQLite 30 ms."""
        state = (self.version(), self._db.total_changes)
        if self._counted[:2] != state:
            self._counted = (*state, self._one("SELECT count(*) FROM pictures"))
        return self._counted[2]

    def last_id(self) -> int:
        """The highest identifier ever given in a transaction that was kept."""
        rows = self._rows("SELECT seq FROM sqlite_sequence WHERE name = 'pictures'")
        return rows[0][0] if rows else 0

    def insert(self, pictures: Sequence[Picture]) -> list[Picture]:
        """Add pictures; returns them with their identifiers, which ascend and are never given twice."""
        kept = [replace(picture, id=number) for number, picture in enumerate(pictures, self.last_id() + 1)]
        self.forget_unreadable(picture.path for picture in kept)
        rows = ((p.path, p.size, p.modified, p.taken, p.digest, p.width, p.height, p.caption, p.id) for p in kept)
        self._many(f"INSERT INTO pictures ({_COLUMNS}, id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        return kept

    def update(self, picture: Picture) -> None:
        """The same content lies at another path, or its time has changed."""
        p = picture
        self._rows(
            "UPDATE pictures SET path = ?, size = ?, modified = ? WHERE id = ?", [p.path, p.size, p.modified, p.id]
        )

    def remove(self, ids: Iterable[int]) -> None:
        """Forget pictures."""
        self._many("DELETE FROM pictures WHERE id = ?", ([int(id)] for id in ids))

    def get(self, ids: Iterable[int]) -> dict[int, Picture]:
        """The pictures that exist, by identifier."""
        rows = self._chosen(f"SELECT {_COLUMNS}, id FROM pictures WHERE id IN", ids)
        return {row[-1]: Picture(*row) for row in rows}

    def with_digest(self, digest: bytes) -> list[Picture]:
        """Pictures whose file had this content."""
        rows = self._rows(f"SELECT {_COLUMNS}, id FROM pictures WHERE digest = ?", [digest])
        return [Picture(*row) for row in rows]

    def files(self, where: Filter) -> dict[str, tuple[int, int, int]]:
        """path -> (id, size, modified) of the pictures that the filter lets through."""
        clause, values = where.sql()
        rows = self._rows(f"SELECT path, id, size, modified FROM pictures WHERE {clause}", values)
        return {row[0]: row[1:] for row in rows}

    def ids(self, where: Filter) -> np.ndarray:
        """int64 identifiers that the filter lets through, in ascending order."""
        clause, values = where.sql()
        rows = self._rows(f"SELECT id FROM pictures WHERE {clause} ORDER BY id", values)
        return np.array([row[0] for row in rows], np.int64)

    def note_unreadable(self, path: str, size: int, modified: int, reason: str) -> None:
        """Remember a file that could not be read, so that it is only tried again once it changes."""
        self._rows("INSERT OR REPLACE INTO unreadable VALUES (?, ?, ?, ?)", [path, size, modified, reason])

    def forget_unreadable(self, paths: Iterable[str]) -> None:
        """The files are gone."""
        self._many("DELETE FROM unreadable WHERE path = ?", ([path] for path in paths))

    def unreadable(self) -> dict[str, tuple[int, int, str]]:
        """path -> (size, modified, reason)."""
        return {row[0]: row[1:] for row in self._rows("SELECT path, size, modified, reason FROM unreadable")}

    def add_vectors(self, ids: Sequence[int], vectors: np.ndarray) -> None:
        """Store float [N, dim] in half precision: unit vectors lose 2e-4 of a cosine, and half the disk."""
        rows = zip(map(int, ids), (row.tobytes() for row in vectors.astype(np.float16)), strict=True)
        self._many("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)

    def remove_vectors(self, ids: Iterable[int]) -> None:
        """Drop stored vectors."""
        self._many("DELETE FROM vectors WHERE id = ?", ([int(id)] for id in ids))

    def vectors(self, ids: Iterable[int]) -> tuple[np.ndarray, np.ndarray]:
        """int64 [M] and float32 [M, dim] of those identifiers that have a vector, in no particular order."""
        return _stacked(self._chosen("SELECT id, vector FROM vectors WHERE id IN", ids))

    def vectors_after(self, last: int, limit: int = -1) -> tuple[np.ndarray, np.ndarray]:
        """int64 [M] and float32 [M, dim] of the vectors with an identifier above `last`, in ascending order."""
        return _stacked(self._rows("SELECT id, vector FROM vectors WHERE id > ? ORDER BY id LIMIT ?", [last, limit]))

    def _rows(self, query: str, values: Sequence[Any] = ()) -> list[tuple]:
        with self.explained():
            return self._db.execute(query, values).fetchall()

    def _many(self, query: str, rows: Iterable[Sequence[Any]]) -> None:
        with self.explained():
            self._db.executemany(query, rows)

    def _one(self, query: str) -> int:
        return int(self._rows(query)[0][0])

    def _chosen(self, query: str, ids: Iterable[int]) -> list[tuple]:
        numbers = [int(id) for id in ids]
        parts = (numbers[first : first + _MANY] for first in range(0, len(numbers), _MANY))
        return [row for some in parts for row in self._rows(f"{query} ({','.join('?' * len(some))})", some)]


def _stacked(rows: list[tuple]) -> tuple[np.ndarray, np.ndarray]:
    ids = np.array([row[0] for row in rows], np.int64)
    flat = np.frombuffer(b"".join(row[1] for row in rows), np.float16)
    return ids, flat.reshape(len(rows), -1 if rows else 0).astype(np.float32)
