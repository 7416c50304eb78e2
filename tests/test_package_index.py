"""One wheel from the index that pip is configured for: a real index on this machine, through the real pip."""

import hashlib
import io
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from paddle_vlm.package_index import FetchError, Wheel, download


def build_wheel() -> bytes:
    """A valid wheel of 2 MB, demo 1.0."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("demo/weights.bin", np.random.default_rng(0).bytes(2_000_000))
        archive.writestr("demo-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n")
        archive.writestr("demo-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("demo-1.0.dist-info/RECORD", "")
    return data.getvalue()


class Index:
    """A package index with one project; can cut a transfer short and can refuse everyone but pip."""

    def __init__(self) -> None:
        self.wheel = build_wheel()
        self.sha256 = hashlib.sha256(self.wheel).hexdigest()
        self.cut_next = False
        self.only_pip = False
        self.ranges: list[str | None] = []  # of the requests that did not come from pip


def handler(index: Index) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/simple/demo"):
                page = f'<a href="/files/demo-1.0-py3-none-any.whl#sha256={index.sha256}">demo</a>'.encode()
                self.answer(200, page, "text/html")
            elif self.path.startswith("/files/"):
                self.send_wheel("pip" in self.headers.get("User-Agent", ""))
            else:
                self.answer(404, b"", "text/plain")

        def send_wheel(self, to_pip: bool) -> None:
            if index.only_pip and not to_pip:
                return self.answer(403, b"", "text/plain")
            wanted = self.headers.get("Range")
            first = int(wanted[6:-1]) if wanted else 0
            cut = index.cut_next and not to_pip
            if not to_pip:
                index.ranges.append(wanted)
                index.cut_next = False
            return self.answer(206 if wanted else 200, index.wheel[first:], "application/zip", cut)

        def answer(self, status: int, body: bytes, kind: str, cut: bool = False) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if cut else body)
            if cut:
                self.connection.close()

        def log_message(self, *args: object) -> None:
            pass

    return Handler


@pytest.fixture
def index(monkeypatch):
    index = Index()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(index))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX", "PIP_CONSTRAINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/simple")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield index
    server.shutdown()


def test_the_wheel_comes_from_the_index_that_pip_is_configured_for(index, tmp_path):
    target = download(Wheel("demo", "1.0", index.sha256), tmp_path)
    assert target.read_bytes() == index.wheel
    assert list(tmp_path.iterdir()) == [target]
    assert download(Wheel("demo", "1.0", index.sha256), tmp_path) == target
    assert len(index.ranges) == 1


def test_a_transfer_that_breaks_off_is_resumed_where_it_stopped(index, tmp_path):
    index.cut_next = True
    target = download(Wheel("demo", "1.0", index.sha256), tmp_path)
    assert target.read_bytes() == index.wheel
    first, second = index.ranges
    assert first is None
    assert second is not None
    assert 0 < int(second[6:-1]) <= len(index.wheel) // 2


def test_a_part_left_by_a_dead_process_is_resumed(index, tmp_path):
    (tmp_path / "demo-1.0.whl.part").write_bytes(index.wheel[:1_000_000])
    target = download(Wheel("demo", "1.0", index.sha256), tmp_path)
    assert target.read_bytes() == index.wheel
    assert index.ranges == ["bytes=1000000-"]


def test_a_spoilt_part_costs_one_failure_and_not_every_later_one(index, tmp_path):
    (tmp_path / "demo-1.0.whl.part").write_bytes(b"x" * 1_000_000)
    with pytest.raises(FetchError, match="校验和不符"):
        download(Wheel("demo", "1.0", index.sha256), tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert download(Wheel("demo", "1.0", index.sha256), tmp_path).read_bytes() == index.wheel


def test_what_only_pip_may_fetch_is_fetched_by_pip(index, tmp_path):
    index.only_pip = True
    assert download(Wheel("demo", "1.0", index.sha256), tmp_path).read_bytes() == index.wheel


def test_an_altered_wheel_is_refused_and_not_kept(index, tmp_path):
    with pytest.raises(FetchError, match="校验和不符"):
        download(Wheel("demo", "1.0", "0" * 64), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_pips_own_reason_is_passed_on(index, tmp_path):
    with pytest.raises(FetchError, match="No matching distribution found for demo==9.9"):
        download(Wheel("demo", "9.9", index.sha256), tmp_path)
