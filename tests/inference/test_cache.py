"""Exports that are made once and kept."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from paddle_vlm.inference.cache import exported


@pytest.fixture
def weights(tmp_path, monkeypatch):
    monkeypatch.setenv("PADDLE_VLM_HOME", str(tmp_path / "home"))
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"1")
    return folder


class Maker:
    """Writes one file and counts how often it is asked to."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, folder) -> None:
        self.calls += 1
        folder.mkdir(exist_ok=True)
        (folder / "program").write_text("x", encoding="utf-8")


def test_it_is_made_once_and_anew_for_other_weights(weights):
    make = Maker()
    first = exported(weights, "net", make)
    assert exported(weights, "net", make) == first and make.calls == 1
    assert (first / "program").exists()
    (weights / "model.safetensors").write_bytes(b"2")
    assert exported(weights, "net", make) != first and make.calls == 2


def test_an_interrupted_export_is_made_again(weights):
    def fail(folder):
        folder.mkdir()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        exported(weights, "net", fail)
    make = Maker()
    assert (exported(weights, "net", make) / "program").exists() and make.calls == 1


def test_several_callers_make_it_once(weights):
    make = Maker()
    with ThreadPoolExecutor(4) as pool:
        folders = set(pool.map(lambda _: exported(weights, "net", make), range(8)))
    assert len(folders) == 1 and make.calls == 1


def test_a_cache_that_cannot_be_written_is_done_without(weights, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PADDLE_VLM_HOME", str(tmp_path / "file"))
    assert (exported(weights, "net", Maker()) / "program").exists()
