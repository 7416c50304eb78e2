"""The commands with the model that the project ships, on drawings that it has seen in training."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from paddle_vlm.cli import main
from paddle_vlm.data.emoji import load_emoji

TOOL = Path(__file__).parents[2] / "tools/infer.py"


@pytest.fixture(scope="module")
def drawings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawings")
    found = load_emoji("openmoji", 128)
    wanted = {"红苹果", "狗", "房子", "雨伞", "足球", "火箭"}
    for name, image in zip((each.name_zh for each in found.emoji), found.images, strict=True):
        if name in wanted:
            Image.fromarray(image).save(folder / f"{name}.png")
    return folder


def test_a_sentence_finds_its_picture_and_labels_sort_pictures(drawings, tmp_path, capsys):
    index = str(tmp_path / "gallery")
    assert main(["index", str(drawings), "--index", index]) == 0
    for query in ("红苹果", "一把雨伞"):
        capsys.readouterr()
        assert main(["search", query, "--index", index, "-k", "3", "--json"]) == 0
        hits = json.loads(capsys.readouterr().out)["hits"]
        assert hits[0]["path"].endswith(f"{query[-2:]}.png")
    capsys.readouterr()
    assert main(["classify", str(drawings / "雨伞.png"), "--labels", "红苹果,雨伞", "-k", "1"]) == 0
    assert "雨伞" in capsys.readouterr().out


def test_standard_output_holds_the_record_alone(drawings, tmp_path):
    """Paddle Inference writes a line of its own there while it prepares some operators."""
    arguments = ["index", str(drawings), "--index", str(tmp_path / "gallery"), "--json"]
    done = subprocess.run([sys.executable, str(TOOL), *arguments], capture_output=True, check=True)
    assert json.loads(done.stdout)["added"] == 6
