"""`paddle-vlm export`, and the scripts in deploy/ that belong to it."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

from paddle_vlm.cli import main
from paddle_vlm.deployment.build import read_config
from paddle_vlm.deployment.exports import EXPORTS

ROOT = Path(__file__).resolve().parents[2]


def test_what_was_written_and_what_it_costs_is_shown(tmp_path, capsys):
    out = tmp_path / "topic"
    assert main(["export", "-c", f"{ROOT}/configs/export/topic.yaml", "--out", str(out), "--precision", "int8"]) == 0
    shown = capsys.readouterr().out
    assert "text_classify,int8" in shown and "classify(words)" in shown
    found = re.search(r"体积为 fp32 的 (\d+)%", shown)
    assert found and 25 <= int(found[1]) < 40
    assert json.loads((out / "manifest.json").read_text(encoding="utf-8"))["precision"] == "int8"


@pytest.mark.parametrize(
    "options,code,message",
    [
        (["-c", "no.yaml"], 1, "找不到配置文件"),
        (["-c", f"{ROOT}/configs/export/classifier.yaml", "--weights", "no/where"], 1, "不存在"),
        (["-c", f"{ROOT}/configs/export/topic.yaml", "-o", "part=[x]"], 1, "是否想写 parts"),
        (["-c", f"{ROOT}/configs/export/topic.yaml", "--precision", "fp8"], 2, "--precision 不能是"),
    ],
)
def test_a_mistake_is_explained(tmp_path, capsys, caplog, options, code, message):
    assert main(["export", *options, "--out", str(tmp_path / "out")]) == code
    assert message in caplog.text + capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def script(name: str):
    spec = importlib.util.spec_from_file_location(name, ROOT / "deploy" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_of_machines_follows_from_the_rate():
    found = script("scale_table").rows({"embed": 10.0}, core_hour=0.5, efficiency=0.5, days=2.0)
    # 1e8 pictures at 5 a second: 2e7 s = 5,556 core-hours; in 48 hours 116 cores
    assert found[1] == ["求向量(建索引)", "1 亿", "5,556", "2,778", "116", "4"]


def test_replicas_get_their_share_of_the_machine():
    pytest.importorskip("ray", reason='需要 pip install "paddle_vlm[serve,scale]"')
    pytest.importorskip("fastapi", reason='需要 pip install "paddle_vlm[serve,scale]"')
    from paddle_vlm.serving.settings import ServeSettings

    deployment = script("ray_serve").application(ServeSettings(), 1, 5, 4.0, 3)._bound_deployment
    options = deployment.ray_actor_options
    assert options["num_cpus"] == 3 and options["runtime_env"]["env_vars"]["PADDLE_VLM_CORES"] == "3"
    scaling = deployment._deployment_config.autoscaling_config
    assert (scaling.min_replicas, scaling.max_replicas, scaling.target_ongoing_requests) == (1, 5, 4.0)


@pytest.mark.parametrize("file", sorted((ROOT / "configs/export").glob("*.yaml")), ids=lambda file: file.stem)
def test_every_export_config_is_valid(file):
    assert read_config(file).task in EXPORTS
