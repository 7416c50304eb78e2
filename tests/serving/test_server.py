"""The real service: front, fork server and worker processes, over real connections."""

import concurrent.futures
import json
import os
import pickle
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


class Server:
    """deploy/serve.py in a process of its own."""

    def __init__(self, log, *overrides):
        options = [part for override in ("port=0", *overrides) for part in ("-o", override)]
        self.log = log
        command = [sys.executable, str(ROOT / "deploy" / "serve.py"), *options]
        with log.open("wb") as file:
            self.process = subprocess.Popen(command, stderr=file, stdout=file, cwd=log.parent)
        self.port = self.await_line("listening")["port"]
        self.url = f"http://127.0.0.1:{self.port}"
        self.client = httpx.Client(base_url=self.url, timeout=60)

    def lines(self):
        for line in self.log.read_text(encoding="utf-8").splitlines():
            if line.startswith("{"):
                yield json.loads(line)

    def await_line(self, message, seconds=120):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found = next((line for line in self.lines() if message in line["message"]), None)
            if found:
                return found
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.05)
        raise AssertionError(self.log.read_text())

    def workers(self):
        return self.client.get("/readyz").json()["pids"]

    def stop(self, patience=60):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(patience)


@pytest.fixture(scope="module")
def models(tmp_path_factory, dot_classifier):
    """Versions of the dot classifier: good ones, one that is cut short, one that is a pickle, and no model at all."""
    folder = tmp_path_factory.mktemp("models") / "classifier"
    for name in ("v1", "v2", "cut", "pickled", "empty"):
        shutil.copytree(dot_classifier, folder / name)
    weights = folder / "cut" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    (folder / "pickled" / "model.safetensors").write_bytes(pickle.dumps(Trap(folder / "sprung")))
    (folder / "empty" / "config.json").unlink()
    return folder


class Trap:
    """Leaves a trace when it is unpickled."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return (Path.touch, (self.trace,))


@pytest.fixture(scope="module")
def server(tmp_path_factory, models):
    folder = tmp_path_factory.mktemp("server")
    server = Server(
        folder / "log.jsonl", "tasks=[classify]", f"models.classifier={models}/v1", f"models_folder={models.parent}",
        "admin_key=geheim", "limits={header_seconds: 1, body_seconds: 1}", "drain_seconds=0.3",
    )  # fmt: skip
    yield server
    if server.process.poll() is None:
        server.stop()


def ask(server, picture):
    return server.client.post("/v1/classify", content=picture, headers={"content-type": "image/png"})


def reload(server, **models):
    return server.client.post("/v1/admin/reload", json={"models": models}, headers={"x-api-key": "geheim"})


@pytest.fixture(scope="module")
def red_dot():
    import io

    from PIL import Image

    rgb = np.full((64, 64, 3), 120, np.uint8)
    rgb[25:39, 25:39] = (220, 30, 30)
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "PNG")
    return file.getvalue()


def test_a_real_model_answers_and_batches_form(server, red_dot):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ask(server, red_dot), range(64)))
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.json()["classes"][0]["label"] for answer in answers} == {"红点"}
    counts = [
        line for line in server.client.get("/metrics").text.splitlines() if line.startswith("paddle_vlm_batch_size")
    ]
    batches = float(next(line for line in counts if "_count" in line).split()[-1])
    assert batches < 64
    line = next(line for line in server.lines() if line.get("path") == "/v1/classify")
    assert line["status"] == 200 and line["request_id"] and line["ms"] > 0


def test_a_killed_worker_is_back_within_seconds_and_clients_see_at_most_a_503(server, red_dot):
    statuses, over = [], threading.Event()

    def client():
        with httpx.Client(base_url=server.url, timeout=60) as session:
            while not over.is_set():
                answer = session.post("/v1/classify", content=red_dot, headers={"content-type": "image/png"})
                statuses.append(answer.status_code)

    threads = [threading.Thread(target=client) for _ in range(4)]
    for thread in threads:
        thread.start()
    while len(statuses) < 20:
        time.sleep(0.01)
    (old,) = server.workers()
    os.kill(old, signal.SIGKILL)
    server.await_line("starting another")
    before = len(statuses)
    while statuses[before:].count(200) < 20:
        time.sleep(0.01)
    over.set()
    for thread in threads:
        thread.join()
    assert set(statuses) <= {200, 503} and statuses.count(200) > 40
    (new,) = server.workers()
    assert new != old and server.client.get("/readyz").json()["restarts"] == 1


@pytest.mark.parametrize(
    ("version", "reason"), [("cut", "safetensors"), ("pickled", "safetensors"), ("empty", "config")]
)
def test_a_broken_model_leaves_the_old_one_serving(server, models, red_dot, version, reason):
    old = server.workers()
    answer = reload(server, classifier=version)
    assert answer.status_code == 409 and reason in answer.json()["error"]["message"]
    assert server.workers() == old and ask(server, red_dot).status_code == 200
    assert not (models / "sprung").exists()


def test_a_good_model_takes_over_without_a_gap(server, red_dot):
    old = server.workers()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        reloading = pool.submit(reload, server, classifier="v2")
        statuses = set()
        while not reloading.done():
            statuses.add(ask(server, red_dot).status_code)
    assert reloading.result().json() == {"models": {"classifier": "v2"}}
    assert statuses == {200} and server.workers() != old
    server.process.send_signal(signal.SIGHUP)
    server.await_line("models loaded anew")
    assert ask(server, red_dot).status_code == 200


def raw(server, data):
    """What a client gets that sends this and then nothing more."""
    with socket.create_connection(("127.0.0.1", server.port), 60) as connection:
        connection.sendall(data)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return answer.decode()


def test_slow_clients_get_a_408_and_senseless_ones_a_400(server, red_dot):
    head = b"POST /v1/classify HTTP/1.1\r\nhost: a\r\ncontent-type: image/png\r\n"
    for sent in (b"", b"POST /v1/cla", head, head + b"content-length: 1000\r\n\r\nabc"):
        answer = raw(server, sent)
        assert answer.startswith("HTTP/1.1 408 ") and "秒内没有收完" in answer
    assert raw(server, b"\x00\x01\x02\r\n\r\n").startswith("HTTP/1.1 400 ")
    assert ask(server, red_dot).status_code == 200


def test_what_is_too_much_is_refused_at_once_and_the_connection_lives_on(server, red_dot):
    (worker,) = server.workers()
    os.kill(worker, signal.SIGSTOP)  # nothing is answered now
    try:
        with concurrent.futures.ThreadPoolExecutor(16) as pool, httpx.Client(base_url=server.url, timeout=60) as late:
            accepted = [pool.submit(ask, server, red_dot) for _ in range(16)]
            until = time.monotonic() + 60
            while server.client.get("/readyz").json()["waiting"]["classify"] < 14:  # the worker has two batches
                assert time.monotonic() < until
            for _ in range(3):
                answer = late.post("/v1/classify", content=red_dot * 50, headers={"x-request-id": "abc"})
                assert answer.status_code == 503 and "16 个请求" in answer.json()["error"]["message"]
                assert int(answer.headers["retry-after"]) >= 1 and answer.headers["x-request-id"] == "abc"
            os.kill(worker, signal.SIGCONT)
            assert {answer.result().status_code for answer in accepted} == {200}
            assert late.post("/v1/classify", content=red_dot, headers={"content-type": "image/png"}).status_code == 200
    finally:
        os.kill(worker, signal.SIGCONT)
    refused = [line for line in server.client.get("/metrics").text.splitlines() if 'status="503"' in line]
    assert refused[0].endswith(" 3.0")


def test_sigterm_lets_requests_finish_and_readyz_says_no_first(server, red_dot):
    (worker,) = server.workers()
    os.kill(worker, signal.SIGSTOP)  # so that a request is certainly under way
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        running = pool.submit(ask, server, red_dot)
        server.process.send_signal(signal.SIGTERM)
        until = time.monotonic() + 60
        while httpx.get(f"{server.url}/readyz").status_code != 503:
            assert time.monotonic() < until
        os.kill(worker, signal.SIGCONT)
        assert running.result().status_code == 200
    assert server.process.wait(60) == 0
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)


def test_a_service_without_its_model_does_not_start(tmp_path):
    options = ["-o", "port=0", "-o", "tasks=[classify]", "-o", f"models.classifier={tmp_path}/nosuch"]
    command = [sys.executable, str(ROOT / "deploy" / "serve.py"), *options]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 1 and "无法启动服务" in ended.stderr and "nosuch" in ended.stderr
    ended = subprocess.run([*command, "-o", "prot=1"], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2 and "是否想写 port" in ended.stderr
