"""The process that the models run in: threads, versions, oneDNN, device, seeds. Imports paddle only when asked."""

import contextlib
import ctypes
import functools
import gc
import io
import logging
import os
import platform
import random
import re
import sys
import tempfile
import threading
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from paddle_vlm.errors import MissingDependency, UsageError

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger(__name__)
Item = TypeVar("Item")
Result = TypeVar("Result")

# What paddle prints to stderr on import: about the threads that it needs to be fast, and advice to its builders.
_NOISE = ("OMP_NUM_THREADS", "No ccache found", "warnings.warn(warning_message)")
_IMPORTING = threading.RLock()


def cores() -> int:
    """Processor cores that this process may use: hyperthreads count once; affinity and cgroup quotas are respected.

    `PADDLE_VLM_CORES` takes the place of all this, for one of several processes that share a machine.
    """
    given = os.environ.get("PADDLE_VLM_CORES", "")
    if given.isdigit() and int(given):
        return int(given)
    try:
        allowed = os.sched_getaffinity(0)
    except AttributeError:  # not Linux
        return max(1, os.cpu_count() or 1)
    siblings = {_read(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list") or str(cpu) for cpu in allowed}
    return max(1, min(len(siblings), _cgroup_cores() or len(siblings)))


def _cgroup_cores() -> int | None:
    """The container's CPU quota in whole cores (cgroup v2, then v1), or None without a quota."""
    quota, _, period = _read("/sys/fs/cgroup/cpu.max").partition(" ")
    if not quota:
        quota = _read("/sys/fs/cgroup/cpu/cpu.cfs_quota_us")
        period = _read("/sys/fs/cgroup/cpu/cpu.cfs_period_us")
    if not (quota.isdigit() and period.isdigit() and int(period)):
        return None
    return max(1, round(int(quota) / int(period)))


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def cache_folder() -> Path:
    """Where downloaded weights live: `PADDLE_VLM_HOME`, or ~/.cache/paddle_vlm."""
    home = os.environ.get("PADDLE_VLM_HOME")
    return Path(home).expanduser() if home else Path.home() / ".cache" / "paddle_vlm"


def parallel_map(function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """`[function(item) for item in items]` on all cores, for functions that spend their time in numpy and OpenCV."""
    with ThreadPoolExecutor(cores()) as pool:
        return list(pool.map(function, items))


def prepare_environment() -> None:
    """Set what paddle, MKL and PaddleX read at their own import. What the user has set is left alone."""
    settings = {
        "OMP_NUM_THREADS": str(cores()),
        "PADDLE_PDX_DISABLE_MODEL_SOURCE_CHECK": "True",  # else PaddleX asks four hosts on every import
        "GLOG_minloglevel": "2",
    }
    if _is_amd():
        # Paddle's bundled MKL takes a slow path on AMD: a 1024x1024 matmul goes from 29 to 156 GFLOP/s with both.
        settings["MKL_DEBUG_CPU_TYPE"] = "5"
    for name, value in settings.items():
        os.environ.setdefault(name, value)
    _keep_freed_memory()
    for name in ("jieba", "paddlex"):  # both set their level on import, so a level set here would not last
        logging.getLogger(name).addFilter(_from_warning)


def _keep_freed_memory() -> None:
    """Let glibc reuse the large blocks that a network frees instead of giving them back to the kernel each time.

    Paddle asks for every tensor anew: on a small virtual machine the page faults of text detection took as long as its
    arithmetic (442 ms of processor time a picture, 214 ms with these two settings).
    """
    if platform.libc_ver()[0] != "glibc" or "MALLOC_MMAP_THRESHOLD_" in os.environ:
        return
    libc = ctypes.CDLL(None)
    mmap_threshold, trim_threshold, arena_max = -3, -1, -8  # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, M_ARENA_MAX
    libc.mallopt(mmap_threshold, 32 << 20)
    libc.mallopt(trim_threshold, 256 << 20)
    if "MALLOC_ARENA_MAX" not in os.environ:
        libc.mallopt(arena_max, 1)  # each thread's own arena would keep what its largest picture needed


def _is_amd() -> bool:
    return "AuthenticAMD" in _read("/proc/cpuinfo")[:2000] or "AuthenticAMD" in platform.processor()


def _from_warning(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING or logging.getLogger("paddle_vlm").isEnabledFor(logging.DEBUG)


def check_versions() -> None:
    """Refuse a paddle that gives wrong or slow results, before it is imported.

    Raises MissingDependency. `PADDLE_VLM_ANY_PADDLE=1` turns the refusal off.
    """
    version = _paddle_version()
    if version is None:
        raise MissingDependency('没有安装飞桨(paddlepaddle)。请运行:pip install "paddlepaddle>=3.2.2,<3.3"')
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:3])
    if (3, 2, 2) <= numbers < (3, 3) or os.environ.get("PADDLE_VLM_ANY_PADDLE") == "1":
        return
    cause = "oneDNN 在 OCR 模型上会出错(Paddle issue 77340)" if numbers >= (3, 3) else "版本过旧"
    raise MissingDependency(
        f'不支持飞桨 {version}:{cause}。请运行:pip install "paddlepaddle>=3.2.2,<3.3"'
        "(确实要用此版本时设置环境变量 PADDLE_VLM_ANY_PADDLE=1)"
    )


def _paddle_version() -> str | None:
    import importlib.metadata  # 75 ms, a quarter of what importing this package may take

    for name in ("paddlepaddle", "paddlepaddle-gpu"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(name)
    return None


@contextlib.contextmanager
def quick_loading() -> Iterator[None]:
    """Around the loading of modules and large tables: the garbage collector rests, and leaves them alone afterwards.

    It would walk over millions of lasting objects again and again; start-up takes a sixth longer with it.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()


@contextlib.contextmanager
def heavy_imports() -> Iterator[None]:
    """Around imports that bring in paddle or cv2: checks versions, drops their chatter, explains what is missing.

    Raises MissingDependency for a missing package or system library.
    """
    check_versions()
    try:
        if "paddle" not in sys.modules:
            with _without_noise(), quick_loading():
                import paddle  # noqa: F401
        with quick_loading():
            yield
    except ImportError as error:
        explained = explain_import_error(error)
        if explained is None:
            raise
        raise explained from error


@contextlib.contextmanager
def _without_noise() -> Iterator[None]:
    heard = io.StringIO()
    try:
        # One thread at a time: two that redirect stderr at once would leave it redirected.
        with _IMPORTING, contextlib.redirect_stderr(heard), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="No ccache found")
            yield
    finally:
        kept = [line for line in heard.getvalue().splitlines() if not any(noise in line for noise in _NOISE)]
        if kept:
            log.warning("%s", "\n".join(kept))


def explain_import_error(error: ImportError) -> MissingDependency | None:
    """Name the system package of a shared library that cannot be loaded, or the pip line for a missing module."""
    packages = {
        "libGL.so.1": "libgl1",
        "libgthread-2.0.so.0": "libglib2.0-0",
        "libglib-2.0.so.0": "libglib2.0-0",
        "libgomp.so.1": "libgomp1",
    }
    for library, package in packages.items():
        if library in str(error):
            return MissingDependency(
                f"缺少系统库 {library}。请安装:apt-get install -y {package}(Debian/Ubuntu)"
                "或 yum install -y mesa-libGL glib2 libgomp(CentOS/RHEL)。"
            )
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith("paddle_vlm"):
        return MissingDependency(f"没有安装 Python 包 {error.name}。请在项目目录运行:pip install -e .")
    return None


@functools.cache
def onednn_works() -> bool:
    """Whether Paddle Inference gives the right answer with oneDNN here. Tried once; a yes is remembered on disk."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return False
    processor = re.search(r"model name\s*:\s*(.+)", _read("/proc/cpuinfo"))
    identity = f"{_paddle_version()} {processor.group(1) if processor else platform.processor()}"
    note = cache_folder() / f"onednn-{zlib.crc32(identity.encode()):08x}.txt"
    if _read(str(note)) == identity:
        return True
    works = _probe_onednn()
    if works:
        with contextlib.suppress(OSError, UnicodeEncodeError):  # a read-only home only costs the next probe
            note.parent.mkdir(parents=True, exist_ok=True)
            note.write_text(identity, encoding="ascii")
    return works


def _probe_onednn() -> bool:
    """Run a dense and a depthwise convolution, as the OCR models hold them, with and without oneDNN and compare."""
    with heavy_imports():
        import numpy as np
        import paddle
        from paddle import nn
    pixels = np.linspace(-1, 1, 3 * 16 * 16, dtype=np.float32).reshape(1, 3, 16, 16)
    state = paddle.get_rng_state()
    try:
        net = nn.Sequential(nn.Conv2D(3, 8, 3), nn.BatchNorm2D(8), nn.Hardswish(), nn.Conv2D(8, 8, 3, groups=8))
        net.eval()
        with tempfile.TemporaryDirectory() as folder:
            spec = paddle.static.InputSpec([None, 3, None, None], "float32")
            paddle.jit.save(net, f"{folder}/probe", input_spec=[spec])
            plain, fast = (_run_probe(f"{folder}/probe", pixels, onednn) for onednn in (False, True))
    except (RuntimeError, ValueError, NotImplementedError, OSError) as error:
        log.warning("oneDNN 不可用,推理会变慢:%s", error)
        return False
    finally:
        paddle.set_rng_state(state)  # the probe's random weights must not shift a seeded user's numbers
    return bool(np.allclose(plain, fast, atol=1e-4))


def _run_probe(prefix: str, pixels: "np.ndarray", onednn: bool) -> "np.ndarray":
    import paddle
    from paddle import inference

    config = inference.Config(f"{prefix}.json", f"{prefix}.pdiparams")
    config.disable_gpu()
    config.disable_glog_info()
    if onednn:
        config.enable_mkldnn()
    else:
        config.disable_mkldnn()
    return inference.create_predictor(config).run([paddle.to_tensor(pixels, place=paddle.CPUPlace())])[0].numpy()


def device(name: str = "auto") -> str:
    """ "cpu" or "gpu" for "auto", "cpu" or "gpu". UsageError when a GPU is asked for and there is none."""
    if name not in ("auto", "cpu", "gpu"):
        raise UsageError(f"不认识的设备 {name}。可用:auto、cpu、gpu。")
    if name == "cpu":
        check_versions()
        return name
    with heavy_imports():
        import paddle
    if paddle.is_compiled_with_cuda() and paddle.device.cuda.device_count() > 0:
        return "gpu"
    if name == "gpu":
        remedy = (
            "请安装 GPU 版飞桨(paddlepaddle-gpu)"
            if not paddle.is_compiled_with_cuda()
            else "请检查显卡驱动(nvidia-smi)"
        )
        raise UsageError(f"没有可用的 GPU。{remedy},或改用 device=cpu。")
    return "cpu"


def seed_everything(seed: int) -> None:
    """Seed Python, numpy and paddle."""
    with heavy_imports():
        import numpy as np
        import paddle
    random.seed(seed)
    np.random.seed(seed % 2**32)
    paddle.seed(seed)
