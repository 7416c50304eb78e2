"""Class folders and archives of them, with all that users put there."""

import logging
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from paddle_vlm.data.images import LabelledImages, fit_square, load_images, load_split, split_off
from paddle_vlm.errors import BadData


def picture(path: Path, colour=(200, 30, 30), size=(8, 8), mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path)


@pytest.fixture
def folder(tmp_path) -> Path:
    for number in range(3):
        picture(tmp_path / f"set/苹果/{number}.png")
        picture(tmp_path / f"set/天空/{number}.png", (20, 40, 220))
    return tmp_path / "set"


def test_the_folders_names_are_the_classes(folder):
    data = load_images(folder)
    assert data.names == sorted(["天空", "苹果"])
    assert data.images.shape == (6, 8, 8, 3)
    red = data.images[:, 0, 0, 0] > 100
    assert [data.names[label] for label in data.labels[red]] == ["苹果"] * 3


def test_an_archive_of_the_folder_is_the_same(folder, tmp_path):
    with tarfile.open(tmp_path / "test.tar.gz", "w:gz") as tar:
        tar.add(folder, arcname="some/prefix")
    found, wanted = load_split(tmp_path, "test"), load_images(folder)
    assert found.names == wanted.names
    assert np.array_equal(found.images, wanted.images)
    assert np.array_equal(found.labels, wanted.labels)
    assert load_split(tmp_path, "train") is None
    (tmp_path / "alone").mkdir()
    (tmp_path / "test.tar.gz").rename(tmp_path / "alone" / "any.tar.gz")
    assert np.array_equal(load_images(tmp_path / "alone").images, wanted.images)


def test_grey_transparent_and_turned_pictures_become_upright_rgb(folder):
    picture(folder / "苹果/grey.png", 90, mode="L")
    picture(folder / "苹果/clear.png", (10, 200, 10, 0), mode="RGBA")
    turned = Image.new("RGB", (8, 8), (255, 255, 255))
    turned.paste((0, 0, 0), (0, 0, 8, 4))
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    turned.save(folder / "苹果/turned.jpg", exif=exif, quality=95)
    data = load_images(folder)
    assert len(data) == 9 and data.images.shape[-1] == 3
    assert any((image == 90).all() for image in data.images)
    assert any(image[:3].min() > 200 and image[5:].max() < 50 for image in data.images)


def test_unreadable_pictures_are_listed_and_skipped(folder, caplog):
    (folder / "苹果/broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    (folder / "苹果/empty.png").write_bytes(b"")
    (folder / "苹果/notes.txt").write_text("not a picture")
    (folder / ".hidden").mkdir()
    with caplog.at_level(logging.WARNING):
        data = load_images(folder)
    assert len(data) == 6
    assert len(data.skipped) == 2
    assert "broken.jpg" in caplog.text and "empty.png" in caplog.text


def test_pictures_of_any_size_are_cut_to_the_middle_square(folder):
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 10:20] = 255
    Image.fromarray(wide).save(folder / "天空/wide.png")
    assert load_images(folder, 10).images[-7:].shape == (7, 10, 10, 3)
    assert (fit_square(wide, 10) == 255).all()
    with pytest.raises(BadData, match="data.size"):
        load_images(folder)


@pytest.mark.parametrize(("name", "message"), [
    ("nowhere", "它不存在"), ("file.txt", "不是文件夹,也不是 .tar.gz"), ("empty", "没有按类存放的图片"),
    ("broken.tar.gz", "压缩包不完整或已损坏"),
])  # fmt: skip
def test_what_is_no_data_set_is_explained(tmp_path, name, message):
    (tmp_path / "empty").mkdir()
    for file in ("file.txt", "broken.tar.gz"):
        (tmp_path / file).write_bytes(b"x" * 2000)
    with pytest.raises(BadData, match=message):
        load_images(tmp_path / name)


def test_a_cut_archive_is_refused_whole(folder, tmp_path):
    for number in range(40):
        Image.fromarray(np.random.default_rng(number).integers(0, 255, (8, 8, 3), np.uint8)).save(
            folder / f"苹果/noise{number}.png"
        )
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as tar:
        tar.add(folder, arcname=".")
    (tmp_path / "a.tar.gz").write_bytes((tmp_path / "a.tar.gz").read_bytes()[:3000])
    with pytest.raises(BadData, match="压缩包不完整"):
        load_images(tmp_path / "a.tar.gz")


def test_a_class_without_a_readable_picture_is_named(folder):
    (folder / "轮船").mkdir()
    (folder / "轮船/a.jpg").write_bytes(b"no")
    with pytest.raises(BadData, match="类别 轮船 没有一张可读的图片"):
        load_images(folder)


@pytest.mark.parametrize("wrong", [2, -1])
def test_a_label_out_of_range_is_named(wrong):
    with pytest.raises(BadData, match=f"第 1 张图片的标签是 {wrong},超出 0 到 1"):
        LabelledImages(np.zeros((3, 2, 2, 3), np.uint8), np.array([0, wrong, 1]), ["a", "b"])


def test_splitting_takes_the_share_of_each_class_and_keeps_what_was_skipped():
    labels = np.repeat([0, 1], [20, 2])
    images = np.arange(22, dtype=np.uint8).reshape(-1, 1, 1, 1)
    rest, held = split_off(LabelledImages(images, labels, ["a", "b"], ["坏图"]), 0.1, seed=0)
    assert np.bincount(held.labels).tolist() == [2, 1]
    assert sorted([*rest.images.ravel(), *held.images.ravel()]) == list(range(22))
    assert rest.skipped == ["坏图"]


def test_a_class_with_one_picture_is_explained():
    data = LabelledImages(np.zeros((3, 2, 2, 3), np.uint8), np.array([0, 0, 1]), ["猫", "狗"])
    with pytest.raises(BadData, match="类别 狗 只有 1 张图片"):
        split_off(data, 0.1, seed=0)
