"""Searching and filling the service's own picture index."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from paddle_vlm.apps.image_search import ImageSearch, index_pictures
from paddle_vlm.errors import BadIndex, OutputError, PaddleVLMError
from paddle_vlm.files import write_whole
from paddle_vlm.retrieval.catalog import NAME
from paddle_vlm.retrieval.encoder import SearchModel
from paddle_vlm.retrieval.index import PictureIndex
from paddle_vlm.retrieval.scan import DECODED_SIDE
from paddle_vlm.serving.engine import Item, attempt
from paddle_vlm.vision.image import load_image

_SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "GIF": ".gif", "BMP": ".bmp", "TIFF": ".tif"}


class SearchHandler:
    """Finds pictures of the index by text or picture. Answers with file names only: paths are the server's business."""

    def __init__(self, index: Path | None, model: SearchModel, pixels: int) -> None:
        self._folder, self._model, self._pixels = index, model, pixels
        self._search: ImageSearch | None = None

    def run(self, items: Sequence[Item], progress: Callable[[int, Any], None]) -> list[Any]:
        """See `Handler`."""
        return [attempt(self._answer, item) for item in items]

    def probe(self, thorough: bool = False) -> None:
        if self._folder is not None and (self._folder / NAME).exists():
            self._opened().search("红苹果", 1)

    def _answer(self, item: Item) -> dict[str, Any]:
        options, search = item.options, self._opened()
        if item.images:
            image = load_image(item.images[0], max_pixels=self._pixels, at_least=DECODED_SIDE)
            found = search.search_image(image.rgb, options["k"])
        else:
            found = search.search(
                options["text"], options["k"], min_probability=options["min_probability"], rerank=options["rerank"]
            )
        record = found.to_dict()
        for hit in record["hits"]:
            hit["name"] = Path(hit.pop("path")).name
        return record

    def _opened(self) -> ImageSearch:
        if self._search is None:
            if self._folder is None or not (self._folder / NAME).exists():
                raise BadIndex("服务还没有图片索引。请先用 POST /v1/index 上传图片,或在配置里指定 index。")
            self._search = ImageSearch(PictureIndex.open(self._folder), self._model)
        return self._search


class IndexHandler:
    """Stores uploaded pictures under names made from their content, and brings the index up to date."""

    def __init__(self, index: Path | None, pictures: Path | None, name: str, model: SearchModel, pixels: int) -> None:
        self._index, self._pictures, self._name, self._model, self._pixels = index, pictures, name, model, pixels

    def run(self, items: Sequence[Item], progress: Callable[[int, Any], None]) -> list[Any]:
        """See `Handler`."""
        return [self._attempt(number, item, progress) for number, item in enumerate(items)]

    def probe(self, thorough: bool = False) -> None:
        """Nothing to try: the model is the search's."""

    def _attempt(self, number: int, item: Item, progress: Callable[[int, Any], None]) -> Any:
        try:
            return self._add(item, lambda event: progress(number, event))
        except PaddleVLMError as error:
            return error
        except OSError as error:  # SQLite and FAISS report a full disk in their own ways
            return OutputError(f"无法写入索引:{error.strerror or error}。请检查剩余空间。")

    def _add(self, item: Item, tell: Callable[[Any], None]) -> dict[str, Any]:
        if self._index is None or self._pictures is None:
            raise BadIndex("服务没有配置索引文件夹(index)。请联系管理员。")
        records = []
        for place, data in enumerate(item.images):
            records.append(self._store(self._pictures, data))
            tell({"stage": "stored", "done": place + 1, "total": len(item.images)})
        report = None
        if any("name" in record for record in records):
            report = index_pictures(
                [self._pictures],
                self._index,
                model=self._name,
                encoder=self._model,
                progress=lambda done, total: tell({"stage": "indexed", "done": done, "total": total}),
            )
        kept = {"added": report.added, "total": report.total} if report else {"added": 0}
        return {"pictures": records, **kept}

    def _store(self, folder: Path, data: bytes) -> dict[str, Any]:
        """The name under which a picture is kept, or why it is not."""
        try:
            image = load_image(data, max_pixels=self._pixels, at_least=DECODED_SIDE)
        except PaddleVLMError as error:
            return {"error": {"code": type(error).__name__, "message": str(error)}}
        name = hashlib.sha256(data).hexdigest()[:32] + _SUFFIXES.get(image.format, ".png")
        if not (folder / name).exists():
            write_whole(folder / name, data)
        return {"name": name, "width": image.full_size[1], "height": image.full_size[0]}
