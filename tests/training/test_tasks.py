"""From a YAML file to a task."""

import pytest

from paddle_vlm.errors import BadConfig
from paddle_vlm.training.tasks import TASKS, load_task


def written(tmp_path, text: str):
    (tmp_path / "c.yaml").write_text(text, encoding="utf-8")
    return tmp_path / "c.yaml"


def test_the_file_names_the_task_and_overrides_change_it(tmp_path):
    file = written(tmp_path, "task: classify\ntrain: {epochs: 7}")
    module, config = load_task(file, ["train.lr=0.1", "crossval.folds=5"])
    assert module.__name__ == TASKS["classify"]
    assert (config.train.epochs, config.train.lr, config.crossval.folds) == (7, 0.1, 5)


@pytest.mark.parametrize(("text", "message"), [
    ("train: {}", "没有写明任务"), ("task: clasify", "是否想写 classify"), ("task: [", "YAML 语法错误"),
    ("task: classify\ntrain: {epochz: 3}", "第 2 行:不认识的设置 train.epochz。是否想写 epochs"),
    ("task: classify\ndata: {name: folder}", "data.folder"),
])  # fmt: skip
def test_what_is_wrong_with_a_file_is_named(tmp_path, text, message):
    with pytest.raises(BadConfig, match=message):
        load_task(written(tmp_path, text))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(BadConfig, match="找不到配置文件"):
        load_task(tmp_path / "none.yaml")


@pytest.mark.parametrize("name", TASKS)
def test_every_task_has_a_config_with_training_settings_and_a_run(name):
    import importlib

    module = importlib.import_module(TASKS[name])
    assert callable(module.run)
    assert module.Config.__dataclass_fields__["train"]
