"""Figures of translations against known answers."""

import gzip
import json

import pytest

from paddle_vlm.cli.evaluate import main
from paddle_vlm.errors import BadData
from paddle_vlm.translation import evaluation
from paddle_vlm.translation.translator import Translator


def write(path, rows):
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines("\t".join(row) + "\n" for row in rows)
    return path


def test_a_perfect_translation_scores_100_whatever_its_case():
    assert evaluation.scores(["no smoking in this area"], ["No Smoking in This Area"])[0] == pytest.approx(100)
    assert evaluation.scores(["quite another thing altogether here"], ["No Smoking in This Area"])[0] < 20


def test_lines_seen_in_training_are_told_from_new_ones(tmp_path):
    evaluation.save_seen(["禁止吸烟", "小心地滑"], tmp_path / "seen")
    rows = [["禁止吸烟", "No smoking", "禁止吸烟"], ["请勿拍照", "No photos", "请勿拍照"]]
    figures = evaluation.evaluate(Translator(), rows, tmp_path / "seen")
    assert figures["lines_unseen"] == 1 and {"bleu_ocr_unseen", "bleu_clean", "chrf_ocr"} <= figures.keys()


def test_the_command_writes_the_figures_and_reads_text_without_an_ocr_column(tmp_path):
    rows = [["禁止吸烟", "No smoking"], ["小心地滑", "Caution: wet floor"]]
    out = tmp_path / "out.json"
    assert main(["translate", "--data", str(write(tmp_path / "a.tsv.gz", rows)), "--json", str(out)]) == 0
    figures = json.loads(out.read_text(encoding="utf-8"))
    assert figures["lines"] == 2 and figures["bleu_clean"] > 20 and "bleu_ocr" not in figures
    assert figures["bleu_clean"] >= figures["bleu_clean_dictionary"]


@pytest.mark.parametrize("rows,named", [([["你好", "hello"], ["只有中文"]], "第 2 行"), ([], "第 1 行")])
def test_a_broken_row_is_named(tmp_path, rows, named):
    with pytest.raises(BadData, match=named):
        evaluation.read_pairs(write(tmp_path / "a.tsv.gz", rows))


def test_a_file_that_is_no_table_is_refused(tmp_path):
    (tmp_path / "a.tsv.gz").write_bytes(b"\x1f\x8b broken")
    with pytest.raises(BadData, match="无法读取"):
        evaluation.read_pairs(tmp_path / "a.tsv.gz")
