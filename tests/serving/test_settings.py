import pytest

from paddle_vlm.config import load_config
from paddle_vlm.errors import BadConfig
from paddle_vlm.serving.settings import Batching, ServeSettings


def test_a_queue_that_is_set_leaves_the_other_tasks_as_they_are(tmp_path):
    file = tmp_path / "serve.yaml"
    file.write_text("port: 9000\nbatching: {classify: {max_batch: 8, queue: 4}}\nindex: gallery\n")
    settings = load_config(ServeSettings, file, ["limits.body_mb=3"])
    assert settings.batching["classify"] == Batching(8, 2.0, 4)
    assert settings.batching["embed"] == ServeSettings().batching["embed"]
    assert settings.port == 9000 and settings.limits.body_mb == 3 and settings.limits.pictures == 32
    assert settings.pictures == settings.index / "pictures"


@pytest.mark.parametrize("wrong", ["tasks=[nosuch]", "workers=0", "batching.classify.queue=0", "batching={paint: {}}"])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(BadConfig):
        load_config(ServeSettings, None, [wrong])


def test_the_shipped_configurations_are_valid():
    for name in ("default", "public"):
        assert load_config(ServeSettings, f"configs/serve/{name}.yaml").tasks


def test_keys_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("PADDLE_VLM_API_KEY", "kouling")
    assert ServeSettings().api_key == "kouling" and ServeSettings(api_key="other").api_key == "other"
