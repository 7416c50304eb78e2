"""Writing an exported folder: precisions, configuration, and that it is whole or not there."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from paddle_vlm.deployment import build
from paddle_vlm.deployment.build import ExportConfig, export_model, read_config
from paddle_vlm.deployment.loaded import load_exported
from paddle_vlm.deployment.manifest import FILE
from paddle_vlm.errors import BadConfig, BadData, MissingDependency, MissingWeights, OutputError, UsageError
from paddle_vlm.text.classify import Classifier
from paddle_vlm.weights import fetch

CONFIGS = Path(__file__).parents[2] / "configs" / "export"
REVIEWS = ["房间很干净,服务也好,下次还来", "质量太差了,用了两天就坏了", "非常满意,推荐购买", "味道难吃,再也不买了"]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The shipped sentiment model in each precision."""
    root = tmp_path_factory.mktemp("exported")
    return {name: _export(root / name, precision=name) for name in ("fp32", "fp16", "int8")}


def _export(out, **options):
    return out, export_model(ExportConfig("text_classify", "sentiment", **options), out)


def _labels(folder) -> list[str]:
    classifier = Classifier.load("sentiment")
    words = [classifier.tokenizer.encode(text, 60) for text in REVIEWS]
    width = max(map(len, words))
    rows = np.array([row + [0] * (width - len(row)) for row in words])
    found = load_exported(folder, "cpu")["classify"].run(words=rows)["probabilities"]
    return [classifier.settings.labels[number] for number in found.argmax(-1)]


def test_smaller_precisions_take_less_room_and_keep_the_answers(exported):
    sizes = {
        name: (folder / "classify" / "inference.pdiparams").stat().st_size for name, (folder, _) in exported.items()
    }
    assert sizes["fp16"] < 0.55 * sizes["fp32"] and sizes["int8"] < 0.3 * sizes["fp32"]
    wanted = [found.label for found in Classifier.load("sentiment").classify(REVIEWS)]
    assert all(_labels(folder) == wanted for folder, _ in exported.values())


def test_the_manifest_tells_what_a_precision_costs(exported):
    errors = {name: manifest.programs["classify"].error for name, (_, manifest) in exported.items()}
    assert errors["fp32"] < 1e-5
    assert errors["fp16"] < 1e-5  # the shipped weights are fp16
    assert 1e-5 < errors["int8"] < 0.05
    cost = exported["int8"][1].cost["programs"]["classify"]
    assert cost["size_ratio"] < 0.4 and cost["time_ratio"] > 0
    assert exported["fp32"][1].cost == {}


def test_with_data_the_accuracy_of_both_precisions_is_measured(tmp_path):
    rows = [f"{text}\t{label}\n" for text, label in zip(REVIEWS * 5, ["正面", "负面"] * 10, strict=True)]
    (tmp_path / "reviews.tsv").write_text("".join(rows), encoding="utf-8")
    _, manifest = _export(tmp_path / "out", precision="int8", data=tmp_path / "reviews.tsv")
    assert manifest.cost["scores"] == {"fp32": {"准确率": 100.0}, "int8": {"准确率": 100.0}}
    assert manifest.cost["data"] == "reviews.tsv"


def test_foreign_labels_are_refused_and_nothing_is_written(tmp_path):
    (tmp_path / "reviews.tsv").write_text("很好\t体育\n", encoding="utf-8")
    with pytest.raises(BadData, match="体育"):
        _export(tmp_path / "out", precision="int8", data=tmp_path / "reviews.tsv")
    assert [path.name for path in tmp_path.iterdir()] == ["reviews.tsv"]


def test_a_task_without_figures_says_so(tmp_path):
    with pytest.raises(UsageError, match="没有按数据集计算的指标"):
        export_model(ExportConfig("tagging", "lac_small", data=tmp_path), tmp_path / "out")


def test_programs_that_share_weights_are_all_compressed(tmp_path):
    manifest = export_model(ExportConfig("translate", "translator", precision="int8"), tmp_path / "out")
    assert all(cost["size_ratio"] < 0.4 for cost in manifest.cost["programs"].values())
    assert all(entry.parity < build.PARITY < entry.error for entry in manifest.programs.values())


def test_the_vocabulary_goes_along(exported):
    folder, manifest = exported["fp32"]
    assert json.loads((folder / "config.json").read_text(encoding="utf-8"))["labels"] == ["正面", "负面"]
    assert "config.json" in manifest.files and len(manifest.vocabulary) == 64


def test_an_earlier_export_is_replaced(exported, tmp_path):
    shutil.copytree(exported["fp32"][0], tmp_path / "out")
    (tmp_path / "out" / "left over").touch()
    _export(tmp_path / "out", precision="fp16")
    assert load_exported(tmp_path / "out", "cpu").manifest.precision == "fp16"
    assert not (tmp_path / "out" / "left over").exists()


def test_a_folder_of_the_user_is_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="不是先前的导出"):
        _export(tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_program_that_computes_something_else_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "PARITY", -1.0)
    with pytest.raises(OutputError, match="与网络相差"):
        _export(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_one_program_of_several_can_be_had(tmp_path):
    manifest = export_model(ExportConfig("search", "search", parts=["text"]), tmp_path / "out")
    assert list(manifest.programs) == ["text"]
    with pytest.raises(BadConfig, match="image、text、fusion"):
        export_model(ExportConfig("search", "search", parts=["picture"]), tmp_path / "out")


def test_missing_weights_are_asked_for(tmp_path):
    with pytest.raises(UsageError, match="--weights"):
        export_model(ExportConfig("classify"), tmp_path / "out")
    with pytest.raises(MissingWeights):
        export_model(ExportConfig("classify", str(tmp_path / "nowhere")), tmp_path / "out")


def test_an_unknown_task_is_answered_with_the_nearest(tmp_path):
    (tmp_path / "x.yaml").write_text("task: text_clasify\n")
    with pytest.raises(BadConfig, match="是否想写 text_classify"):
        read_config(tmp_path / "x.yaml")


def test_the_yaml_file_of_a_training_names_the_task(tmp_path):
    (tmp_path / "train.yaml").write_text("task: classify\ndata: {name: emoji}\ntrain: {epochs: 3}\n")
    config = read_config(tmp_path / "train.yaml", ["precision=int8"])
    assert (config.task, config.precision, config.weights) == ("classify", "int8", None)
    (tmp_path / "train.yaml").write_text("task: classify\ndata: {name: emoji}\ntrain: {epoch: 3}\n")
    with pytest.raises(BadConfig, match=r"train\.epoch"):
        read_config(tmp_path / "train.yaml")


def test_engines_need_every_input_and_a_card(tmp_path):
    shapes = [[1, 64], [8, 64], [32, 64]]
    with pytest.raises(BadConfig, match="words"):
        _export(tmp_path / "out", tensorrt={"classify.letters": shapes})
    try:
        import paddle.tensorrt  # noqa: F401
    except ImportError:
        with pytest.raises(MissingDependency, match="tensorrt"):
            _export(tmp_path / "out", tensorrt={"classify.words": shapes})
    assert not (tmp_path / "out").exists()


def test_the_shipped_configurations_can_be_read():
    for name in ("classifier", "sentiment", "topic", "tagger", "translator", "search", "search_gpu"):
        config = read_config(CONFIGS / f"{name}.yaml")
        assert fetch(config.weights).exists()


def test_every_file_is_in_the_manifest(exported):
    folder, manifest = exported["int8"]
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert there == {*manifest.files, FILE}
