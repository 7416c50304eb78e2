"""The manifest of an exported folder: there and back, and what is said when something is wrong."""

import dataclasses
import hashlib
import json

import pytest

from paddle_vlm.deployment.manifest import FILE, Manifest, Port, ProgramEntry
from paddle_vlm.errors import MissingWeights

CONTENT = b"weights"


@pytest.fixture
def folder(tmp_path):
    """An export of one program, as far as the manifest knows."""
    (tmp_path / "net").mkdir()
    for name in ("inference.json", "inference.pdiparams"):
        (tmp_path / "net" / name).write_bytes(CONTENT)
    return tmp_path


def manifest(**changes) -> Manifest:
    entry = ProgramEntry([Port("words", "int64", [None, 5])], [Port("scores", "float32", [None, 2])], False, 1e-6, 1e-6)
    checksum = hashlib.sha256(CONTENT).hexdigest()
    files = {f"net/{name}": checksum for name in ("inference.json", "inference.pdiparams")}
    made = Manifest("text_classify", "int8", {"net": entry}, {"longest": 5}, "0f", "0.1.0", "3.2.2", files, {"x": [1]})
    return dataclasses.replace(made, **changes)


def test_it_comes_back_as_it_was_written_and_fits_its_files(folder):
    manifest().save(folder)
    again = Manifest.load(folder)
    assert again == manifest()
    again.verify(folder)


def test_a_changed_file_is_named(folder):
    (folder / "net" / "inference.pdiparams").write_bytes(b"other")
    with pytest.raises(MissingWeights, match=r"inference\.pdiparams 与清单不符"):
        manifest().verify(folder)


def test_a_missing_file_is_named(folder):
    (folder / "net" / "inference.json").unlink()
    with pytest.raises(MissingWeights, match=r"缺少 net/inference\.json"):
        manifest().verify(folder)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd"])
def test_files_outside_the_folder_are_not_touched(folder, name):
    with pytest.raises(MissingWeights, match="文件夹之外"):
        manifest(files={name: "0"}).verify(folder)


def test_a_program_whose_files_are_not_listed_is_refused(folder):
    files = {name: checksum for name, checksum in manifest().files.items() if name.endswith("json")}
    with pytest.raises(MissingWeights, match=r"没有列出 net/inference\.pdiparams"):
        manifest(files=files).verify(folder)


@pytest.mark.parametrize("key", ["task", "programs", "files"])
def test_a_missing_key_is_named(folder, key):
    manifest().save(folder)
    values = json.loads((folder / FILE).read_text(encoding="utf-8"))
    del values[key]
    (folder / FILE).write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(MissingWeights, match=f"缺少必需的设置.*{key}"):
        Manifest.load(folder)


@pytest.mark.parametrize("content", ["{", "[]", '{"model": "of another program"}', '{"format": 2}'])
def test_a_foreign_manifest_is_refused(folder, content):
    (folder / FILE).write_text(content, encoding="utf-8")
    with pytest.raises(MissingWeights, match=r"deploy/export\.py"):
        Manifest.load(folder)


def test_a_folder_without_one_is_no_export(tmp_path):
    with pytest.raises(MissingWeights, match=r"不是导出的模型"):
        Manifest.load(tmp_path)
