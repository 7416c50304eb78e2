"""A service in processes of its own that can be measured, and what the benchmark sends to it."""

import io
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from load import http_request
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
_QUERIES = (
    "桌上的红苹果", "两只狗在草地上奔跑", "一个穿红衣服的女孩站在海边", "城市的夜景", "一辆公共汽车停在路边",
    "孩子们在公园里踢足球", "雪山下的湖", "一碗牛肉面", "老人坐在长椅上看报纸", "猫趴在窗台上晒太阳",
)  # fmt: skip
_REVIEW = "张三昨天在北京大学听了一场关于人工智能的报告,内容非常精彩。会后他和李四去王府井吃饭,服务有点慢。"


class Service:
    """`deploy/serve.py` with these settings, until the end of the `with` block."""

    def __init__(self, *overrides: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="paddle_vlm-")
        options = [part for each in ("port=0", *overrides) for part in ("-o", each)]
        self._log = Path(self._folder.name) / "log.jsonl"
        with self._log.open("wb") as log:
            command = [sys.executable, str(ROOT / "deploy" / "serve.py"), *options]
            self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log)
        self.port = self._await_port()

    def __enter__(self) -> "Service":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(60)
        self._folder.cleanup()

    def memory_mb(self) -> float:
        """Resident memory of all its processes; what they share counts once for each."""
        return sum(process.memory_info().rss for process in self._processes()) / 2**20

    def cpu_seconds(self) -> float:
        """Processor time of all its processes so far."""
        return sum(sum(process.cpu_times()[:2]) for process in self._processes())

    def kill_worker(self) -> None:
        """As the kernel does when memory runs out."""
        psutil.Process(self._status()["pids"][0]).kill()

    def wait_ready(self) -> None:
        """Until every task can be served again."""
        while not self._status()["ready"]:
            time.sleep(0.05)

    def _status(self) -> dict[str, Any]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("GET", "/readyz")
        status = json.loads(connection.getresponse().read())
        connection.close()
        return status

    def _processes(self) -> list[psutil.Process]:
        front = psutil.Process(self._process.pid)
        return [front, *front.children(recursive=True)]

    def _await_port(self) -> int:
        until = time.monotonic() + 300
        while time.monotonic() < until:
            for line in self._log.read_text(encoding="utf-8").splitlines():
                if line.startswith("{") and '"listening"' in line:
                    return json.loads(line)["port"]
            if self._process.poll() is not None:
                break
            time.sleep(0.1)
        raise SystemExit(f"服务没有启动:\n{self._log.read_text(encoding='utf-8')[-2000:]}")


def photos(size: int, count: int = 32) -> list[bytes]:
    """JPEGs of size x size pixels, cut from the pictures in docs/images."""
    sources = [Image.open(path).convert("RGB") for path in sorted((ROOT / "docs" / "images").glob("*.jpg"))]
    sources = [source for source in sources if min(source.size) >= 300]
    chance, cuts = np.random.default_rng(0), []
    for number in range(count):
        source = sources[number % len(sources)]
        left, top = int(chance.integers(0, source.width - 299)), int(chance.integers(0, source.height - 299))
        file = io.BytesIO()
        source.crop((left, top, left + 300, top + 300)).resize((size, size)).save(file, "JPEG", quality=90)
        cuts.append(file.getvalue())
    return cuts


def _pictures(path: str, size: int) -> list[bytes]:
    return [_post(path, photo) for photo in photos(size)]


def _post(path: str, picture: bytes) -> bytes:
    return http_request(path, picture, "image/jpeg")


def _texts(path: str, texts: Sequence[str], **options: object) -> list[bytes]:
    bodies = [json.dumps({"text": text, **options}).encode() for text in texts]
    return [http_request(path, body, "application/json") for body in bodies]


def workloads() -> dict[str, list[bytes]]:
    """Name -> requests: CIFAR-sized pictures to classify, queries and photographs to embed."""
    return {
        "classification": _pictures("/v1/classify", 32),
        "embedding": _texts("/v1/embed", _QUERIES),
        "picture_embedding": _pictures("/v1/embed", 224),
    }


def mixture() -> list[bytes]:
    """A hundred requests to every task but index, right and wrong ones; a picture in 200 is translated."""
    parts = (
        (60, workloads()["classification"]),
        (20, workloads()["embedding"]),
        (6, workloads()["picture_embedding"]),
        (6, _texts("/v1/analyze", [_REVIEW[:length] for length in (12, 24, 36, len(_REVIEW))])),
        (3, _pictures("/v1/classify?labels=%E7%8C%AB,%E7%8B%97", 224)),
        (4, [_post("/v1/classify", b"no picture"), _post("/v1/embed", b"")]),
    )  # fmt: skip
    mixed = [requests[number % len(requests)] for share, requests in parts for number in range(2 * share)]
    mixed += [_post("/v1/translate", photos(224, 1)[0])]
    return [mixed[place] for place in np.random.default_rng(0).permutation(len(mixed))]
