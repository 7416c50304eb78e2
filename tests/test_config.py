"""YAML and overrides become checked dataclasses."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from paddle_vlm.config import load_config
from paddle_vlm.errors import BadConfig


@dataclass
class Train:
    epochs: int = 10
    rate: float = 1e-3
    optimizer: Literal["sgd", "adam"] = "adam"
    early_stop: int | None = None

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise ValueError("epochs 至少为 1")


@dataclass
class Config:
    name: str
    data: Path = Path("data")
    shuffle: bool = True
    size: tuple[int, int] = (32, 32)
    folds: list[float] = field(default_factory=list)
    weights: dict[str, float] = field(default_factory=dict)
    train: Train = field(default_factory=Train)


def write(folder: Path, text: str) -> Path:
    file = folder / "c.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_file_holds_only_what_differs_and_values_get_the_fields_types(tmp_path):
    text = "name: 小猫\ndata: 图片/cifar\nsize: [64, 48]\nfolds: [1, 0.5]\nweights: {a: 1}\ntrain: {rate: 1e-4}\n"
    config = load_config(Config, write(tmp_path, text))
    assert config == Config("小猫", Path("图片/cifar"), True, (64, 48), [1.0, 0.5], {"a": 1.0}, Train(rate=1e-4))
    assert isinstance(config.folds[0], float)


def test_overrides_win_over_the_file_and_may_set_a_whole_group(tmp_path):
    file = write(tmp_path, "name: a\ntrain: {epochs: 3}\n")
    config = load_config(Config, file, ["train.epochs=5", "train.early_stop=2", "shuffle=false", "name=2024"])
    assert (config.train.epochs, config.train.early_stop, config.shuffle, config.name) == (5, 2, False, "2024")
    assert load_config(Config, file, ["train={rate: 2}", "train.early_stop=null"]).train == Train(rate=2.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: a\ntrain:\n  epoch: 3\n", r"c\.yaml 第 3 行.*train\.epoch.*是否想写 epochs"),
        ("name: a\nzzzzzz: 3\n", r"c\.yaml 第 2 行.*zzzzzz.*可用的键.*shuffle"),
        ("name: a\ntrain:\n  epochs: many\n", r"c\.yaml 第 3 行.*train\.epochs 应是整数.*many"),
        ("name: a\ntrain: {epochs: 2.5}\n", "应是整数"),
        ("name: a\nshuffle: 1\n", "true 或 false"),
        ("name: a\nsize: [1, 2, 3]\n", "应有 2 项,给了 3 项"),
        ("name: a\nsize: 3\n", "应是一个列表"),
        ("name: a\ntrain: 3\n", "应是一组"),
        ("name: a\ntrain: {optimizer: adamm}\n", "不能是 'adamm'.*sgd、adam"),
        ("name: a\ntrain:\n  epochs: 0\n", r"c\.yaml 第 2 行.*epochs 至少为 1"),
        ("name: a\nname: b\n", r"第 2 行:name 重复.*第 1 行"),
        ("shuffle: true\n", "缺少必需的设置 name"),
        ("name: yes\n", "必要时加引号"),
        ("name: [a\n", r"c\.yaml 第 \d 行:YAML 语法错误"),
        ("- a\n", "最外层应是"),
    ],
)
def test_a_wrong_file_is_named_with_line_cause_and_remedy(tmp_path, text, message):
    with pytest.raises(BadConfig, match=message):
        load_config(Config, write(tmp_path, text))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.epochs", "键=值"),
        ("=3", "键=值"),
        ("train.epoch=3", r"-o train\.epoch=3.*是否想写 epochs"),
        ("train.epochs=x", r"-o train\.epochs=x.*整数"),
        ("name=[a", "YAML"),
    ],
)
def test_a_wrong_override_is_named(override, message):
    with pytest.raises(BadConfig, match=message):
        load_config(Config, None, ["name=a", override])


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(BadConfig, match="找不到配置文件"):
        load_config(Config, tmp_path / "none.yaml")
    (tmp_path / "gbk.yaml").write_bytes("name: 中文的配置".encode("gbk"))
    with pytest.raises(BadConfig, match="UTF-8"):
        load_config(Config, tmp_path / "gbk.yaml")
