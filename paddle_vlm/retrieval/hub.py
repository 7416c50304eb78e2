"""Model folders from the Hugging Face hub or one of its mirrors, by `owner/name`."""

import os
import re
from pathlib import Path

from paddle_vlm.errors import MissingDependency, MissingWeights
from paddle_vlm.runtime import cache_folder

_FILES = ["*.json", "vocab.txt", "model.safetensors", "pytorch_model.bin"]


def is_hub_name(name: str | Path) -> bool:
    """Whether `name` looks like `OFA-Sys/chinese-clip-vit-base-patch16` and is no path of this machine."""
    return isinstance(name, str) and re.fullmatch(r"[\w.-]+/[\w.-]+", name) is not None and not Path(name).exists()


def download(name: str) -> Path:
    """The folder of a model of the hub, in this project's cache. Raises MissingWeights and MissingDependency."""
    folder = cache_folder() / "hub" / name.replace("/", "--")
    if (folder / "complete").exists():
        return folder
    remedy = (
        f"请在能联网的机器上下载 {name} 的整个文件夹,再用 --model 文件夹 指定;"
        "在中国大陆可设置 HF_ENDPOINT=https://hf-mirror.com 后重试。"
    )
    if os.environ.get("PADDLE_VLM_OFFLINE", "") not in ("", "0"):
        raise MissingWeights(f"本机没有模型 {name}(也没有这个文件夹),而 PADDLE_VLM_OFFLINE 禁止联网。{remedy}")
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise MissingDependency("下载模型需要 huggingface_hub。请运行:pip install huggingface_hub") from error
    try:
        snapshot_download(name, local_dir=folder, allow_patterns=_FILES)
        (folder / "complete").touch()
    except Exception as error:  # the hub's own errors, its HTTP library's, and those of the disk
        raise MissingWeights(f"没有叫 {name} 的文件夹,也无法从 Hugging Face 下载({error})。{remedy}") from error
    return folder
