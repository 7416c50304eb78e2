"""CIFAR-10 in the official format and as class folders."""

import hashlib
import io
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from paddle_vlm.data import cifar10
from paddle_vlm.errors import BadData


@pytest.fixture
def official(tmp_path, monkeypatch) -> tuple[Path, np.ndarray]:
    """A small archive in the official format, taken for the real one, and the pictures in its test batch."""
    pixels = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
    rows = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)).reshape(4, -1)
    with tarfile.open(tmp_path / cifar10.ARCHIVE, "w:gz") as tar:
        for name in ("data_batch_1", "data_batch_2", "test_batch"):
            content = pickle.dumps({b"data": rows, b"labels": [3, 1, 0, 9]}, protocol=2)
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    digest = hashlib.md5((tmp_path / cifar10.ARCHIVE).read_bytes()).hexdigest()
    monkeypatch.setattr(cifar10, "MD5", digest)
    return tmp_path, pixels


def test_the_official_archive_is_read(official):
    folder, pixels = official
    test, train = cifar10.load("test", folder), cifar10.load("train", folder)
    assert np.array_equal(test.images, pixels)
    assert test.labels.tolist() == [3, 1, 0, 9]
    assert test.names[3] == "cat"
    assert len(train) == 8


def test_an_archive_that_is_not_the_official_one_is_never_unpickled(official):
    folder, _ = official
    with (folder / cifar10.ARCHIVE).open("ab") as file:
        file.write(b"\0")
    with pytest.raises(BadData, match="MD5.*下载不完整或被改动"):
        cifar10.load("test", folder)


def test_class_folders_serve_as_well(tmp_path):
    for name in cifar10.NAMES:
        (tmp_path / "train" / name).mkdir(parents=True)
        Image.new("RGB", (32, 32)).save(tmp_path / "train" / name / "0.png")
    assert cifar10.load("train", tmp_path).labels.tolist() == list(range(10))
    with pytest.raises(BadData, match="test.tar.gz 或 test/.*www.cs.toronto.edu"):
        cifar10.load("test", tmp_path)
    (tmp_path / "train" / "truck").rename(tmp_path / "train" / "zebra")
    with pytest.raises(BadData, match="不是 CIFAR-10 的十类"):
        cifar10.load("train", tmp_path)


def test_without_a_network_the_remedy_is_named(monkeypatch, tmp_path):
    from paddle.dataset import common

    monkeypatch.setattr(common, "DATA_HOME", str(tmp_path))
    monkeypatch.setattr(common, "download", lambda *_, **__: (_ for _ in ()).throw(RuntimeError("no network")))
    monkeypatch.setattr("paddle.vision.datasets.cifar._check_exists_and_download", common.download)
    with pytest.raises(BadData, match="无法取得 CIFAR-10:no network.*data.name=emoji"):
        cifar10.load("test")
