"""Batch jobs: what is written, what a kill leaves behind, and what the next start makes of it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from paddle_vlm.deployment import batch
from paddle_vlm.deployment.batch import Job, Worker, Workers, extend_plan, read_plan, run_job
from paddle_vlm.deployment.batch_tasks import Options, Translate, written_name
from paddle_vlm.deployment.storage import Place
from paddle_vlm.errors import MissingWeights, UsageError

pytest.importorskip("fsspec", reason='需要 pip install "paddle_vlm[scale]"')


@pytest.fixture
def source(tmp_path, dots) -> Path:
    """40 pictures in two folders, one of them broken, and a file that is no picture."""
    folder = tmp_path / "photos"
    images, _ = dots(39, 0)
    for number, image in enumerate(images):
        path = folder / f"{number % 2}" / f"{number:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    (folder / "0" / "broken.png").write_text("no picture")
    (folder / "notes.txt").write_text("no picture either")
    return folder


@pytest.fixture
def job(source, tmp_path, dot_classifier) -> Job:
    return Job("classify", str(source), str(tmp_path / "out"), Options(model=str(dot_classifier), k=2), chunk=2)


def whole(job: Job, monkeypatch) -> batch.Report:
    """Do all of a job in this process, without Ray."""

    def run(job, parts, workers):
        worker = Worker(job)
        for part in parts:
            worker.do(part)
            yield part

    monkeypatch.setattr(batch, "_run_on_ray", run)
    return run_job(job, Workers())


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def results(job: Job) -> list[dict]:
    files = sorted(Path(job.out, "parts").iterdir())
    return [json.loads(line) for path in files for line in path.read_text(encoding="utf-8").splitlines()]


def test_every_picture_has_one_result_and_the_broken_one_is_listed(job, monkeypatch):
    report = whole(job, monkeypatch)
    assert (report.pictures, report.skipped, list(report.failures)) == (40, 0, ["0/broken.png"])
    found = [record["image"] for record in results(job)]
    assert sorted(found) == sorted(set(Place(job.source).pictures()) - {"0/broken.png"})
    assert {each["label"] for record in results(job) for each in record["classes"]} == {"红点", "蓝点"}


def test_a_worker_keeps_opencv_to_its_share_of_the_cores(job, monkeypatch):
    monkeypatch.setenv("PADDLE_VLM_CORES", "1")
    before = cv2.getNumThreads()
    try:
        Worker(job)
        assert cv2.getNumThreads() == 1
    finally:
        cv2.setNumThreads(before)


def test_a_second_start_has_nothing_to_do_and_new_pictures_become_new_parts(job, source, monkeypatch):
    whole(job, monkeypatch)
    before = tree(Path(job.out))
    assert whole(job, monkeypatch).pictures == 0
    assert tree(Path(job.out)) == before
    shutil.copy(source / "0" / "000.png", source / "a new one.png")
    report = whole(job, monkeypatch)
    assert (report.pictures, report.skipped) == (1, 40)
    assert {name: content for name, content in tree(Path(job.out)).items() if name in before} == before


def test_the_output_of_another_job_is_left_alone(job, monkeypatch):
    whole(job, monkeypatch)
    with pytest.raises(UsageError, match="chunk 当时是 2"):
        whole(Job(job.task, job.source, job.out, job.options, chunk=9), monkeypatch)
    with pytest.raises(UsageError, match="属于另一个任务"):
        whole(Job(job.task, job.source, job.out, Options(model=job.options.model, k=1), 2), monkeypatch)


def test_what_a_killed_process_was_writing_is_removed(job, monkeypatch):
    whole(job, monkeypatch)
    before = tree(Path(job.out))
    (Path(job.out) / "parts" / ".part-000001.jsonl.ab12.partial").write_text("half")
    whole(job, monkeypatch)
    assert tree(Path(job.out)) == before


@pytest.mark.parametrize("changes", [{"task": "caption"}, {"chunk": 0}])
def test_impossible_jobs_are_refused(changes):
    with pytest.raises(UsageError):
        Job(**{"task": "embed", "source": "a", "out": "b"} | changes)


def test_a_missing_folder_and_missing_weights_are_named(tmp_path, source):
    with pytest.raises(UsageError, match="找不到文件夹"):
        run_job(Job("embed", str(tmp_path / "nowhere"), str(tmp_path / "out")), Workers())
    with pytest.raises(MissingWeights, match="no/such"):
        run_job(Job("classify", str(source), str(tmp_path / "out"), Options(model="no/such")), Workers())


def test_an_output_among_the_pictures_and_a_folder_without_any_are_refused(source, tmp_path):
    for out in (source, source / "out"):
        with pytest.raises(UsageError, match="在来源"):
            run_job(Job("embed", str(source), str(out)), Workers())
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="没有图片"):
        run_job(Job("embed", str(tmp_path / "empty"), str(tmp_path / "out")), Workers())


def test_a_plan_only_grows(tmp_path):
    out = Place(str(tmp_path))
    assert extend_plan(out, ["a", "b", "c"], 2) == [["a", "b"], ["c"]]
    assert extend_plan(out, ["a", "aa", "c"], 2) == [["a", "b"], ["c"], ["aa"]] == read_plan(out)


def test_a_translated_part_has_pictures_and_records_without_times(tmp_path, chinese_picture):
    content = (tmp_path / "sign.png").resolve()
    Image.fromarray(chinese_picture(["请勿吸烟"])).save(content)
    task = Translate(Options(device="cpu"))
    outcome = task.run({"a/sign.png": content.read_bytes(), "bad.jpg": b"x"})
    assert list(outcome.pictures) == ["pictures/a/sign.png"] and list(outcome.failures) == ["bad.jpg"]
    record = json.loads(outcome.content)
    assert record["image"] == "a/sign.png" and "seconds" not in record
    assert "smok" in record["regions"][0]["translation"].lower()
    assert task.run({"a/sign.png": content.read_bytes()}).pictures == outcome.pictures


def test_vectors_are_stored_beside_their_names(tmp_path, source, monkeypatch):
    parquet = pytest.importorskip("pyarrow.parquet", reason='需要 pip install "paddle_vlm[scale]"')
    for path in [*source.glob("*/*.png")][6:]:
        path.unlink()
    (source / "broken.png").write_text("no picture")
    report = whole(Job("embed", str(source), str(tmp_path / "out"), chunk=4), monkeypatch)
    assert "broken.png" in report.failures
    tables = [parquet.read_table(path) for path in sorted((tmp_path / "out" / "parts").iterdir())]
    names = [name for table in tables for name in table["path"].to_pylist()]
    vectors = np.array([vector for table in tables for vector in table["vector"].to_pylist()])
    assert len(names) == len(set(names)) == report.pictures - len(report.failures)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-4)


@pytest.mark.parametrize(
    "name,written", [("a/b.JPG", "a/b.JPG"), ("a.b/c.avif", "a.b/c.avif.png"), ("x.jfif", "x.jfif.png")]
)
def test_a_format_that_cannot_be_written_becomes_png(name, written):
    assert written_name(name) == written


def test_a_job_killed_in_the_middle_ends_as_an_uninterrupted_one(job, monkeypatch, tmp_path):
    pytest.importorskip("ray", reason='需要 pip install "paddle_vlm[scale]"')
    command = [
        sys.executable, "deploy/batch.py", "classify", job.source, job.out, "--model", job.options.model, "-k", "2",
        "--chunk", "2",
    ]  # fmt: skip
    root, parts = Path(__file__).parents[2], Path(job.out) / "parts"
    driver = subprocess.Popen(command, cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (parts.is_dir() and any(parts.iterdir())) and time.monotonic() < deadline and driver.poll() is None:
        time.sleep(0.002)
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait()
    done = len(list(parts.glob("*.jsonl")))
    assert 0 < done < 20
    again = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert again.returncode == 1 and "0/broken.png" in again.stderr  # one picture is broken
    whole(Job(job.task, job.source, str(tmp_path / "reference"), job.options, job.chunk), monkeypatch)
    assert tree(Path(job.out)) == tree(tmp_path / "reference")
    assert len(results(job)) == 39
