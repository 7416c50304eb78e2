"""The process around the models."""

import os
import subprocess
import sys

import pytest

from paddle_vlm import runtime
from paddle_vlm.errors import MissingDependency, UsageError


def python(code: str, **environment: str) -> str:
    """What a fresh interpreter prints; a value of "" takes the variable away."""
    variables = {name: value for name, value in {**os.environ, **environment}.items() if value}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=variables, check=True)
    return done.stdout + done.stderr


def test_importing_the_package_loads_no_heavy_library_and_sets_the_threads():
    code = (
        "import sys, os, paddle_vlm\n"
        "print([m for m in ('paddle', 'cv2', 'numpy', 'paddleocr', 'jieba', 'requests') if m in sys.modules])\n"
        "print(os.environ['OMP_NUM_THREADS'], os.environ['PADDLE_PDX_DISABLE_MODEL_SOURCE_CHECK'])"
    )
    assert python(code, OMP_NUM_THREADS="").split("\n")[:2] == ["[]", f"{runtime.cores()} True"]


def test_what_the_user_has_set_is_left_alone():
    code = "import os, paddle_vlm; print(os.environ['OMP_NUM_THREADS'], os.environ['MKL_DEBUG_CPU_TYPE'])"
    assert python(code, OMP_NUM_THREADS="1", MKL_DEBUG_CPU_TYPE="4").strip() == "1 4"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="只有 Linux 能限定处理器")
def test_cores_respects_the_processors_that_the_process_may_use():
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\nfrom paddle_vlm import runtime\n"
    assert python(code + "print(runtime.cores())").strip() == "1"


def test_one_of_several_processes_is_told_its_share_of_the_cores():
    code = "from paddle_vlm import runtime; import os; print(runtime.cores(), os.environ['OMP_NUM_THREADS'])"
    assert python(code, PADDLE_VLM_CORES="3", OMP_NUM_THREADS="").strip() == "3 3"
    assert python(code, PADDLE_VLM_CORES="many", OMP_NUM_THREADS="").split() == [str(runtime.cores())] * 2


def test_loading_a_model_class_prints_none_of_paddles_chatter():
    code = "from paddle_vlm import runtime\nwith runtime.heavy_imports():\n    import paddle\nprint('done')"
    assert python(code, OMP_NUM_THREADS="2").strip() == "done"


@pytest.mark.parametrize("version", ["3.3.0", "3.3.1", "2.6.2", "3.2.1"])
def test_an_unfit_paddle_is_refused_with_the_line_that_mends_it(monkeypatch, version):
    monkeypatch.delenv("PADDLE_VLM_ANY_PADDLE", raising=False)
    monkeypatch.setattr(runtime, "_paddle_version", lambda: version)
    with pytest.raises(MissingDependency, match=rf'{version}(.|\n)*pip install "paddlepaddle>=3.2.2,<3.3"'):
        runtime.check_versions()
    monkeypatch.setenv("PADDLE_VLM_ANY_PADDLE", "1")
    runtime.check_versions()


def test_the_installed_paddle_is_accepted_and_a_missing_one_is_named(monkeypatch):
    runtime.check_versions()
    monkeypatch.setattr(runtime, "_paddle_version", lambda: None)
    with pytest.raises(MissingDependency, match="没有安装飞桨"):
        runtime.check_versions()


def test_a_missing_system_library_is_named_with_its_package():
    error = ImportError("libGL.so.1: cannot open shared object file: No such file or directory")
    assert "apt-get install -y libgl1" in str(runtime.explain_import_error(error))
    missing = ModuleNotFoundError("No module named 'jieba'", name="jieba")
    assert "jieba" in str(runtime.explain_import_error(missing))
    assert runtime.explain_import_error(ImportError("cannot import name 'x'")) is None


def test_onednn_is_probed_without_disturbing_the_seed_and_remembered(monkeypatch, tmp_path):
    import paddle

    monkeypatch.setenv("PADDLE_VLM_HOME", str(tmp_path))
    runtime.seed_everything(5)
    expected = paddle.rand([3]).tolist()
    runtime.seed_everything(5)
    runtime.onednn_works.cache_clear()
    first = runtime.onednn_works()
    assert paddle.rand([3]).tolist() == expected
    runtime.onednn_works.cache_clear()
    assert runtime.onednn_works() == first
    assert bool(list(tmp_path.glob("onednn-*.txt"))) == first


def test_seeding_repeats_every_generator():
    import random

    import numpy as np
    import paddle

    def draw() -> tuple[float, float, float]:
        runtime.seed_everything(7)
        return random.random(), float(np.random.rand()), float(paddle.rand([1]))

    assert draw() == draw()


def test_device_is_chosen_and_an_impossible_one_explained():
    import paddle

    assert runtime.device("cpu") == "cpu"
    assert runtime.device() in ("cpu", "gpu")
    with pytest.raises(UsageError, match="tpu"):
        runtime.device("tpu")
    if not paddle.is_compiled_with_cuda():
        with pytest.raises(UsageError, match="没有可用的 GPU"):
            runtime.device("gpu")


def test_the_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("PADDLE_VLM_HOME", str(tmp_path))
    assert runtime.cache_folder() == tmp_path
    monkeypatch.delenv("PADDLE_VLM_HOME")
    assert runtime.cache_folder().parts[-2:] == (".cache", "paddle_vlm")
