"""Folders and object stores by address; fsspec's own store in memory stands for the latter."""

import pickle
import uuid

import pytest

from paddle_vlm.deployment.storage import Place
from paddle_vlm.errors import OutputError, UsageError

pytest.importorskip("fsspec", reason='需要 pip install "paddle_vlm[scale]"')


@pytest.fixture(params=["folder", "memory"])
def place(request, tmp_path) -> Place:
    return Place(str(tmp_path / "here") if request.param == "folder" else f"memory://{uuid.uuid4().hex}")


def test_what_is_written_can_be_read_and_listed(place):
    place.write("b/照片.JPG", b"1")
    place.write("a.png", b"2")
    place.write("b/照片.JPG", b"3")
    place.write("b/notes.txt", b"4")
    place.write(".hidden/c.png", b"5")
    assert place.pictures() == ["a.png", "b/照片.JPG"]
    assert place.names("b") == ["b/notes.txt", "b/照片.JPG"]
    assert place.names("nowhere") == []
    found = place.read(["a.png", "b/照片.JPG", "gone.png"])
    assert (found["a.png"], found["b/照片.JPG"]) == (b"2", b"3")
    assert isinstance(found["gone.png"], FileNotFoundError)


def test_it_can_be_sent_to_another_process(tmp_path):
    place = Place(str(tmp_path))
    place.write("a.png", b"1")
    assert pickle.loads(pickle.dumps(place)).pictures() == ["a.png"]


def test_what_was_being_written_is_removed(place):
    place.write("a.png", b"1")
    place.write(".b.png.1a2b.partial", b"2")
    place.remove_partial(place.names())
    assert place.names() == ["a.png"]


def test_a_failed_write_leaves_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="无法写入"):
        Place(str(tmp_path)).write("file/a.png", b"1")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_unknown_kind_of_address_is_refused():
    with pytest.raises(UsageError, match="nosuch"):
        Place("nosuch://bucket/photos")


def test_a_place_knows_what_lies_in_it(tmp_path):
    photos = Place(str(tmp_path / "photos"))
    assert photos.holds(Place(str(tmp_path / "photos/"))) and photos.holds(Place(str(tmp_path / "photos" / "out")))
    assert not photos.holds(Place(str(tmp_path / "photos2"))) and not photos.holds(
        Place(f"memory://{tmp_path}/photos/x")
    )
