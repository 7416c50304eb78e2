"""Programs that Paddle Inference runs, made once on this machine from the weights that the project ships."""

import atexit
import hashlib
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import paddle
from filelock import FileLock

from paddle_vlm.errors import OutputError
from paddle_vlm.runtime import cache_folder

_DONE = "complete"


def exported(weights: Path, name: str, make: Callable[[Path], object]) -> Path:
    """The folder that `make(folder)` fills, made once for the files in the folder `weights`, this Paddle and this code.

    `name` tells different exports of the same weights apart. Where the cache cannot be written the folder lasts as long
    as the process. Several processes may ask at once.
    """
    root = cache_folder() / "exported"
    folder = root / f"{name}-{_fingerprint(weights)}"
    if (folder / _DONE).exists():
        return folder
    try:
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not (folder / _DONE).exists():
                make(folder)
                (folder / _DONE).touch()
        return folder
    except (OSError, OutputError):
        folder = Path(tempfile.mkdtemp(prefix="paddle_vlm-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        make(folder)
        return folder


def _fingerprint(weights: Path) -> str:
    digest = hashlib.blake2b(paddle.__version__.encode(), digest_size=8)
    package = Path(__file__).parent.parent
    code = [path for folder in ("models", "inference") for path in sorted((package / folder).glob("*.py"))]
    for path in [*code, *(weights / name for name in ("config.json", "model.safetensors", "pytorch_model.bin"))]:
        digest.update(path.read_bytes() if path.is_file() else b"")
    return digest.hexdigest()
