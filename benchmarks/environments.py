"""Virtual environments for what the benchmarks compare with: packages that must not come near the project's own."""

import os
import subprocess
import sys
import venv
from pathlib import Path

from paddle_vlm import runtime


def python_with(name: str, *packages: str) -> Path:
    """The Python of an environment with these packages, made on first use in the cache folder."""
    folder = runtime.cache_folder() / f"venv-{name}"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not (folder / "ready").exists():
        print(f"正在创建 {name} 的虚拟环境 {folder} …", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *packages], check=True)
        (folder / "ready").touch()
    return python
