"""Milvus Lite beside FAISS: the same answers, filters, moves, leftovers of a killed run."""

import numpy as np
import pytest

from paddle_vlm.errors import BadIndex
from paddle_vlm.retrieval.catalog import Catalog, Filter, Picture
from paddle_vlm.retrieval.milvus import MilvusStore
from paddle_vlm.retrieval.store import FaissStore

DIM = 16


def unit(count: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((count, DIM))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """A catalog of 300 pictures, and their vectors in FAISS and in Milvus."""
    folder = tmp_path_factory.mktemp("milvus")
    catalog = Catalog(folder, write=True)
    stores = FaissStore(catalog, folder, DIM), MilvusStore(catalog, str(folder / "v.db"), "pictures", DIM)
    with catalog.transaction():
        pictures = catalog.insert([Picture(f"/图%_/{i % 3}/{i}.jpg", 1, 1, float(i), b"x", 1, 1) for i in range(300)])
        for store in stores:
            store.add(pictures, unit(300, seed=0))
    for store in stores:
        store.save()
    yield catalog, *stores, pictures
    stores[1].close()


def test_both_stores_return_the_same_top_ten(both):
    _, ours, milvus, _ = both
    for query in unit(8, seed=1):
        (ids, scores), (milvus_ids, milvus_scores) = ours.search(query, 10), milvus.search(query, 10)
        assert ids.tolist() == milvus_ids.tolist()
        np.testing.assert_allclose(scores, milvus_scores, atol=1e-5)


def test_both_stores_obey_the_same_filter(both):
    _, ours, milvus, _ = both
    for where in (
        Filter(under="/图%_/1"),
        Filter(after=10, before=20),
        Filter(under="/图"),
        Filter(under="/图%_/2", after=250),
    ):
        found = ours.search(unit(1, seed=2)[0], 300, where)[0]
        assert found.tolist() == milvus.search(unit(1, seed=2)[0], 300, where)[0].tolist()
    assert len(found) == 17


def test_a_moved_picture_is_found_under_its_new_folder_only(both):
    _, _, milvus, pictures = both
    moved = Picture("/新/0.jpg", 1, 1, 0.0, b"x", 1, 1, id=pictures[0].id)
    milvus.update([moved])
    assert milvus.search(unit(1, seed=2)[0], 300, Filter(under="/新"))[0].tolist() == [pictures[0].id]
    assert milvus.count() == 300
    milvus.update([pictures[0]])


def test_what_a_killed_run_left_behind_is_dropped(both):
    catalog, _, milvus, _ = both
    milvus.add([Picture("/x.jpg", 1, 1, 0.0, b"x", 1, 1, id=catalog.last_id() + 5)], unit(1, seed=3))
    assert milvus.count() == 301
    milvus.save()
    assert milvus.count() == 300


def test_a_server_that_cannot_be_reached_is_named(tmp_path):
    with pytest.raises(BadIndex, match="127.0.0.1:9"):
        MilvusStore(Catalog(tmp_path, write=True), "http://127.0.0.1:9", "pictures", DIM)
