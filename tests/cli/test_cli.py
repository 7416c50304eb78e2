"""The command line as a user meets it."""

import subprocess
import sys
from pathlib import Path

import pytest

import paddle_vlm
from paddle_vlm import cli
from paddle_vlm.cli import main
from paddle_vlm.errors import MissingWeights, UsageError

ROOT = Path(__file__).resolve().parents[2]


def test_help_lists_the_commands_in_chinese_and_loads_nothing_heavy():
    code = (
        "import sys; from paddle_vlm.cli import main; main(['--help'])\n"
        "print(sorted({'paddle', 'cv2', 'numpy'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "用法:" in shown
    assert all(name in shown for name in cli.COMMANDS)
    assert "usage" not in shown
    assert shown.endswith("[]\n")


@pytest.mark.parametrize("name", list(cli.COMMANDS))
def test_every_command_explains_itself(name, capsys):
    assert main([name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("用法:")
    assert "positional arguments" not in shown
    assert "show this help" not in shown


def test_the_version_is_the_packages(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == paddle_vlm.__version__


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "缺少参数:命令"),
        (["translat"], "没有命令 translat,是否想写 translate"),
        (["translate"], "缺少参数:图片"),
        (["translate", "a.jpg", "--nonsense"], "不认识的参数:--nonsense"),
        (["translate", "a.jpg", "--device", "tpu"], "--device 不能是 'tpu'"),
        (["translate", "a.jpg", "-o"], "后面要有一个值"),
    ],
)
def test_wrong_usage_is_explained_in_chinese_with_code_2(arguments, message, capsys):
    assert main(arguments) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert "用法:" in shown
    assert "error:" not in shown


@pytest.mark.parametrize(
    ("failure", "code", "message"),
    [
        (UsageError("不能这样用"), 2, "错误:不能这样用"),
        (MissingWeights("没有权重 X"), 1, "错误:没有权重 X"),
        (KeyboardInterrupt(), 130, "已中断"),
        (ImportError("libGL.so.1: cannot open shared object file"), 1, "apt-get install -y libgl1"),
    ],
)
def test_a_failing_command_ends_with_its_code_and_one_message(monkeypatch, tmp_path, caplog, failure, code, message):
    """The command here is a real module, found through COMMANDS, that fails in each way."""
    (tmp_path / "failing_command.py").write_text(
        "HELP = '失败'\nfailure = None\ndef add_arguments(parser):\n    pass\ndef run(args):\n    raise failure\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(cli.COMMANDS, "fail", "failing_command")
    import failing_command

    monkeypatch.setattr(failing_command, "failure", failure)
    with caplog.at_level("INFO", logger="paddle_vlm"):
        assert main(["fail"]) == code
    assert message in caplog.text
    assert "Traceback" not in caplog.text


def test_infer_and_the_installed_command_are_the_same():
    for command in ([sys.executable, "tools/infer.py"], [str(Path(sys.executable).with_name("paddle-vlm"))]):
        done = subprocess.run([*command, "translate"], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 2
        assert "缺少参数:图片" in done.stderr
        assert "Traceback" not in done.stderr
