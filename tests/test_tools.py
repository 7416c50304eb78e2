"""The scripts in tools/."""

import os
import subprocess
import sys
from pathlib import Path

from paddle_vlm.weights import names

ROOT = Path(__file__).resolve().parent.parent


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, **environment})


def test_download_lists_every_name_with_its_state(tmp_path):
    done = run("tools/download.py", "--list", PADDLE_VLM_HOME=str(tmp_path))
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == names()
    assert "未下载" in done.stdout
    assert "随项目自带" in done.stdout


def test_download_fetches_the_rest_when_one_name_fails(tmp_path):
    done = run(
        "tools/download.py", "PP-OCRv4_mobile_det", "translator", PADDLE_VLM_HOME=str(tmp_path), PADDLE_VLM_OFFLINE="1"
    )
    assert done.returncode == 1
    assert "PADDLE_VLM_OFFLINE" in done.stderr
    assert "translator -> " in done.stdout


def test_download_without_a_name_is_wrong_usage():
    done = run("tools/download.py")
    assert done.returncode == 2
    assert "--all" in done.stderr


def test_infer_without_the_package_says_how_to_install_it(tmp_path):
    script = tmp_path / "infer.py"
    script.write_text((ROOT / "tools" / "infer.py").read_text(encoding="utf-8"), encoding="utf-8")
    done = subprocess.run([sys.executable, "-S", str(script)], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert "pip install -e ." in done.stderr
