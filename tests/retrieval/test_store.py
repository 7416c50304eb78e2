"""The FAISS store: exactness, filters, what came after or went since the index file, broken files."""

import os

import faiss
import numpy as np
import pytest

from paddle_vlm.errors import OutputError
from paddle_vlm.retrieval import store as store_module
from paddle_vlm.retrieval.catalog import Catalog, Filter, Picture
from paddle_vlm.retrieval.store import FaissStore, recipe_for

DIM = 32


def unit(count: int, seed: int = 0) -> np.ndarray:
    """Clustered unit vectors, as half precision keeps them."""
    random = np.random.default_rng(seed)
    vectors = random.standard_normal((20, DIM))[random.integers(20, size=count)]
    vectors += 0.5 * random.standard_normal((count, DIM))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float16).astype(np.float32)


def fill(catalog: Catalog, store: FaissStore, vectors: np.ndarray, start: int = 0) -> list[Picture]:
    with catalog.transaction():
        pictures = catalog.insert(
            [
                Picture(f"/a/{'odd' if i % 2 else 'even'}/{i}.jpg", 1, 1, float(i), b"x", 1, 1)
                for i in range(start, start + len(vectors))
            ]
        )
        store.add(pictures, vectors)
    return pictures


@pytest.fixture
def catalog(tmp_path) -> Catalog:
    return Catalog(tmp_path, write=True)


def exact(vectors: np.ndarray, query: np.ndarray, k: int) -> list[int]:
    return (np.argsort(-(vectors @ query), kind="stable")[:k] + 1).tolist()


@pytest.mark.parametrize("saved", [0, 300, 500])
def test_the_nearest_are_found_whether_the_index_file_has_all_some_or_none_of_them(catalog, tmp_path, saved):
    vectors, store = unit(500), FaissStore(catalog, tmp_path, DIM)
    if saved:
        fill(catalog, store, vectors[:saved])
        store.save()
    fill(catalog, store, vectors[saved:], start=saved)
    for query in unit(5, seed=1):
        ids, scores = store.search(query, 10)
        assert ids.tolist() == exact(vectors, query, 10)
        np.testing.assert_allclose(scores, np.sort(vectors @ query)[::-1][:10], atol=1e-5)


def test_removed_pictures_are_not_found_even_before_the_next_save(catalog, tmp_path):
    vectors, store = unit(400), FaissStore(catalog, tmp_path, DIM)
    fill(catalog, store, vectors)
    store.save()
    query = unit(1, seed=1)[0]
    gone = exact(vectors, query, 350)
    with catalog.transaction():
        store.remove(gone)
        catalog.remove(gone)
    for _ in range(2):
        ids, _ = store.search(query, 50)
        assert ids.tolist() == exact(vectors, query, 400)[350:]
        store.save()
    assert FaissStore(catalog, tmp_path, DIM).search(query, 50)[0].tolist() == ids.tolist()


def test_more_than_there_are_gives_all_of_them(catalog, tmp_path):
    store = FaissStore(catalog, tmp_path, DIM)
    assert len(store.search(unit(1)[0], 5)[0]) == 0
    fill(catalog, store, unit(7))
    store.save()
    assert sorted(store.search(unit(1)[0], 100)[0]) == list(range(1, 8))


@pytest.mark.parametrize("exact_below", [0, 10_000])
def test_a_filter_leaves_only_what_it_lets_through(catalog, tmp_path, monkeypatch, exact_below):
    monkeypatch.setattr(store_module, "EXACT", exact_below)
    vectors, store = unit(300), FaissStore(catalog, tmp_path, DIM)
    fill(catalog, store, vectors[:200])
    store.save()
    fill(catalog, store, vectors[200:], start=200)
    query = unit(1, seed=1)[0]
    ids, _ = store.search(query, 300, Filter(under="/a/odd", after=100, before=250))
    assert ids.tolist() == [i for i in exact(vectors, query, 300) if (i - 1) % 2 and 100 <= i - 1 < 250]


def test_a_large_index_is_compressed_and_still_finds_nearly_all(catalog, tmp_path, monkeypatch):
    monkeypatch.setattr(store_module, "FLAT_BELOW", 2000)
    everything, store = unit(4050), FaissStore(catalog, tmp_path, DIM)
    vectors, queries = everything[:4000], everything[4000:]
    fill(catalog, store, vectors[:3800])
    assert "IVF" in store.save()
    fill(catalog, store, vectors[3800:], start=3800)
    assert "IVF" in store.save()  # grows without being trained anew
    store = FaissStore(catalog, tmp_path, DIM)
    hits = [len({*store.search(query, 10)[0].tolist()} & {*exact(vectors, query, 10)}) for query in queries]
    assert np.mean(hits) >= 9
    assert len(store.search(queries[0], 4000)[0]) == 4000  # all lists are opened when that many are asked for
    assert next(tmp_path.glob("vectors.*.faiss")).stat().st_size < 4000 * DIM * 2


def test_a_changed_catalog_is_seen_by_a_reader_that_is_open(catalog, tmp_path):
    writer = FaissStore(catalog, tmp_path, DIM)
    fill(catalog, writer, unit(10))
    writer.save()
    reader = FaissStore(Catalog(tmp_path), tmp_path, DIM)
    assert len(reader.search(unit(1)[0], 100)[0]) == 10
    fill(catalog, writer, unit(10, seed=2), start=10)
    assert len(reader.search(unit(1)[0], 100)[0]) == 20
    writer.save()
    assert len(reader.search(unit(1)[0], 100)[0]) == 20


@pytest.mark.parametrize("damage", ["truncated", "garbage", "missing"])
def test_a_broken_index_file_costs_a_warning_and_the_next_save_repairs_it(catalog, tmp_path, caplog, damage):
    vectors, store = unit(200), FaissStore(catalog, tmp_path, DIM)
    fill(catalog, store, vectors)
    store.save()
    store.close()
    (path,) = tmp_path.glob("vectors.*.faiss")
    if damage == "truncated":
        os.truncate(path, path.stat().st_size // 2)
    elif damage == "garbage":
        path.write_bytes(os.urandom(path.stat().st_size))
    else:
        path.unlink()
    store, query = FaissStore(catalog, tmp_path, DIM), unit(1, seed=1)[0]
    assert path.name in caplog.text
    assert store.search(query, 10)[0].tolist() == exact(vectors, query, 10)
    store.save()
    caplog.clear()
    store = FaissStore(catalog, tmp_path, DIM)
    assert store.search(query, 10)[0].tolist() == exact(vectors, query, 10)
    assert not caplog.text
    assert len(list(tmp_path.glob("vectors.*.faiss"))) == 1


def test_a_disk_that_is_full_is_named_and_loses_no_picture(catalog, tmp_path, monkeypatch):
    store = FaissStore(catalog, tmp_path, DIM)
    fill(catalog, store, unit(20))
    writer = faiss.write_index
    # /dev/full answers every write with ENOSPC, as a full disk does.
    monkeypatch.setattr(faiss, "write_index", lambda index, path: writer(index, "/dev/full"))
    with pytest.raises(OutputError, match="已满"):
        store.save()
    monkeypatch.undo()
    store.save()
    assert len(store.search(unit(1)[0], 100)[0]) == 20


def test_the_structure_follows_the_number_of_pictures():
    assert recipe_for(49_999, 256).factory == "IDMap2,Flat"
    assert recipe_for(1_000_000, 256).factory == "IVF4096,SQ8"
    assert recipe_for(1_000_000, 256).probes > recipe_for(50_000, 256).probes
