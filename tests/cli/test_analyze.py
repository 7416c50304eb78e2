"""The analyze command: sources of text, forms of output, exit codes."""

import io
import json
import subprocess
import sys

import pytest

from paddle_vlm.cli import main


@pytest.fixture
def analyze(capsys, caplog):
    """The exit code, standard output, and what was logged or went to standard error."""

    def call(*arguments: str) -> tuple[int, str, str]:
        code = main(["analyze", *arguments])
        found = capsys.readouterr()
        return code, found.out, found.err + caplog.text

    return call


def test_one_text_gives_a_table(analyze):
    code, out, _ = analyze("张三在北京市工作", "--only", "words")
    assert code == 0
    assert out.splitlines()[0].startswith("词语") and "张三/人名" in out and "地名" in out


def test_json_is_a_line_a_text_empty_lines_included(analyze, tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("我爱北京\r\n\r\n今天天气真好\r\n".encode("gbk"))
    code, out, _ = analyze("-f", str(path), "--only", "words", "keywords", "--json")
    records = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [record["text"] for record in records] == ["我爱北京", "", "今天天气真好"]
    assert records[1]["words"] == []


def test_standard_input_is_read_line_by_line(analyze, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("我爱北京\n你好\n".encode())))
    code, out, _ = analyze("--only", "words", "--json")
    assert code == 0 and len(out.splitlines()) == 2


def test_a_whole_file_is_one_text_and_the_output_a_file(analyze, tmp_path):
    source, target = tmp_path / "a.txt", tmp_path / "out.jsonl"
    source.write_text("第一句话。\n第二句话。\n", encoding="utf-8")
    code, out, _ = analyze(
        "-f", str(source), "--whole", "--only", "summary", "--sentences", "1", "--json", "-o", str(target)
    )
    assert (code, out) == (0, "")
    (record,) = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
    assert len(record["summary"]) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "out.jsonl"]


def test_a_megabyte_in_one_line_is_analysed(analyze, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("今天天气真好" * 58_000, encoding="utf-8")
    code, out, _ = analyze("-f", str(path), "--only", "words", "--json")
    assert code == 0
    assert json.loads(out)["words"][-1]["end"] == 6 * 58_000


def test_one_bad_file_does_not_stop_the_others(analyze, tmp_path):
    good = tmp_path / "good.txt"
    good.write_text("你好\n", encoding="utf-8")
    code, out, err = analyze("-f", str(tmp_path / "没有.txt"), str(good), "--only", "words", "--json")
    assert code == 1
    assert "没有.txt" in err and json.loads(out)["text"] == "你好"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["  "], "文本是空的"),
        (["你好", "-f", "a.txt"], "不能同时给出"),
        (["你好", "--keywords", "0"], "至少为 1"),
        (["-f", "a.txt", "-o", "a.txt"], "覆盖输入"),
        (["你好", "--only", "word"], "--only"),
    ],
)
def test_wrong_usage_is_explained(analyze, arguments, message):
    code, _, err = analyze(*arguments)
    assert code == 2 and message in err


def test_broken_rows_of_a_user_dictionary_are_named(analyze, tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("好词 n\n坏 1 n 多余 列\n", encoding="utf-8")
    code, _, err = analyze("你好", "--words", str(path))
    assert code == 1 and "第 2 行" in err


def test_words_need_no_paddle():
    """Importing it would take most of the time of a short analysis."""
    program = (
        "import sys; from paddle_vlm.cli import main; main(['analyze', '我爱北京', '--only', 'words', 'keywords'])\n"
        "sys.exit('paddle' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True).returncode == 0
