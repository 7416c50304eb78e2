"""The translator learns from prepared lines, and what it leaves is what `--translator` opens."""

import lzma
import subprocess
import sys
from pathlib import Path

import pytest

from paddle_vlm.data.parallel import read_prepared
from paddle_vlm.models.pointer import PointerConfig
from paddle_vlm.text.pieces import train_pieces
from paddle_vlm.training.config import TrainConfig
from paddle_vlm.training.translate import Config, run
from paddle_vlm.translation.literal import more_hints
from paddle_vlm.translation.network import Network

COLOURS = {"红": "red", "绿": "green", "黑": "black", "白": "white"}
THINGS = {"苹果": "apple", "雨伞": "umbrella", "房子": "house", "汽车": "car"}
ROWS = [
    (f"{c}{t} ⇢ {en} | {thing}", f"this is a {en} {thing}") for c, en in COLOURS.items() for t, thing in THINGS.items()
]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    (folder / "train.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in ROWS * 4), encoding="utf-8")
    (folder / "valid.tsv").write_text("".join(f"{a}\t{b}\t{a}\n" for a, b in ROWS[:6]), encoding="utf-8")
    train_pieces([f"{a} {b}" for a, b in ROWS * 10], folder / "joint.model", 90)
    return folder


def test_it_learns_a_small_language_and_leaves_a_usable_model(prepared, tmp_path):
    train = TrainConfig(epochs=16, lr=5e-3, optimizer="adamw", monitor="bleu", eval_every=8, visualdl=False)
    model = PointerConfig(dim=32, heads=2, encoder=1, decoder=1, dropout=0.0)
    result = run(Config(data=prepared, model=model, tokens=400, train=train), tmp_path)
    assert result.best_metric > 60 and "bleu_ocr" in result.history[-1]
    network = Network(tmp_path / "model")
    assert network.write(["黑雨伞 ⇢ black | umbrella"])[0].text == "this is a black umbrella"

    again = Config(
        data=prepared, start=tmp_path / "model", tokens=400, train=TrainConfig(epochs=1, monitor="bleu", visualdl=False)
    )
    assert run(again, tmp_path / "more").best_metric > 60


def prepare(folder: Path, *options: str) -> list[tuple[str, ...]]:
    """The training lines that tools/prepare_translator.py writes."""
    rows = ["禁止吸烟\tNo smoking\t禁止吸姻", "小心地滑\tCaution: wet floor\t小心地滑", "坏行", "出口\tExit"] * 3
    (folder / "data.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    tool = Path(__file__).parents[2] / "tools/prepare_translator.py"
    subprocess.run(
        [sys.executable, str(tool), "--data", str(folder / "data.tsv"), "--valid", str(folder / "data.tsv"),
         "--out", str(folder / "out"), *options],
        check=True, capture_output=True,
    )  # fmt: skip
    return read_prepared(folder / "out/train.tsv")


def test_lines_are_prepared_with_the_words_of_the_other_lines(tmp_path):
    (tmp_path / "more.tsv").write_text("你好吗?\tHow are you?\n", encoding="utf-8")
    lines = prepare(tmp_path, "--more", str(tmp_path / "more.tsv"))
    assert {row[1] for row in lines} == {"No smoking", "Caution: wet floor", "Exit", "How are you?"}
    assert any(row[0].startswith("禁止吸姻 ⇢") for row in lines)
    out = tmp_path / "out"
    assert len(read_prepared(out / "valid.tsv")) == 6
    assert {"joint.model", "lexicon.tsv.gz", "seen_lines.bin"} <= {path.name for path in out.iterdir()}


def test_a_model_knows_the_hints_that_its_lines_were_prepared_with(tmp_path):
    (tmp_path / "more.tsv").write_text("红苹果\tRed apple\n", encoding="utf-8")
    lines = prepare(tmp_path, "--more", str(tmp_path / "more.tsv"), "--more-hints", "pinyin")
    assert ("红苹果 ⇢ red / Hong | apple / Pingguo", "Red apple") in lines
    train = TrainConfig(epochs=1, monitor="bleu", visualdl=False)
    model = PointerConfig(dim=32, heads=2, encoder=1, decoder=1)
    run(Config(data=tmp_path / "out", model=model, train=train), tmp_path / "run")
    assert more_hints(tmp_path / "run/model") == ["pinyin"]


def test_of_a_large_corpus_the_lines_like_the_others_that_their_senses_back_are_taken(tmp_path):
    more = ["禁止停车\tNo parking", "小心地雷\tI never liked him", "我们明天再说吧\tLet us talk about it tomorrow"]
    with lzma.open(tmp_path / "more.tsv.xz", "wt", encoding="utf-8") as file:
        file.write("\n".join(more) + "\n")
    lines = prepare(tmp_path, "--more", str(tmp_path / "more.tsv.xz"), "--closest", "2", "--backed", "0.4")
    assert {row[1] for row in lines} == {"No smoking", "Caution: wet floor", "Exit", "No parking"}
