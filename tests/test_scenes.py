"""The generator of the benchmark's scenes."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "benchmarks" / "scenes.py"


def generate(folder, *arguments):
    subprocess.run([sys.executable, SCRIPT, "--out", folder, "--size", "640x480", *arguments], check=True)
    return json.loads((folder / "lines.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    return folder, generate(folder, "--count", "14")


def test_every_scene_has_a_picture_and_its_text(scenes):
    folder, records = scenes
    rows = [row.split("\t") for row in (folder / "gt.tsv").read_text(encoding="utf-8").splitlines()]
    assert len(rows) == len(records) == 14
    for name, text in rows:
        assert cv2.imread(str(folder / name)).shape == (480, 640, 3)
        assert text.split("|") == [line["text"] for line in records[name]]


def test_text_is_seen_where_the_polygons_are(scenes):
    folder, records = scenes
    for name, lines in records.items():
        grey = cv2.imread(str(folder / name), cv2.IMREAD_GRAYSCALE)
        for line in lines:
            polygon = np.array(line["polygon"], np.float32)
            assert (polygon >= -1).all() and (polygon <= (640, 480)).all()
            inside = np.zeros_like(grey)
            cv2.fillConvexPoly(inside, polygon.round().astype(int), 1)
            assert np.ptp(grey[inside > 0].astype(int)) > 50


def test_scenes_are_of_many_kinds(scenes):
    lines = [line for record in scenes[1].values() for line in record]
    tilts = [np.degrees(np.arctan2(*(np.subtract(p[1], p[0])[::-1]))) for p in (line["polygon"] for line in lines)]
    assert {line["orientation"] for line in lines} == {"horizontal", "vertical"}
    assert any(line["outline_color"] for line in lines) and any(line["bold"] for line in lines)
    assert any(5 < abs(tilt) < 40 for tilt in tilts) and any(abs(tilt) > 85 for tilt in tilts)


def test_the_same_seed_draws_the_same_scene(scenes, tmp_path):
    folder, records = scenes
    again = generate(tmp_path, "--count", "2", "--first", "5")
    for name, lines in again.items():
        assert lines == records[name]
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_scenes_of_exactly_so_many_lines(tmp_path):
    records = generate(tmp_path, "--count", "4", "--lines", "10")
    assert [len(lines) for lines in records.values()] == [10, 10, 10, 10]
