import resource
import signal

import pytest

from paddle_vlm.errors import BadIndex, OutputError
from paddle_vlm.serving.engine import Item
from paddle_vlm.serving.gallery import IndexHandler, SearchHandler
from paddle_vlm.serving.problems import problem_of

PIXELS = 1_000_000
OPTIONS = {"text": "红色", "k": 2, "min_probability": 0.0, "rerank": False}


@pytest.fixture
def gallery(tmp_path, colour_model):
    """The two handlers over one index, and what indexing told."""
    index, told = tmp_path / "index", []
    writer = IndexHandler(index, index / "pictures", "colours", colour_model, PIXELS)

    def add(*pictures):
        return writer.run([Item(list(pictures))], lambda number, event: told.append(event))[0]

    reader = SearchHandler(index, colour_model, PIXELS)

    def find(images=(), **options):
        return reader.run([Item(list(images), OPTIONS | options)], lambda number, event: None)[0]

    return add, find, told, index


def test_uploaded_pictures_are_found_by_text_and_by_picture_also_while_the_index_is_open(gallery, picture):
    add, find, told, index = gallery
    assert isinstance(find(), BadIndex)  # there is none yet
    red, blue = picture((220, 20, 30)), picture((20, 40, 220))
    first = add(red)
    assert first["added"] == 1 and find(k=5)["total"] == 1
    second = add(blue, b"no picture", red)
    assert second["added"] == 1 and second["total"] == 2
    assert "不是图片" in second["pictures"][1]["error"]["message"]
    assert second["pictures"][2] == first["pictures"][0]  # the same content, the same name, stored once
    found = find(text="蓝色")
    assert found["total"] == 2 and found["hits"][0]["name"] == second["pictures"][0]["name"]
    assert find(images=[red], text=None)["hits"][0]["name"] == first["pictures"][0]["name"]
    assert told[0] == {"stage": "stored", "done": 1, "total": 1}
    assert told[1] == {"stage": "indexed", "done": 1, "total": 1}


def test_answers_hold_no_paths_of_the_server(gallery, picture):
    add, find, _, index = gallery
    add(picture())
    assert str(index) not in str(find()) and "path" not in find()["hits"][0]


def test_a_disk_that_takes_no_more_is_a_507_and_the_index_lives_on(gallery, picture):
    add, find, _, index = gallery
    add(picture((220, 20, 30)))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))  # no file of this process may grow
    try:
        full = add(picture((20, 40, 220)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, old)
    assert isinstance(full, OutputError) and problem_of(full).status == 507 and "剩余空间" in str(full)
    assert find()["total"] == 1
    assert add(picture((20, 40, 220)))["total"] == 2


def test_without_an_index_folder_both_say_so(colour_model, picture):
    found = SearchHandler(None, colour_model, PIXELS).run([Item(options=OPTIONS)], lambda number, event: None)
    added = IndexHandler(None, None, "m", colour_model, PIXELS).run([Item([picture()])], lambda number, event: None)
    assert isinstance(found[0], BadIndex) and isinstance(added[0], BadIndex)
    assert problem_of(found[0]).status == 503
