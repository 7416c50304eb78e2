"""Indexing folders: what is new, changed, moved, copied, gone or broken; interrupted and concurrent runs."""

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

from paddle_vlm.errors import BadIndex, UsageError
from paddle_vlm.retrieval.build import update_index
from paddle_vlm.retrieval.catalog import Filter
from paddle_vlm.retrieval.index import PictureIndex


class Counting:
    """The encoder that it wraps, and how many pictures it was given."""

    def __init__(self, model) -> None:
        self.dim, self.fingerprint, self._model, self.seen = model.dim, model.fingerprint, model, 0

    def encode_images(self, images):
        self.seen += len(images)
        return self._model.encode_images(images)


@pytest.fixture
def encoder(colour_model) -> Counting:
    return Counting(colour_model)


@pytest.fixture
def run(tmp_path, encoder):
    """Indexes folders into tmp_path/gallery and returns the report."""

    def index(*roots: Path, **options):
        with PictureIndex.edit(tmp_path / "gallery", "colours", encoder) as gallery:
            return update_index(gallery, encoder, roots, batch=4, **options)

    return index


def nearest(tmp_path, colour_model, colour: str, k: int = 1) -> list[str]:
    with PictureIndex.open(tmp_path / "gallery") as index:
        return [Path(found.picture.path).name for found in index.search(colour_model.encode_texts([colour])[0], k)]


def test_pictures_are_found_after_indexing_and_a_second_run_reads_nothing(
    tmp_path, run, encoder, colour_photos, colour_model
):
    photos = colour_photos(红=3, 蓝=3, 绿=3)
    progress = []
    report = run(photos, progress=lambda done, of: progress.append((done, of)))
    assert (report.added, report.total, report.unchanged) == (9, 9, 0)
    assert progress == [(4, 9), (8, 9), (9, 9)]
    assert nearest(tmp_path, colour_model, "红", 3) == ["红0.png", "红1.png", "红2.png"]
    report = run(photos)
    assert (report.added, report.unchanged, encoder.seen) == (0, 9, 9)
    assert "索引共 9 张" in report.summary()


def test_changed_moved_touched_copied_and_deleted_files_are_noticed(
    tmp_path, run, encoder, colour_photos, colour_model
):
    photos = colour_photos(红=2, 蓝=2, 黄=1)
    run(photos)
    encoder.seen = 0
    (photos / "红0.png").write_bytes((photos / "蓝0.png").read_bytes())  # changed
    (photos / "sub").mkdir()
    (photos / "红1.png").rename(photos / "sub/moved.png")
    os.utime(photos / "蓝0.png", ns=(1, 1))  # touched
    (photos / "copy.png").write_bytes((photos / "蓝1.png").read_bytes())
    (photos / "黄0.png").unlink()
    report = run(photos)
    assert (report.added, report.changed, report.moved, report.removed, report.unchanged) == (1, 1, 2, 1, 1)
    assert encoder.seen == 2
    assert nearest(tmp_path, colour_model, "红") == ["moved.png"]
    assert set(nearest(tmp_path, colour_model, "蓝", 4)) == {"红0.png", "蓝0.png", "蓝1.png", "copy.png"}
    assert run(photos).unchanged == 5


def test_two_files_that_swapped_their_names_are_not_read_again(tmp_path, run, encoder, colour_model):
    photos = tmp_path / "photos"
    photos.mkdir()
    for name, colour in (("a.bmp", (255, 0, 0)), ("b.bmp", (0, 0, 255))):  # BMP: files of equal size
        Image.fromarray(np.full((8, 8, 3), colour, np.uint8)).save(photos / name)
    run(photos)
    (photos / "a.bmp").rename(photos / "c.bmp")
    (photos / "b.bmp").rename(photos / "a.bmp")
    (photos / "c.bmp").rename(photos / "b.bmp")
    assert run(photos).moved == 2
    assert encoder.seen == 2
    assert nearest(tmp_path, colour_model, "红") == ["b.bmp"]


def test_a_folder_that_was_renamed_costs_no_encoding(tmp_path, run, encoder, colour_photos):
    photos = colour_photos(红=3, 蓝=2)
    run(photos)
    photos.rename(tmp_path / "elsewhere")
    report = run(tmp_path / "elsewhere")
    assert (report.moved, report.added, report.total, encoder.seen) == (5, 0, 5, 5)


def test_several_folders_share_an_index_and_each_run_looks_after_its_own(tmp_path, run, colour_photos):
    first, second = colour_photos("a", 红=2), colour_photos("b", 蓝=2)
    run(first)
    assert run(second).total == 4
    (first / "红0.png").unlink()
    assert run(second).removed == 0
    assert run(first, second).removed == 1
    with PictureIndex.open(tmp_path / "gallery") as index:
        assert index.roots() == [str(first), str(second)]


def test_a_folder_inside_another_one_is_indexed_once(run, colour_photos):
    colour_photos("a/b", 蓝=2)
    photos = colour_photos("a", 红=1)
    assert run(photos, photos / "b").total == 3


def test_unreadable_files_are_listed_and_tried_again_only_when_they_change(run, encoder, colour_photos):
    photos = colour_photos(红=2)
    good = (photos / "红0.png").read_bytes()
    (photos / "bad.jpg").write_bytes(b"no picture")
    (photos / "cut.png").write_bytes(good[: len(good) // 2])
    report = run(photos)
    assert report.added == 2
    assert {Path(path).name for path in report.unreadable} == {"bad.jpg", "cut.png"}
    assert all(Path(path).name in reason for path, reason in report.unreadable.items())
    assert len(run(photos).unreadable) == 2
    (photos / "cut.png").write_bytes(good)
    (photos / "bad.jpg").unlink()
    report = run(photos)
    assert (report.added, report.unreadable) == (1, {})


def test_a_picture_that_becomes_unreadable_leaves_the_index(run, colour_photos):
    photos = colour_photos(红=2)
    run(photos)
    (photos / "红0.png").write_bytes(b"broken")
    report = run(photos)
    assert (report.removed, report.total, len(report.unreadable)) == (1, 1, 1)


def test_hidden_files_and_other_files_are_left_out(run, colour_photos):
    photos = colour_photos(红=1)
    (photos / ".hidden.png").write_bytes((photos / "红0.png").read_bytes())
    (photos / ".thumbs").mkdir()
    (photos / ".thumbs/a.png").write_bytes((photos / "红0.png").read_bytes())
    (photos / "notes.txt").write_text("hello")
    assert run(photos).total == 1


def test_a_folder_without_pictures_is_refused_and_never_empties_an_index(tmp_path, run, colour_photos):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="没有图片"):
        run(tmp_path / "empty")
    with pytest.raises(UsageError, match="找不到文件夹"):
        run(tmp_path / "missing")
    photos = colour_photos(红=2)
    run(photos)
    for path in photos.iterdir():
        path.unlink()
    with pytest.raises(UsageError, match="没有挂载"):
        run(photos)
    with PictureIndex.open(tmp_path / "gallery") as index:
        assert index.count() == 2


def test_pixels_size_and_time_are_kept(tmp_path, run):
    exif = Image.Exif()
    exif[0x112] = 6  # turned by a quarter
    exif.get_ifd(0x8769)[36867] = "2021:05:04 03:02:01"
    (tmp_path / "p").mkdir()
    Image.fromarray(np.zeros((3000, 4000, 3), np.uint8)).save(tmp_path / "p/a.jpg", exif=exif)
    Image.fromarray(np.zeros((30, 40, 3), np.uint8)).save(tmp_path / "p/b.png")
    run(tmp_path / "p", captions={(tmp_path / "p/b.png").as_posix(): "黑"})
    with PictureIndex.open(tmp_path / "gallery") as index:
        taken = time.mktime((2021, 5, 4, 3, 2, 1, 0, 0, -1))
        (old,) = index.search(np.ones(64, np.float32), 9, Filter(before=taken + 1))
        (new,) = index.search(np.ones(64, np.float32), 9, Filter(after=taken + 1))
    assert (old.picture.width, old.picture.height, old.picture.taken) == (3000, 4000, taken)
    assert (new.picture.width, new.picture.height, new.picture.caption) == (40, 30, "黑")


def test_two_processes_cannot_index_at_once_and_a_reader_is_not_disturbed(tmp_path, run, colour_photos, colour_model):
    photos = colour_photos(红=1)
    run(photos)
    with FileLock(tmp_path / "gallery/lock"):
        with pytest.raises(BadIndex, match="另一个进程"):
            run(photos)
        assert nearest(tmp_path, colour_model, "红") == ["红0.png"]
    run(photos)


def test_an_index_of_another_model_is_refused_with_the_command_that_rebuilds(tmp_path, run, encoder, colour_photos):
    photos = colour_photos(红=1)
    run(photos)
    encoder.fingerprint = "colours-2"
    with pytest.raises(BadIndex, match=f"paddle-vlm index {photos} --index .*gallery.* --rebuild"):
        run(photos)
    with PictureIndex.edit(tmp_path / "gallery", "colours", encoder, rebuild=True) as index:
        assert update_index(index, encoder, [photos]).added == 1


def test_a_damaged_catalog_can_be_rebuilt(tmp_path, run, encoder, colour_photos):
    photos = colour_photos(红=1)
    run(photos)
    (tmp_path / "gallery/pictures.sqlite").write_bytes(b"nonsense" * 999)
    with pytest.raises(BadIndex, match="--rebuild"):
        run(photos)
    with PictureIndex.edit(tmp_path / "gallery", "colours", encoder, rebuild=True) as index:
        assert update_index(index, encoder, [photos]).added == 1


def test_the_same_in_milvus_lite(tmp_path, encoder, colour_photos, colour_model):
    photos, uri = colour_photos(红=2, 蓝=2), str(tmp_path / "vectors.db")
    with PictureIndex.edit(tmp_path / "gallery", "colours", encoder, milvus=uri) as index:
        update_index(index, encoder, [photos])
        (photos / "红0.png").rename(photos / "renamed.png")
        (photos / "蓝0.png").unlink()
        report = update_index(index, encoder, [photos])
    assert (report.moved, report.removed, report.total) == (1, 1, 3)
    assert set(nearest(tmp_path, colour_model, "红", 2)) == {"renamed.png", "红1.png"}
    with pytest.raises(UsageError, match="--rebuild"):
        PictureIndex.edit(tmp_path / "gallery", "colours", encoder, milvus="http://127.0.0.1:9")


SLOW_RUN = textwrap.dedent("""
    import sys, time
    from pathlib import Path
    import numpy as np
    from paddle_vlm.retrieval.build import update_index
    from paddle_vlm.retrieval.index import PictureIndex

    class Slow:
        dim, fingerprint = 64, "colours-1"
        def encode_images(self, images):
            time.sleep(0.2)
            return np.stack([np.eye(64, dtype=np.float32)[int(image.sum()) % 64] for image in images])

    with PictureIndex.edit(sys.argv[2], "colours", Slow()) as index:
        update_index(index, Slow(), [Path(sys.argv[1])], batch=3, progress=lambda done, of: print(done, flush=True))
""")


def test_a_run_that_is_killed_loses_at_most_its_last_batch_and_the_next_one_goes_on(
    tmp_path, run, encoder, colour_photos
):
    photos = colour_photos(红=20, 蓝=20)
    command = [sys.executable, "-c", SLOW_RUN, str(photos), str(tmp_path / "gallery")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        reported = [int(process.stdout.readline()) for _ in range(3)][-1]
        time.sleep(0.1)
        process.kill()
    with PictureIndex.open(tmp_path / "gallery") as index:
        kept = index.count()
        assert reported <= kept <= reported + 3
        assert len(index.search(np.ones(64, np.float32), 99)) == kept
    assert run(photos).total == 40
    assert encoder.seen == 40 - kept
