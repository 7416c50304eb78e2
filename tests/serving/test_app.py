import base64
import json
import struct
import threading
import zlib

import pytest
from starlette.testclient import TestClient

from paddle_vlm.serving.app import create_app
from paddle_vlm.serving.local import LocalEngine
from paddle_vlm.serving.routers import ROUTERS
from paddle_vlm.serving.settings import Batching, Limits, ServeSettings

JPEG = {"content-type": "image/jpeg"}
CLASSIFY = "/v1/classify"


def encoded(data):
    return base64.b64encode(data).decode()


def refused(response, status, words=""):
    """Whether a response is this refusal, in the form that all have."""
    error = response.json()["error"]
    assert response.status_code == status, response.text
    assert words in error["message"] and error["code"].isidentifier()
    assert response.headers["x-request-id"]
    return True


def test_a_picture_comes_as_a_form_as_base64_or_bare_and_means_the_same(service, picture):
    data = picture()
    with service() as client:
        answers = [
            client.post(CLASSIFY, files={"image": ("../../a.png", data)}, data={"k": "2", "labels": "猫,狗"}),
            client.post(CLASSIFY, json={"image": encoded(data), "k": 2, "labels": ["猫", "狗"]}),
            client.post(
                "/v1/classify", json={"image": f"data:image/png;base64,{encoded(data)}", "k": 2, "labels": "猫,狗"}
            ),
            client.post("/v1/classify?k=2&labels=猫,狗", content=data, headers=JPEG),
        ]
    assert [answer.status_code for answer in answers] == [200] * 4
    assert all(answer.json() == answers[0].json() for answer in answers)
    assert answers[0].json()["options"] == {"k": 2, "labels": ["猫", "狗"]}
    assert answers[0].json()["colours"] == [[200, 30, 40]]


def test_texts_are_analysed_searched_and_embedded(service):
    with service() as client:
        for task in ("analyze", "search", "embed"):
            answer = client.post(f"/v1/{task}", json={"text": "红苹果"})
            assert answer.status_code == 200 and answer.json()["options"]["text"] == "红苹果"


def test_translate_answers_with_json_with_a_picture_or_with_a_line_for_each_picture(service, picture):
    with service() as client:
        record = client.post("/v1/translate", files={"image": picture()}).json()
        assert base64.b64decode(record["image"]) == b"PICTURE" and record["media_type"] == "image/png"
        for extra in ({"data": {"format": "image"}}, {"headers": {"accept": "image/*"}}):
            answer = client.post("/v1/translate", files={"image": picture()}, **extra)
            assert answer.content == b"PICTURE" and answer.headers["content-type"] == "image/png"
        files = [("images", picture(size=(size, 9))) for size in (8, 9)] + [("images", b"no picture")]
        answer = client.post("/v1/translate", files=files)
    assert answer.headers["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["done"] for line in lines] == [1, 2, 3] and {line["total"] for line in lines} == {3}
    by_index = {line["index"]: line for line in lines}
    assert [by_index[i]["result"]["sizes"] for i in (0, 1)] == [[[9, 8]], [[9, 9]]]
    assert "不是图片" in by_index[2]["error"]["message"]


def test_indexing_tells_how_far_it_is(service, picture):
    files = [("images", picture(size=(size, 9))) for size in (8, 9)]
    with service() as client:
        assert client.post("/v1/index", files=files).json()["sizes"] == [[9, 8], [9, 9]]
        answer = client.post("/v1/index", files=files, data={"stream": "true"})
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["event"] for line in lines] == ["progress", "progress", "finished"]
    assert lines[1]["done"] == 2 and lines[2]["result"]["sizes"] == [[9, 8], [9, 9]]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"{}", 422, "没有图片"),
        (b"{", 400, "JSON"),
        (b"\xff\xfe{}", 400, "JSON"),
        (b"[" * 100_000, 400, "JSON"),
        (b"[1]", 422, "JSON 对象"),
        (b'{"image": 5}', 422, "base64"),
        (b'{"image": "%%%%"}', 422, "base64"),
        (b'{"image": ["aGk=", "aGk="]}', 422, "2 张"),
        (b'{"image": "aGk=", "k": 0}', 422, "k 不能小于 1"),
        (b'{"image": "aGk=", "k": true}', 422, "k 应是整数"),
        (b'{"image": "aGk=", "k": 1e999}', 422, "k 应是整数"),
        (b'{"image": "aGk=", "nosuch": 1}', 422, "nosuch 没有这个参数"),
        (b'{"image": "aGk=", "labels": ["\\ud800", "b"]}', 422, "labels.0"),
        (b'{"image": "aGk=", "labels": ["a", "a"]}', 422, "重复"),
        (b'{"image": "aGk="}', 422, "不是图片"),
    ],
)
def test_a_malformed_json_request_is_told_what_is_wrong(service, body, status, words):
    with service() as client:
        assert refused(client.post(CLASSIFY, content=body, headers={"content-type": "application/json"}), status, words)


def test_other_malformed_requests_are_refused_with_the_fitting_status(service, picture):
    form = {"content-type": "multipart/form-data; boundary=x"}
    with service() as client:
        assert refused(client.post(CLASSIFY, content=b"a", headers={"content-type": "text/plain"}), 415, "text/plain")
        assert refused(
            client.post(CLASSIFY, content=b"a", headers={"content-type": "multipart/form-data"}), 400, "boundary"
        )
        for body in (b"junk", b"--x\r\n", b'--x\r\ncontent-disposition: form-data; name="image"\r\n\r\nabc'):
            assert refused(client.post(CLASSIFY, content=body, headers=form), 400)
        assert refused(client.post("/v1/classify?k=%FF", content=picture(), headers=JPEG), 400, "查询参数")
        assert refused(client.post(CLASSIFY, content=picture()[:60], headers=JPEG), 422, "不完整或已损坏")
        assert refused(client.get("/v1/classify"), 405)
        assert refused(client.post("/v1/nosuch"), 404)
        assert refused(client.post("/v1/search", json={"text": "a", "image": encoded(picture())}), 422, "只能给一个")
        assert refused(client.post("/v1/analyze", json={"text": "不该问的"}), 422, "请换一句")


def test_bytes_pixels_pictures_and_characters_are_limited(service, picture):
    limits = Limits(body_mb=0.01, megapixels=0.001, pictures=2, characters=5)
    with service(limits=limits) as client:
        assert refused(client.post(CLASSIFY, content=bytes(20_000), headers=JPEG), 413, "0.01 MB")
        chunks = (bytes(1000) for _ in range(20))  # no length is announced
        assert refused(client.post(CLASSIFY, content=chunks, headers=JPEG), 413, "0.01 MB")
        assert refused(client.post(CLASSIFY, content=picture(size=(99, 99)), headers=JPEG), 413, "像素")
        assert refused(client.post("/v1/translate", files=[("images", b"x")] * 3), 413, "最多 2 张")
        assert refused(client.post("/v1/analyze", json={"text": "一二三四五六"}), 413, "6 字")


def test_a_decompression_bomb_is_refused_by_its_header(service):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 1, 0, 0, 0, 0)
    bomb = (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )
    with service() as client:
        assert refused(client.post(CLASSIFY, content=bomb, headers=JPEG), 413, "像素")


@pytest.mark.parametrize(
    "name", ["../../../../etc/passwd", "/etc/passwd", "file:///etc/passwd", "http://127.0.0.1:9/a.png"]
)
def test_no_path_or_address_in_any_field_is_ever_opened(service, picture, name, monkeypatch):
    opened = []
    monkeypatch.setattr("pathlib.Path.open", lambda path, *a, **k: opened.append(path))
    monkeypatch.setattr("socket.create_connection", lambda *a, **k: opened.append(a))
    with service(admin_key="geheim") as client:
        for task in ROUTERS:
            for field in ("image", "images", "file", "path", "url", "text", "name", "model", "index", "k", "format"):
                answer = client.post(f"/v1/{task}", json={field: name})
                assert answer.status_code in (200, 422), answer.text  # 200 where any text is welcome
                answer = client.post(f"/v1/{task}", files={field: (name, picture())}, data={"labels": name})
                assert answer.status_code in (200, 400, 422), answer.text
            assert client.post(f"/v1/{task}?image={name}", content=b"x", headers=JPEG).status_code == 422
        reload = client.post("/v1/admin/reload", json={"models": {"classifier": name}}, headers={"x-api-key": "geheim"})
        assert refused(reload, 422, "没有 classifier 的版本")
    assert opened == []


def test_a_key_is_asked_for_where_one_is_set(service):
    with service(api_key="kouling", admin_key="geheim") as client:
        question = {"json": {"text": "你好"}}
        assert refused(client.post("/v1/analyze", **question), 401, "X-API-Key")
        assert refused(client.post("/v1/analyze", headers={"x-api-key": "falsch"}, **question), 401)
        assert client.post("/v1/analyze", headers={"x-api-key": "kouling"}, **question).status_code == 200
        assert refused(client.post("/v1/admin/reload", headers={"x-api-key": "kouling"}), 401)
        assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200
    with service() as client:
        assert refused(client.post("/v1/admin/reload"), 404)


def test_a_request_id_is_taken_over_when_it_is_sane(service):
    with service() as client:
        assert client.get("/healthz", headers={"x-request-id": "abc-1.2_3"}).headers["x-request-id"] == "abc-1.2_3"
        for bad in ("a b", "x" * 65, "ä;b"):
            given = client.get("/healthz", headers={"x-request-id": bad.encode("latin-1")}).headers["x-request-id"]
            assert given != bad and len(given) == 16


def test_health_readiness_metrics_and_the_chinese_document(service):
    with service(tasks=["analyze"]) as client:
        client.post("/v1/analyze", json={"text": "你好"})
        client.post("/v1/analyze", json={})
        assert client.get("/readyz").json()["ready"] is True
        text = client.get("/metrics").text
        assert 'paddle_vlm_requests_total{status="200",task="analyze"} 1.0' in text
        assert 'paddle_vlm_requests_total{status="422",task="analyze"} 1.0' in text
        assert 'paddle_vlm_request_seconds_count{task="analyze"} 2.0' in text
        client.app.state.service.draining = True
        assert client.get("/readyz").status_code == 503
        assert client.post("/v1/analyze", json={"text": "你好"}).status_code == 200  # still answered
        document = client.get("/openapi.json").json()
        assert refused(client.post(CLASSIFY), 404)  # not among the tasks
    operation = document["paths"]["/v1/analyze"]["post"]
    assert operation["summary"] == "文本分析" and "429" in operation["responses"]
    assert operation["requestBody"]["content"]["application/json"]["example"]["text"]


def test_what_nobody_foresaw_is_an_honest_500_without_details(service):
    with service() as client:
        answer = client.post("/v1/analyze", json={"text": "内部故障"})
        assert refused(answer, 500, "X-Request-ID") and "ZeroDivision" not in answer.text
        assert client.post("/v1/analyze", json={"text": "你好"}).status_code == 200


class Slow:
    """Waits until it may go on."""

    def __init__(self):
        self.go, self.begun = threading.Event(), threading.Semaphore(0)

    def probe(self, thorough=False):
        pass

    def run(self, items, progress):
        self.begun.release()
        self.go.wait(20)
        return [{} for _ in items]


def test_when_the_queue_is_full_requests_are_refused_before_they_are_read():
    slow = Slow()
    settings = ServeSettings(
        tasks=["analyze"], batching={"analyze": Batching(1, 0, queue=3)}, limits=Limits(per_client=5)
    )
    app = create_app(settings, LocalEngine(settings, lambda settings: {"analyze": slow}))
    answers = []
    with TestClient(app) as client:
        ask = lambda: answers.append(client.post("/v1/analyze", json={"text": "你好"}).status_code)  # noqa: E731
        threads = [threading.Thread(target=ask) for _ in range(3)]
        threads[0].start()
        assert slow.begun.acquire(timeout=20)
        for thread in threads[1:]:
            thread.start()
        while client.get("/readyz").json()["waiting"]["analyze"] < 2:
            pass
        body = (pytest.fail("the body was read") for _ in range(1))
        answer = client.post("/v1/analyze", content=body)
        assert refused(answer, 503, "3 个请求在处理或排队") and int(answer.headers["retry-after"]) >= 1
        slow.go.set()
        for thread in threads:
            thread.join()
    assert answers == [200] * 3


def test_one_client_cannot_take_all_places():
    slow = Slow()
    settings = ServeSettings(tasks=["analyze"], limits=Limits(per_client=1))
    app = create_app(settings, LocalEngine(settings, lambda settings: {"analyze": slow}))
    with TestClient(app) as client:
        thread = threading.Thread(target=client.post, args=("/v1/analyze",), kwargs={"json": {"text": "你好"}})
        thread.start()
        assert slow.begun.acquire(timeout=20)
        answer = client.post("/v1/analyze", json={"text": "你好"})
        assert refused(answer, 429, "最多 1 个") and answer.headers["retry-after"] == "1"
        slow.go.set()
        thread.join()
        assert client.post("/v1/analyze", json={"text": "你好"}).status_code == 200


def test_an_answer_that_takes_too_long_is_a_504():
    slow = Slow()
    settings = ServeSettings(tasks=["analyze"], limits=Limits(seconds=0.05))
    app = create_app(settings, LocalEngine(settings, lambda settings: {"analyze": slow}))
    with TestClient(app) as client:
        assert refused(client.post("/v1/analyze", json={"text": "你好"}), 504, "0.05 秒")
        slow.go.set()
