import json

import pytest

from paddle_vlm.errors import OutputError
from paddle_vlm.files import write_json, write_whole


def test_a_file_is_replaced_and_its_folder_made(tmp_path):
    path = tmp_path / "new" / "a.json"
    write_json(path, {"名": 1})
    write_json(path, {"名": 2})
    assert json.loads(path.read_text(encoding="utf-8")) == {"名": 2}
    assert [file.name for file in path.parent.iterdir()] == ["a.json"]


def test_a_missing_folder_is_named_where_it_is_not_to_be_made(tmp_path):
    with pytest.raises(OutputError, match="a.bin"):
        write_whole(tmp_path / "new" / "a.bin", b"1", parents=False)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_nothing_behind(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(OutputError):
        write_whole(tmp_path / "taken", b"1")
    assert [file.name for file in tmp_path.iterdir()] == ["taken"]
