import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from paddle_vlm.errors import BadData
from paddle_vlm.retrieval.evaluation import cross_fitted_error, evaluate


class Oracle:
    """Knows each picture by its brightness and each text by the number in it; the second look corrects `mistaken`."""

    size, dim, looks_again = 8, 12, True

    def __init__(self, mistaken: int) -> None:
        self.mistaken = mistaken

    def look(self, images):
        numbers = [int(image[0, 0, 0]) // 20 for image in images]
        return np.eye(12, dtype=np.float32)[numbers], np.array(numbers, np.float32).reshape(-1, 1, 1)

    def look_twice(self, images):
        return tuple(np.stack([part, part]) for part in self.look(images))

    def encode_texts(self, texts):
        numbers = np.array([int(text.strip("图")) for text in texts])
        return (
            np.eye(12, dtype=np.float32)[numbers] * 0.5
            + np.eye(12)[(numbers + 1) % 12] * (numbers < self.mistaken)[:, None]
        )

    def rerank_grids(self, query, vectors, grids):
        return -np.abs(grids[:, :, 0, 0] - int(query.strip("图"))).mean(0)

    def calibrate(self, scores, reranked=False):
        return np.clip(scores, 0.01, 0.99)


@pytest.fixture
def pictures(tmp_path) -> Path:
    with tarfile.open(tmp_path / "val.tar", "w") as archive:
        for number in range(12):
            content = io.BytesIO()
            Image.fromarray(np.full((8, 8, 3), 20 * number, np.uint8)).save(content, "PNG")
            member = tarfile.TarInfo(f"{number}.png")
            member.size = len(content.getvalue())
            archive.addfile(member, io.BytesIO(content.getvalue()))
    rows = [
        {"image": f"{number}.png", "zh": [f"图{number}", f"{number}图"]} for number in (5, 3, 0, 1, 2, 4, *range(6, 12))
    ]
    (tmp_path / "val.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return tmp_path


def test_a_perfect_model_gets_full_marks(pictures):
    found = evaluate(Oracle(mistaken=0), pictures, "val")
    assert [found[key] for key in ("t2i_r1", "t2i_r5", "t2i_r10", "i2t_r1", "t2i_r1_reranked")] == [100.0] * 5
    assert found["ece"] < 0.05
    assert (found["photos"], found["captions"]) == (12, 24)


def test_the_second_look_corrects_the_first(pictures):
    found = evaluate(Oracle(mistaken=3), pictures, "val")
    assert found["t2i_r1"] == 75.0
    assert found["t2i_r5"] == 100.0
    assert found["t2i_r1_reranked"] == 100.0


def test_a_limit_takes_the_first_lines_and_the_second_look_can_be_left_out(pictures):
    found = evaluate(Oracle(mistaken=0), pictures, "val", limit=4, rerank=False)
    assert found["photos"] == 4
    assert "t2i_r1_reranked" not in found


def test_without_a_second_look_nothing_is_reranked(pictures):
    model = Oracle(mistaken=3)
    model.looks_again = False
    found = evaluate(model, pictures, "val")
    assert found["t2i_r1_reranked"] == found["t2i_r1"] == 75.0


def test_captions_of_a_kind_that_is_not_there_are_refused(pictures):
    with pytest.raises(BadData, match="zh_mt"):
        evaluate(Oracle(mistaken=0), pictures, "val", kind="zh_mt")


def test_probabilities_are_judged_on_rows_that_they_were_not_fitted_on():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(4000, 3))
    right = rng.random((4000, 3)) < 1 / (1 + np.exp(-2 * scores))
    even = np.arange(4000) % 2 == 0
    assert cross_fitted_error(scores, right, even) < 0.02
    scores[~even] += 3  # the halves are no longer alike, and that must show
    assert cross_fitted_error(scores, right, even) > 0.2
