import numpy as np
import pytest

from paddle_vlm.vision.augment import POLICY, Augment, AugmentConfig, draw_sheet, paste_areas, shift


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture
def batch():
    """40 pictures, each of one colour with a white dot left of the middle, in 4 classes."""
    images = np.zeros((40, 16, 16, 3), np.uint8) + rng().integers(20, 200, (40, 1, 1, 3)).astype(np.uint8)
    images[:, 7:9, 3:5] = 255
    return images, np.arange(40) % 4


ALL = AugmentConfig(flip=True, crop=2, policy=2, strength=1.0, colour=1.0, cutout=5, mixup=0.5, cutmix=1.0)


def test_the_defaults_change_nothing(batch):
    images, labels = Augment(AugmentConfig())(*batch, rng())
    assert np.array_equal(images, batch[0]) and np.array_equal(labels, batch[1])


def test_the_same_seed_gives_the_same_pictures_and_the_originals_are_left_alone(batch):
    before = batch[0].copy()
    augment = Augment(ALL, classes=4)
    (first, targets), (again, _), (other, _) = (augment(*batch, rng(seed)) for seed in (1, 1, 2))
    assert first.shape == before.shape and first.dtype == np.uint8 and targets.dtype == np.float32
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    assert np.array_equal(batch[0], before)


def test_flip_mirrors_about_half_of_the_pictures(batch):
    images, _ = Augment(AugmentConfig(flip=True))(*batch, rng())
    mirrored = (images == batch[0][:, :, ::-1]).all(axis=(1, 2, 3))
    kept = (images == batch[0]).all(axis=(1, 2, 3))
    assert (mirrored ^ kept).all() and 10 < mirrored.sum() < 30


def test_crop_moves_by_at_most_so_many_pixels(batch):
    moved = shift(batch[0], 2, rng())
    dots = [np.argwhere((image == 255).all(-1)).min(0) for image in moved]
    offsets = np.array(dots) - [7, 3]
    assert np.abs(offsets).max() == 2 and len({tuple(offset) for offset in offsets}) > 10


def test_cutout_hides_a_grey_square_of_the_given_side_at_most(batch):
    images, _ = Augment(AugmentConfig(cutout=6))(*batch, rng())
    hidden = (images == 128).all(-1).sum(axis=(1, 2))
    assert hidden.max() == 36 and hidden.min() > 0


def test_colour_changes_colours_but_not_where_things_are(batch):
    images, _ = Augment(AugmentConfig(colour=1.0))(*batch, rng())
    assert not (images == batch[0]).all(axis=(1, 2, 3)).any()
    for image in images:
        assert len(np.unique(image[:7].reshape(-1, 3), axis=0)) == 1  # what was one colour is one still


def test_grey_stays_grey_when_only_the_hue_or_saturation_changes():
    grey = np.full((2, 8, 8, 3), 100, np.uint8)
    amounts = np.array([-1, 1], np.float32)
    for name in ("hue", "saturation"):
        assert np.abs(POLICY[name](grey, amounts).astype(int) - 100).max() <= 1


@pytest.mark.parametrize("name", POLICY)
def test_every_operation_keeps_shape_and_grows_with_its_amount(batch, name):
    images = batch[0].copy()
    images[:, :4] //= 2  # edges, so that every operation has something to change
    change = [
        np.abs(POLICY[name](images, np.full(40, amount, np.float32)).astype(int) - images).mean()
        for amount in (0.0, 0.3, 1.0)
    ]
    assert POLICY[name](images, np.ones(40, np.float32)).dtype == np.uint8
    if name == "keep":
        assert not any(change)
    else:
        assert change[0] < 0.5 and change[2] > max(change[0], 0.2) and change[2] >= change[1]


def test_mixup_mixes_pictures_and_targets_by_the_same_share(batch):
    images = np.zeros((40, 4, 4, 3), np.uint8)
    images[batch[1] == 1] = 200
    mixed, targets = Augment(AugmentConfig(mixup=1.0), classes=4)(images, batch[1], rng(4))
    assert np.allclose(targets.sum(1), 1)
    assert np.allclose(mixed[:, 0, 0, 0], 200 * targets[:, 1], atol=1)
    assert 0.05 < targets.max(1).min() < 0.95


def test_cutmix_targets_are_the_areas(batch):
    images = np.zeros((40, 16, 16, 3), np.uint8) + batch[1].astype(np.uint8)[:, None, None, None]
    mixed, targets = Augment(AugmentConfig(cutmix=1.0), classes=4)(images, batch[1], rng(5))
    areas = np.stack([(mixed[..., 0] == label).mean(axis=(1, 2)) for label in range(4)], 1)
    assert np.allclose(areas, targets, atol=1e-6) and (targets.max(1) < 1).any()


def test_a_share_of_one_keeps_the_whole_picture(batch):
    mixed, share = paste_areas(batch[0], np.arange(40)[::-1], 1.0, rng())
    assert share == 1 and np.array_equal(mixed, batch[0])


def test_wrong_settings_are_refused(batch):
    with pytest.raises(ValueError, match="crop"):
        AugmentConfig(crop=-1)
    with pytest.raises(ValueError, match="strength"):
        AugmentConfig(strength=2)
    with pytest.raises(ValueError, match="classes"):
        Augment(AugmentConfig(mixup=0.2))(*batch, rng())


def test_the_sheet_shows_the_originals_above_each_setting(batch):
    sheet = draw_sheet(batch[0][:5], [AugmentConfig(flip=True), ALL], rng(), zoom=2, gap=4)
    assert sheet.shape == (3 * 36, 5 * 36, 3)
    assert np.array_equal(sheet[:32:2, :32:2], batch[0][0])
