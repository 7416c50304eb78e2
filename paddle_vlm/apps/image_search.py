"""Find pictures on one's own disk with a Chinese sentence, or with another picture."""

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Lock
from time import perf_counter
from typing import Any, Protocol

import numpy as np

from paddle_vlm.errors import UsageError
from paddle_vlm.files import write_json
from paddle_vlm.retrieval.build import IndexReport, update_index
from paddle_vlm.retrieval.catalog import Filter
from paddle_vlm.retrieval.encoder import SearchModel
from paddle_vlm.retrieval.index import Found, ImageEncoder, PictureIndex
from paddle_vlm.retrieval.rank import RERANKED, Judge, Ranked, by_cosine, by_second_look, nothing_fits
from paddle_vlm.retrieval.scan import DECODED_SIDE, shrink
from paddle_vlm.retrieval.sheet import Entry, contact_sheet
from paddle_vlm.vision.image import load_image, save_image


class Model(ImageEncoder, Judge, Protocol):
    """A search model: pictures and texts in one space, and what their cosines mean."""

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Texts -> float32 [N, dim] of length 1."""


@dataclass(frozen=True)
class Hit:
    """One picture of the answer.

    Attributes:
        score: cosine of the query's and the picture's vectors, or the re-ranker's score.
        probability: that the picture is what the text asks for; None where the query is a picture.
        taken: seconds since 1970.
    """

    rank: int
    path: str
    score: float
    probability: float | None
    caption: str | None
    width: int
    height: int
    taken: float

    @property
    def sureness(self) -> str:
        """For people: "83 %", or the likeness of two pictures."""
        return f"{self.probability:.0%}" if self.probability is not None else f"相似度 {self.score:.2f}"


@dataclass
class SearchResult:
    """The answer to one query; `total` pictures were searched, `seconds` says what took how long."""

    query: str
    hits: list[Hit]
    total: int
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def nothing_fits(self) -> bool:
        """Whether even the best picture is probably not what was asked for."""
        return nothing_fits([hit.probability for hit in self.hits])

    def to_dict(self) -> dict[str, Any]:
        """The JSON record."""
        record = {"query": self.query, "total": self.total, "nothing_fits": self.nothing_fits}
        seconds = {stage: round(value, 4) for stage, value in self.seconds.items()}
        return record | {"hits": [asdict(hit) for hit in self.hits], "seconds": seconds}

    def table(self) -> str:
        """For the terminal: rank, probability, path and caption, a picture a line."""
        lines = [self._headline()] if self._headline() else []
        width = max((_columns(hit.path) for hit in self.hits), default=0)
        for hit in self.hits:
            path = hit.path + " " * (width - _columns(hit.path))
            lines.append(f"{hit.rank:>3}  {hit.sureness:>5}  {path}  {hit.caption or ''}".rstrip())
        return "\n".join(lines)

    def _headline(self) -> str:
        if not self.hits:
            return "没有符合条件的图片。"
        if self.nothing_fits:
            return f"没有合适的图片:最接近的一张,把握也只有 {self.hits[0].sureness}。仅供参考:"
        return ""

    def sheet(self) -> np.ndarray:
        """A contact sheet of the pictures found, uint8 RGB [H, W, 3]."""
        entries = [
            Entry(hit.path, f"{hit.rank}. {hit.sureness}", hit.caption or Path(hit.path).name) for hit in self.hits
        ]
        return contact_sheet(entries, f"{self.query}({len(self.hits)} / {self.total} 张){self._headline()}")

    def save(self, path: str | Path) -> Path:
        """Write the contact sheet, and beside it the JSON record. Raises OutputError."""
        written = save_image(self.sheet(), None, path)
        write_json(written.with_suffix(".json"), self.to_dict())
        return written


def index_pictures(
    roots: Sequence[str | Path],
    index: str | Path,
    *,
    model: str | Path = "search",
    milvus: str | None = None,
    rebuild: bool = False,
    captions: Mapping[str, str] | None = None,
    progress: Callable[[int, int], None] | None = None,
    device: str = "auto",
    encoder: ImageEncoder | None = None,
) -> IndexReport:
    """Make the folder `index` searchable for the pictures under `roots`, or bring it up to date; may be interrupted.

    Args:
        model: bundled model or folder; the index keeps its name.
        milvus: keep the vectors in Milvus, a path ending in .db or http://host:port, instead of FAISS.
        rebuild: begin anew.
        captions: absolute path -> text to show with the picture.
        progress: called with pictures done and to do.
        encoder: in place of `model`'s.

    Raises UsageError for folders that are missing or without pictures, BadIndex for an index that another process is
    writing, is damaged or was made by another model, OutputError for a full or read-only disk.
    """
    encoder = encoder or SearchModel.load(model, device)
    with PictureIndex.edit(index, str(model), encoder, milvus=milvus, rebuild=rebuild) as opened:
        folders = [Path(root).expanduser() for root in roots]
        return update_index(opened, encoder, folders, captions=captions, progress=progress)


class ImageSearch:
    """An index and the model that made it, open for searching. Safe to call from several threads."""

    def __init__(self, index: PictureIndex, model: Model) -> None:
        """Raises BadIndex where another model made the index."""
        index.check(index.model, model.fingerprint)
        self._index, self._model, self._lock = index, model, Lock()

    @classmethod
    def open(cls, index: str | Path, device: str = "auto") -> "ImageSearch":
        """An index folder, with the model whose name it keeps. Raises BadIndex and MissingWeights."""
        opened = PictureIndex.open(index)
        return cls(opened, SearchModel.load(opened.model, device))

    def count(self) -> int:
        """How many pictures can be found."""
        return self._index.count()

    def search(
        self, text: str, k: int = 9, *, min_probability: float = 0.0, where: Filter | None = None, rerank: bool = False
    ) -> SearchResult:
        """The k pictures that fit a Chinese text best.

        Args:
            min_probability: leave out pictures that are less likely right.
            where: only pictures of a folder or a time.
            rerank: give the best RERANKED a second look, which is slower and better, where the model can.

        Raises UsageError for an empty text or k below 1.
        """
        if not text.strip():
            raise UsageError("查询是空的。请写出要找什么,例如:红苹果。")
        _check_k(k)
        rerank = rerank and self._model.looks_again
        begun = perf_counter()
        vector = self._model.encode_texts([text.strip()])[0]
        encoded = perf_counter()
        found = self._find(vector, max(k, RERANKED) if rerank else k, where)
        searched = perf_counter()
        ranked = by_second_look(text.strip(), found, self._model) if rerank else by_cosine(found, self._model)
        hits = [hit for hit in _hits(ranked)[:k] if (hit.probability or 0.0) >= min_probability]
        seconds = {"encode": encoded - begun, "search": searched - encoded, "rank": perf_counter() - searched}
        return SearchResult(text.strip(), hits, self.count(), seconds)

    def search_image(
        self, image: str | Path | bytes | np.ndarray, k: int = 9, *, where: Filter | None = None
    ) -> SearchResult:
        """The k pictures that look most like one given as a path, bytes, base64 or an array uint8 [H, W, 3].

        Raises BadImage and UsageError.
        """
        _check_k(k)
        begun = perf_counter()
        loaded = load_image(image, at_least=DECODED_SIDE)
        vector = self._model.encode_images([shrink(loaded.rgb)])[0]
        encoded = perf_counter()
        found = [Ranked(one.picture, one.score) for one in self._find(vector, k, where)]
        seconds = {"encode": encoded - begun, "search": perf_counter() - encoded}
        return SearchResult(str(loaded.path or "图片"), _hits(found), self.count(), seconds)

    def close(self) -> None:
        """Release the index."""
        self._index.close()

    def _find(self, vector: np.ndarray, k: int, where: Filter | None) -> list[Found]:
        with self._lock:
            return self._index.search(vector, k, where)


def _check_k(k: int) -> None:
    if k < 1:
        raise UsageError(f"图片张数 k 应是正整数,不能是 {k}。")


def _hits(ranked: Sequence[Ranked]) -> list[Hit]:
    return [
        Hit(rank, p.path, round(one.score, 4), one.probability, p.caption, p.width, p.height, p.taken)
        for rank, (one, p) in enumerate(((one, one.picture) for one in ranked), 1)
    ]


def _columns(text: str) -> int:
    """Terminal columns: East Asian wide characters take two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
