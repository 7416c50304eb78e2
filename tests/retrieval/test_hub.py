import pytest

from paddle_vlm.errors import MissingWeights
from paddle_vlm.retrieval import hub


def test_only_an_owner_and_a_name_that_are_no_path_belong_to_the_hub(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs/gru").mkdir(parents=True)
    assert hub.is_hub_name("OFA-Sys/chinese-clip-vit-base-patch16")
    for name in ("runs/gru", "search", "./a/b", "/models/clip", "a/b/c", tmp_path):
        assert not hub.is_hub_name(name)


def test_offline_the_remedy_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PADDLE_VLM_HOME", str(tmp_path))
    monkeypatch.setenv("PADDLE_VLM_OFFLINE", "1")
    with pytest.raises(MissingWeights, match=r"OFA-Sys/none.*PADDLE_VLM_OFFLINE.*--model"):
        hub.download("OFA-Sys/none")


def test_what_was_downloaded_before_needs_no_network(tmp_path, monkeypatch):
    monkeypatch.setenv("PADDLE_VLM_HOME", str(tmp_path))
    monkeypatch.setenv("PADDLE_VLM_OFFLINE", "1")
    folder = tmp_path / "hub/OFA-Sys--small"
    folder.mkdir(parents=True)
    (folder / "complete").touch()
    assert hub.download("OFA-Sys/small") == folder
