"""Duplicates: edited copies are found, different pictures are not confused."""

import cv2
import numpy as np
import pytest

from paddle_vlm.retrieval.dedup import find_duplicates
from paddle_vlm.retrieval.scan import find_files


def scene(seed: int) -> np.ndarray:
    """A picture with plenty of places to recognise: smooth clouds with discs and lines on them, uint8 [240, 320, 3]."""
    random = np.random.default_rng(seed)
    picture = cv2.resize(
        random.uniform(60, 200, (6, 8, 3)).astype(np.float32), (320, 240), interpolation=cv2.INTER_CUBIC
    )
    for _ in range(60):
        colour = random.uniform(0, 255, 3).tolist()
        x, y, u, v = (int(value) for value in random.uniform(0, 1, 4) * (320, 240, 320, 240))
        cv2.circle(picture, (x, y), int(random.integers(4, 22)), colour, -1)
        cv2.line(picture, (x, y), (u, v), colour, 2)
    return picture.clip(0, 255).astype(np.uint8)


EDITS = {
    "small": lambda rgb: cv2.resize(rgb, (160, 120), interpolation=cv2.INTER_AREA),
    "grey": lambda rgb: cv2.cvtColor(rgb, cv2.COLOR_BGR2GRAY),
    "bright": lambda rgb: np.clip(rgb * 1.3 + 10, 0, 255).astype(np.uint8),
    "crop": lambda rgb: rgb[20:220, 30:300],
    "turned": lambda rgb: cv2.warpAffine(rgb, cv2.getRotationMatrix2D((160, 120), 8, 1), (320, 240)),
}


@pytest.fixture
def folder(tmp_path):
    for seed in range(8):
        cv2.imwrite(str(tmp_path / f"{seed}.png"), scene(seed))
    return tmp_path


def groups(folder, encoder) -> list[set[str]]:
    found = find_duplicates(list(find_files(folder)), encoder)
    return [{photo.path.rsplit("/", 1)[-1] for photo in group.photos} for group in found.groups]


def test_different_pictures_are_no_duplicates(folder, colour_model):
    assert groups(folder, colour_model) == []


def test_equal_files_are_found_and_called_exact(folder, colour_model):
    (folder / "copy.png").write_bytes((folder / "3.png").read_bytes())
    (group,) = find_duplicates(list(find_files(folder)), colour_model).groups
    assert group.exact
    assert group.wasted == (folder / "3.png").stat().st_size


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_copy_is_found_and_the_larger_one_kept(folder, colour_model, edit):
    cv2.imwrite(str(folder / "edited.jpg"), EDITS[edit](scene(5)), [cv2.IMWRITE_JPEG_QUALITY, 80])
    (group,) = find_duplicates(list(find_files(folder)), colour_model).groups
    assert not group.exact
    assert [photo.path.rsplit("/", 1)[-1] for photo in group.photos] == ["5.png", "edited.jpg"]


def test_the_same_frame_around_different_pictures_is_no_duplicate(tmp_path, colour_model):
    frame = scene(0)
    for seed in (1, 2):
        framed = cv2.copyMakeBorder(cv2.resize(frame, (320, 60)), 0, 240, 0, 0, cv2.BORDER_CONSTANT)
        framed[60:] = scene(seed)
        cv2.imwrite(str(tmp_path / f"{seed}.png"), framed)
    assert groups(tmp_path, colour_model) == []


def test_plain_pictures_are_judged_by_their_colour(tmp_path, colour_model):
    for name, grey in (("a.png", 100), ("b.jpg", 101), ("c.png", 160)):
        cv2.imwrite(str(tmp_path / name), np.full((50, 70, 3), grey, np.uint8))
    assert groups(tmp_path, colour_model) == [{"a.png", "b.jpg"}]


def test_the_same_drawing_in_another_colour_is_no_duplicate(tmp_path, colour_model):
    drawing = cv2.cvtColor(scene(0), cv2.COLOR_BGR2HSV)
    for hue in (0, 90):
        turned = np.dstack([(drawing[..., 0].astype(int) + hue) % 180, drawing[..., 1:]]).astype(np.uint8)
        cv2.imwrite(str(tmp_path / f"{hue}.png"), cv2.cvtColor(turned, cv2.COLOR_HSV2BGR))
    assert groups(tmp_path, colour_model) == []


def test_one_picture_and_unreadable_files(tmp_path, colour_model):
    cv2.imwrite(str(tmp_path / "a.png"), scene(0))
    (tmp_path / "b.png").write_bytes(b"no picture")
    found = find_duplicates(list(find_files(tmp_path)), colour_model)
    assert (found.groups, found.looked_at) == ([], 1)
    assert [path.rsplit("/", 1)[-1] for path in found.unreadable] == ["b.png"]
