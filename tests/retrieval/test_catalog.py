"""The catalog: filters, transactions, damaged files, a full disk."""

import os
import sqlite3
import subprocess
import sys

import numpy as np
import pytest

from paddle_vlm.errors import BadIndex, OutputError
from paddle_vlm.retrieval.catalog import NAME, Catalog, Filter, Picture


def picture(path: str, taken: float = 0.0) -> Picture:
    return Picture(path, 10, 20, taken, path.encode(), 30, 40, "名字")


def test_what_is_put_in_comes_out(tmp_path):
    catalog = Catalog(tmp_path, write=True)
    with catalog.transaction():
        (kept,) = catalog.insert([picture("/照片/猫.jpg")])
    assert catalog.get([kept.id, 99]) == {kept.id: kept}
    assert Catalog(tmp_path).with_digest("/照片/猫.jpg".encode()) == [kept]


def test_a_folder_filter_takes_the_folder_and_no_other_of_which_it_is_a_prefix(tmp_path):
    catalog = Catalog(tmp_path, write=True)
    with catalog.transaction():
        paths = ("/a/b/1.jpg", "/a/b/c/2.jpg", "/a/b2/3.jpg", "/a/b0.jpg", "/a/b%/4.jpg")
        catalog.insert([picture(path) for path in paths])
    assert set(catalog.files(Filter(under="/a/b"))) == {"/a/b/1.jpg", "/a/b/c/2.jpg"}
    assert set(catalog.files(Filter(under="/a/b%/"))) == {"/a/b%/4.jpg"}
    assert len(catalog.files(Filter(under="/"))) == 5


def test_an_unfinished_transaction_leaves_nothing(tmp_path):
    catalog = Catalog(tmp_path, write=True)
    with pytest.raises(KeyError), catalog.transaction():
        catalog.insert([picture("/1.jpg")])
        raise KeyError
    assert catalog.count() == 0


def test_vectors_lose_less_than_a_thousandth(tmp_path):
    catalog, vectors = Catalog(tmp_path, write=True), np.random.default_rng(0).uniform(-1, 1, (1200, 8))
    with catalog.transaction():
        catalog.add_vectors(range(1, 1201), vectors)
    ids, found = catalog.vectors(range(1, 2000))
    np.testing.assert_allclose(found, vectors[ids - 1], atol=5e-4)
    assert catalog.vectors_after(1000, 50)[0].tolist() == list(range(1001, 1051))


def test_a_folder_without_an_index_names_the_command_that_makes_one(tmp_path):
    with pytest.raises(BadIndex, match="paddle-vlm index"):
        Catalog(tmp_path)


KILLED = """
import os, sys
from pathlib import Path
import numpy as np
from paddle_vlm.retrieval.catalog import Catalog
catalog = Catalog(Path(sys.argv[1]), write=True)
catalog._db.execute("PRAGMA cache_size = 10")  # so that pages reach the file before the transaction ends
with catalog.transaction():
    catalog.add_vectors(range(2, 3000), np.ones((2998, 500)))
    os.kill(os.getpid(), 9)
"""


def test_a_writer_killed_in_the_middle_of_a_transaction_leaves_the_last_whole_one(tmp_path):
    catalog = Catalog(tmp_path, write=True)
    with catalog.transaction():
        catalog.add_vectors([1], np.ones((1, 500)))
    catalog.close()
    size = (tmp_path / NAME).stat().st_size
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert (tmp_path / NAME).stat().st_size > size  # half of a transaction is in the file
    assert Catalog(tmp_path).vectors(range(5000))[0].tolist() == [1]


def test_a_first_run_that_was_killed_at_once_leaves_no_obstacle(tmp_path):
    (tmp_path / NAME).touch()
    with pytest.raises(BadIndex, match="没有索引"):
        Catalog(tmp_path)
    assert Catalog(tmp_path, write=True).count() == 0
    assert Catalog(tmp_path).count() == 0


@pytest.mark.parametrize("keep", [0.7, 0.2])
def test_a_truncated_file_is_refused_with_the_remedy(tmp_path, keep):
    catalog = Catalog(tmp_path, write=True)
    with catalog.transaction():
        catalog.add_vectors(range(1, 501), np.ones((500, 64)))
    catalog.close()
    os.truncate(tmp_path / NAME, int((tmp_path / NAME).stat().st_size * keep))
    with pytest.raises(BadIndex, match="--rebuild"):
        Catalog(tmp_path)


def test_a_file_that_is_no_database_and_one_of_another_format_are_refused(tmp_path):
    (tmp_path / NAME).write_bytes(b"hello" * 1000)
    with pytest.raises(BadIndex, match="--rebuild"):
        Catalog(tmp_path)
    (tmp_path / NAME).unlink()
    with sqlite3.connect(tmp_path / NAME) as other:
        other.execute("CREATE TABLE settings (a)")
    with pytest.raises(BadIndex, match="格式"):
        Catalog(tmp_path)


def test_a_full_disk_is_named_and_what_was_there_stays(tmp_path):
    catalog = Catalog(tmp_path, write=True)
    with catalog.transaction():
        catalog.add_vectors([1], np.ones((1, 8)))
    catalog._db.execute("PRAGMA max_page_count = 20")  # SQLite then answers as on a full disk
    with pytest.raises(OutputError, match="磁盘空间不足"), catalog.transaction():
        catalog.add_vectors(range(2, 500), np.ones((498, 1000)))
    assert catalog.vectors(range(500))[0].tolist() == [1]
