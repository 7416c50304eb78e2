"""How fast and how well pictures are found: `python benchmarks/search.py [--data DIR] --json OUT`.

DIR is laid out as Flickr8k-CN; without it the emoji drawings stand in for photos and their names for sentences.
  query_ms_100k, query_ms_1m   median milliseconds from a Chinese text to its ten pictures, text encoder included
  second_look_ms               median milliseconds of the re-ranker for twenty pictures at hand, more than query_ms
  recall_1m, recall_100k       share of the exact ten nearest that are among them
  photos_per_second            indexing files: read, decode, encode, store, save
  photos_per_second_12mp       the same for JPEG files of 12 million pixels
  build_seconds_*, bytes_*     making the index file, and its size; vectors and catalog on disk besides
  milvus_same_top_10           share of queries for which Milvus Lite and FAISS return the same ten (5,000 vectors)
  structures                   with --compare N: build seconds, bytes, milliseconds and recall of other structures

Real vectors by the million are not at hand, so they are made from a few thousand real ones: each is a real picture's
vector moved part of the way to one of its ten nearest neighbours, plus a real difference between two other neighbours.
So the clusters, the directions in which pictures differ and the distance between texts and pictures are real; the
queries are real texts through the real text encoder.
"""

import argparse
import json
import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from paddle_vlm import runtime

with runtime.heavy_imports():
    import faiss

    from paddle_vlm.apps.image_search import ImageSearch, index_pictures
    from paddle_vlm.data import emoji
    from paddle_vlm.data.captions import CaptionSet
    from paddle_vlm.retrieval.catalog import Catalog, Picture
    from paddle_vlm.retrieval.encoder import SearchModel
    from paddle_vlm.retrieval.index import PictureIndex
    from paddle_vlm.retrieval.milvus import MilvusStore
    from paddle_vlm.retrieval.rank import RERANKED
    from paddle_vlm.retrieval.store import FaissStore

SEEDS, QUERIES, CHUNK, K = 2000, 200, 50_000, 10
OTHERS = ("Flat", "HNSW32,SQ8", "IVF{lists},PQ{half}x4fs", "IVF{lists},SQ8")


@dataclass
class Material:
    """Real pictures uint8 [H, W, 3] and real texts."""

    pictures: list[np.ndarray]
    texts: list[str]


def material(data: Path | None, split: str) -> Material:
    """From Flickr8k-CN where given, from the emoji otherwise."""
    if data is None:
        drawn = emoji.load_emoji("openmoji", 224)
        return Material(list(drawn.images[:SEEDS]), [each.name_zh for each in drawn.emoji][:QUERIES])
    photos = CaptionSet(data, split)
    pixels = sorted(photos.pixels(), key=lambda pair: pair[0])[:SEEDS]
    texts = [photo.texts(["zh"])[0] for photo in photos.photos[:QUERIES]]
    return Material([rgb for _, rgb in pixels], texts)


class Synthetic:
    """Unit vectors in any number, the same for every call, made from real ones as told above."""

    def __init__(self, seeds: np.ndarray) -> None:
        self._seeds = seeds
        near = np.argsort(-(seeds @ seeds.T), 1)[:, 1:11]
        self._near = near

    def chunks(self, count: int) -> Iterator[np.ndarray]:
        """float32 [at most CHUNK, dim] each, in half precision's steps as the index keeps them."""
        for number, first in enumerate(range(0, count, CHUNK)):
            random = np.random.default_rng(number)
            size = min(CHUNK, count - first)
            own, other = random.integers(len(self._seeds), size=(2, size))
            place = random.integers(10, size=(2, size))
            towards = self._seeds[self._near[own, place[0]]] - self._seeds[own]
            aside = self._seeds[self._near[other, place[1]]] - self._seeds[other]
            share = random.uniform(0, 0.5, (2, size, 1)).astype(np.float32)
            vectors = self._seeds[own] + share[0] * towards + share[1] * aside
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            yield vectors.astype(np.float16).astype(np.float32)

    def nearest(self, count: int, queries: np.ndarray) -> np.ndarray:
        """Exact: int64 [Q, K] numbers of the best vectors, counted from 1."""
        scores, ids = np.full((len(queries), K), -2, np.float32), np.zeros((len(queries), K), np.int64)
        for number, chunk in enumerate(self.chunks(count)):
            found, where = faiss.knn(queries, chunk, K, faiss.METRIC_INNER_PRODUCT)
            scores = np.concatenate([scores, found], 1)
            ids = np.concatenate([ids, where + 1 + number * CHUNK], 1)
            order = np.argsort(-scores, 1)[:, :K]
            scores, ids = np.take_along_axis(scores, order, 1), np.take_along_axis(ids, order, 1)
        return ids


def search_figures(count: int, source: Synthetic, model: SearchModel, texts: list[str], folder: Path) -> dict[str, Any]:
    """Fill an index with `count` vectors and query it."""
    with PictureIndex.edit(folder, "benchmark", model) as index:
        number = 0
        for chunk in tqdm(source.chunks(count), total=-(-count // CHUNK), desc=f"{count:,} 个向量", disable=None):
            pictures = []
            for _ in chunk:
                number += 1
                pictures.append(Picture(f"/photos/{number // 1000}/{number}.jpg", 1, 1, 0.0, b"", 4000, 3000))
            index.add(pictures, chunk)
        begun = perf_counter()
        index.save()
        built = perf_counter() - begun
    search = ImageSearch(PictureIndex.open(folder), model)
    exact = source.nearest(count, model.encode_texts(texts))
    for text in texts[:10]:
        search.search(text, K)
    times, found = [], 0
    for text, wanted in zip(texts, exact, strict=True):
        begun = perf_counter()
        hits = search.search(text, K).hits
        times.append((perf_counter() - begun) * 1000)
        found += len({int(Path(hit.path).stem) for hit in hits} & {*wanted.tolist()})
    search.close()
    name = "1m" if count == 1_000_000 else f"{count // 1000}k"
    (vectors,) = folder.glob("vectors.*.faiss")
    return {
        f"query_ms_{name}": round(statistics.median(times), 2),
        f"query_ms_{name}_p95": round(float(np.percentile(times, 95)), 2),
        f"recall_{name}": round(found / K / len(texts), 4),
        f"build_seconds_{name}": round(built, 1),
        f"index_bytes_{name}": vectors.stat().st_size,
        f"catalog_bytes_{name}": (folder / "pictures.sqlite").stat().st_size,
    }


def indexing_speed(pictures: list[np.ndarray], model: SearchModel, folder: Path, pixels: int | None) -> float:
    """Pictures a second from files, JPEG of `pixels` on the longer side where given."""
    folder.mkdir()
    for number, rgb in enumerate(pictures):
        photo = Image.fromarray(rgb)
        if pixels:
            photo = photo.resize((pixels, pixels * 3 // 4), Image.Resampling.BICUBIC)
        photo.save(folder / f"{number}.jpg", quality=90)
    index_pictures([folder], folder / "warm", encoder=model)
    return len(pictures) / index_pictures([folder], folder / "index", encoder=model).seconds


def second_look_speed(pictures: list[np.ndarray], model: SearchModel, texts: list[str]) -> float:
    """Median milliseconds; the files are not read."""
    times = []
    for text in texts[:40]:
        begun = perf_counter()
        model.rerank(text, pictures[:RERANKED])
        times.append((perf_counter() - begun) * 1000)
    return statistics.median(times)


def milvus_agreement(source: Synthetic, queries: np.ndarray, folder: Path) -> float:
    """Share of the queries for which both stores return the same ten of 5,000."""
    folder.mkdir()
    catalog, vectors = Catalog(folder, write=True), next(source.chunks(5000))
    dim = vectors.shape[1]
    stores = FaissStore(catalog, folder, dim), MilvusStore(catalog, str(folder / "vectors.db"), "benchmark", dim)
    with catalog.transaction():
        pictures = catalog.insert([Picture(f"/{i}.jpg", 1, 1, 0.0, b"", 1, 1) for i in range(len(vectors))])
        for store in stores:
            store.add(pictures, vectors)
    same = [np.array_equal(stores[0].search(query, K)[0], stores[1].search(query, K)[0]) for query in queries[:20]]
    stores[1].close()
    return float(np.mean(same))


def structures(count: int, source: Synthetic, queries: np.ndarray) -> list[dict[str, Any]]:
    """Other index structures over the same vectors, each at the least effort that reaches a recall of 0.95."""
    exact, lists = source.nearest(count, queries), 2 ** round(np.log2(4 * np.sqrt(count)))
    vectors = np.concatenate(list(source.chunks(count)))
    rows = []
    for form in OTHERS:
        name = form.format(lists=lists, half=vectors.shape[1] // 2)
        index = faiss.index_factory(vectors.shape[1], name, faiss.METRIC_INNER_PRODUCT)
        begun = perf_counter()
        index.train(vectors[:: max(1, count // (64 * lists))])
        index.add(vectors)
        row: dict[str, Any] = {"structure": name, "build_seconds": round(perf_counter() - begun, 1)}
        row["bytes"] = len(faiss.serialize_index(index))
        for effort in (16, 32, 64, 128, 256, 512):
            options = _options(name, effort)
            times, hits = [], 0
            for query, wanted in zip(queries, exact, strict=True):
                begun = perf_counter()
                ids = index.search(query[None], 100, params=options)[1][0]
                ids = ids[np.argsort(-(vectors[ids] @ query))[:K]] + 1  # exact comparison of the candidates
                times.append((perf_counter() - begun) * 1000)
                hits += len({*ids.tolist()} & {*wanted.tolist()})
            row |= {"effort": effort, "ms": round(statistics.median(times), 2), "recall": hits / K / len(queries)}
            if row["recall"] >= 0.95 or name == "Flat":
                break
        rows.append(row)
    return rows


def _options(name: str, effort: int) -> Any:
    kinds: dict[str, Any] = vars(faiss)  # its stubs lack both
    if name.startswith("IVF"):
        return kinds["SearchParametersIVF"](nprobe=effort)
    return kinds["SearchParametersHNSW"](efSearch=effort) if name.startswith("HNSW") else None


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="Flickr8k-CN's folder")
    parser.add_argument("--split", default="val")
    parser.add_argument("--model", default="search")
    parser.add_argument("--sizes", type=int, nargs="*", default=[100_000, 1_000_000])
    parser.add_argument("--compare", type=int, metavar="N", help="also compare structures over N vectors")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    model = SearchModel.load(options.model)
    at_hand = material(options.data, options.split)
    source, queries = Synthetic(model.encode_images(at_hand.pictures)), model.encode_texts(at_hand.texts)
    record: dict[str, Any] = {"threads": runtime.cores(), "real_pictures": len(at_hand.pictures)}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        record["photos_per_second"] = round(indexing_speed(at_hand.pictures[:512], model, folder / "a", None), 1)
        record["photos_per_second_12mp"] = round(indexing_speed(at_hand.pictures[:64], model, folder / "b", 4000), 1)
        record["second_look_ms"] = round(second_look_speed(at_hand.pictures, model, at_hand.texts), 1)
        record["milvus_same_top_10"] = milvus_agreement(source, queries, folder / "milvus")
        for count in options.sizes:
            record |= search_figures(count, source, model, at_hand.texts, folder / f"{count}")
    if options.compare:
        record["structures"] = structures(options.compare, source, queries)
    text = json.dumps(record, ensure_ascii=False, indent=2)
    print(text)
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
