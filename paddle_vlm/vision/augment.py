"""Augmentation of whole batches of pictures: flip, crop, colour, a RandAugment-like policy, cutout, mixup, cutmix."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

Amounts = np.ndarray  # float32 [N], -1..1: how far and in which direction each picture is changed


@dataclass
class AugmentConfig:
    """What is done, in this order; the defaults do nothing."""

    flip: bool = False  # left and right, every second picture
    crop: int = 0  # shift by up to so many pixels; the border is filled by reflection
    policy: int = 0  # operations of POLICY for each picture (N of RandAugment, Cubuk et al. 2020)
    strength: float = 0.5  # of these operations, 0 to 1 (M of RandAugment)
    colour: float = 0.0  # jitter of brightness, contrast, saturation and hue, 0 to 1
    cutout: int = 0  # side of a grey square in pixels (DeVries and Taylor 2017)
    mixup: float = 0.0  # parameter of the Beta distribution of the weights (Zhang et al. 2018), usually 0.2
    cutmix: float = 0.0  # likewise of the areas (Yun et al. 2019), usually 1; with mixup, each batch draws one of both

    def __post_init__(self) -> None:
        negative = [name for name, value in vars(self).items() if value < 0]
        if negative:
            raise ValueError(f"augment.{negative[0]} 不能是负数。")
        if self.strength > 1 or self.colour > 1:
            raise ValueError("augment.strength 和 augment.colour 应在 0 到 1 之间。")


class Augment:
    """`Augment(config, classes)(images, labels, rng)`; the same generator state gives the same pictures.

    Args:
        classes: how many there are; needed for mixup and cutmix only.
    """

    def __init__(self, config: AugmentConfig, classes: int | None = None) -> None:
        self.config, self.classes = config, classes

    def __call__(
        self, images: np.ndarray, labels: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """images uint8 [N, H, W, 3], labels int64 [N] -> new images, labels; or, mixed, targets float32 [N, classes].

        The given arrays are left as they are.
        """
        config = self.config
        images = shift(images, config.crop, rng) if config.crop else images.copy()
        if config.flip:
            chosen = rng.random(len(images)) < 0.5
            images[chosen] = images[chosen, :, ::-1]
        for _ in range(config.policy):
            images = apply_policy(images, config.strength, rng)
        if config.colour:
            images = jitter(images, config.colour, rng)
        if config.cutout:
            cut_out_squares(images, config.cutout, rng)
        if config.mixup or config.cutmix:
            return self._mix(images, labels, rng)
        return images, labels

    def _mix(self, images: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        if self.classes is None:
            raise ValueError("mixup and cutmix need the number of classes")
        mixup, cutmix = self.config.mixup, self.config.cutmix
        with_areas = cutmix > 0 and (not mixup or rng.random() < 0.5)
        partner = rng.permutation(len(images))
        if with_areas:
            images, share = paste_areas(images, partner, rng.beta(cutmix, cutmix), rng)
        else:
            share = rng.beta(mixup, mixup)
            images = cv2.addWeighted(images, share, images[partner], 1 - share, 0)
        one_hot = np.eye(self.classes, dtype=np.float32)
        return images, np.float32(share) * one_hot[labels] + np.float32(1 - share) * one_hot[labels[partner]]


def shift(images: np.ndarray, pixels: int, rng: np.random.Generator) -> np.ndarray:
    """Move each picture by up to `pixels` in both directions."""
    height, width = images.shape[1:3]
    moved = np.empty_like(images)
    for i, (y, x) in enumerate(rng.integers(0, 2 * pixels + 1, (len(images), 2)).tolist()):
        padded = cv2.copyMakeBorder(images[i], pixels, pixels, pixels, pixels, cv2.BORDER_REFLECT_101)
        moved[i] = padded[y : y + height, x : x + width]
    return moved


def cut_out_squares(images: np.ndarray, side: int, rng: np.random.Generator) -> None:
    """Paint a grey square somewhere into each picture, in place; it may reach over the border."""
    height, width = images.shape[1:3]
    middles = zip(rng.integers(0, height, len(images)), rng.integers(0, width, len(images)), strict=True)
    for image, (y, x) in zip(images, middles, strict=True):
        top, left = y - side // 2, x - side // 2
        image[max(0, top) : max(0, top + side), max(0, left) : max(0, left + side)] = 128


def paste_areas(
    images: np.ndarray, partner: np.ndarray, share: float, rng: np.random.Generator
) -> tuple[np.ndarray, float]:
    """Paste a rectangle of 1 - share of the area from each picture's partner; -> pictures, the share that was kept."""
    height, width = images.shape[1:3]
    side = np.sqrt(1 - share)
    y, x = rng.integers(0, height), rng.integers(0, width)
    top, bottom = max(0, round(y - side * height / 2)), min(height, round(y + side * height / 2))
    left, right = max(0, round(x - side * width / 2)), min(width, round(x + side * width / 2))
    mixed = images.copy()
    mixed[:, top:bottom, left:right] = images[partner, top:bottom, left:right]
    return mixed, 1 - (bottom - top) * (right - left) / (height * width)


def jitter(images: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Change brightness, contrast and saturation by up to 60 %, and the hue by up to 36 degrees, times `strength`."""
    amounts = rng.uniform(-strength, strength, (4, len(images))).astype(np.float32)
    turned = _hue(amounts[3]) @ _saturation(amounts[2])
    return _recolour(images, turned * (1 + 0.6 * amounts[1])[:, None, None], 0.6 * amounts[0], pivot=True)


def apply_policy(images: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """One operation of POLICY on each picture, drawn at random, with a random amount of up to `strength`."""
    drawn = rng.integers(0, len(POLICY), len(images))
    amounts = rng.uniform(-strength, strength, len(images)).astype(np.float32)
    changed = np.empty_like(images)
    for number, operation in enumerate(POLICY.values()):
        chosen = np.flatnonzero(drawn == number)
        if len(chosen):
            changed[chosen] = operation(images[chosen], amounts[chosen])
    return changed


_GREY = np.array([0.299, 0.587, 0.114], np.float32)
_TO_YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]], np.float32)
_FROM_YIQ = np.linalg.inv(_TO_YIQ).astype(np.float32)


def _saturation(amounts: Amounts) -> np.ndarray:
    """Matrices [N, 3, 3] that mix a colour with its grey (or away from it) by 60 % of `amounts`."""
    kept = (1 + 0.6 * amounts)[:, None, None]
    return kept * np.eye(3, dtype=np.float32) + (1 - kept) * _GREY


def _hue(amounts: Amounts) -> np.ndarray:
    """Matrices [N, 3, 3] that turn the colour circle by 36 degrees times `amounts`."""
    angle = amounts * np.float32(np.pi / 5)
    turn = np.zeros((len(amounts), 3, 3), np.float32)
    turn[:, 0, 0] = 1
    turn[:, 1, 1] = turn[:, 2, 2] = np.cos(angle)
    turn[:, 2, 1] = np.sin(angle)
    turn[:, 1, 2] = -turn[:, 2, 1]
    return _FROM_YIQ @ turn @ _TO_YIQ


def _recolour(images: np.ndarray, matrices: np.ndarray, lift: np.ndarray | float, pivot: bool = False) -> np.ndarray:
    """matrix @ colour + 128 * lift; with `pivot` the picture's mean grey stays where it is before the lift."""
    offset = np.full((len(images), 3), 128 * np.asarray(lift, np.float32)[..., None], np.float32)
    if pivot:
        middle = np.array([cv2.mean(image)[:3] for image in images], np.float32) @ _GREY
        offset += middle[:, None] * (1 - matrices.sum(-1))
    changed = [
        cv2.transform(image, np.column_stack([matrix, shifted]))  # rounds and saturates
        for image, matrix, shifted in zip(images, matrices, offset, strict=True)
    ]
    return np.stack(changed)


def _brightness(images: np.ndarray, amounts: Amounts) -> np.ndarray:
    return _recolour(images, np.tile(np.eye(3, dtype=np.float32), (len(images), 1, 1)), 0.8 * amounts)


def _contrast(images: np.ndarray, amounts: Amounts) -> np.ndarray:
    return _recolour(images, np.eye(3, dtype=np.float32) * (1 + 0.9 * amounts)[:, None, None], 0.0, pivot=True)


def _warp(images: np.ndarray, matrices: np.ndarray) -> np.ndarray:
    """Affine maps [N, 2, 2] about the middle; what comes in from outside is a reflection."""
    height, width = images.shape[1:3]
    middle = np.array([(width - 1) / 2, (height - 1) / 2], np.float32)
    offsets = middle - matrices @ middle
    full = np.concatenate([matrices, offsets[..., None]], -1)
    return np.stack([
        cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        for image, matrix in zip(images, full, strict=True)
    ])  # fmt: skip


def _rotate(images: np.ndarray, amounts: Amounts) -> np.ndarray:
    cos, sin = np.cos(amounts * np.pi / 6), np.sin(amounts * np.pi / 6)
    return _warp(images, np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], -2).astype(np.float32))


def _shear(images: np.ndarray, amounts: Amounts) -> np.ndarray:
    matrices = np.tile(np.eye(2, dtype=np.float32), (len(images), 1, 1))
    matrices[:, 0, 1] = 0.4 * amounts
    return _warp(images, matrices)


def _stretch(images: np.ndarray, amounts: Amounts) -> np.ndarray:
    matrices = np.zeros((len(images), 2, 2), np.float32)
    matrices[:, 0, 0], matrices[:, 1, 1] = 1 + 0.4 * amounts, 1 - 0.4 * amounts
    return _warp(images, matrices)


def _zoom(images: np.ndarray, amounts: Amounts) -> np.ndarray:
    return _warp(images, np.eye(2, dtype=np.float32) * (1 + 0.4 * amounts)[:, None, None])


def _sharpen(images: np.ndarray, amounts: Amounts) -> np.ndarray:
    """Away from the blurred picture, or towards it."""
    return np.stack([
        cv2.addWeighted(image, 1 + 1.5 * amount, cv2.blur(image, (3, 3)), -1.5 * amount, 0)
        for image, amount in zip(images, amounts, strict=True)
    ])  # fmt: skip


def _posterize(images: np.ndarray, amounts: Amounts) -> np.ndarray:
    """Drop up to 5 of the 8 bits."""
    dropped = np.round(5 * np.abs(amounts)).astype(np.uint8)[:, None, None, None]
    return (images >> dropped) << dropped


def _solarize(images: np.ndarray, amounts: Amounts) -> np.ndarray:
    """Invert what is brighter than a limit."""
    limit = (255 * (1 - np.abs(amounts)))[:, None, None, None]
    return np.where(images > limit, 255 - images, images)


def _equalize(images: np.ndarray, amounts: Amounts) -> np.ndarray:
    """Towards the picture with equalised brightness."""
    changed = []
    for image, amount in zip(images, np.abs(amounts), strict=True):
        ycc = cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb)
        ycc[..., 0] = cv2.equalizeHist(ycc[..., 0])
        changed.append(cv2.addWeighted(image, 1 - amount, cv2.cvtColor(ycc, cv2.COLOR_YCrCb2RGB), amount, 0))
    return np.stack(changed)


POLICY: dict[str, Callable[[np.ndarray, Amounts], np.ndarray]] = {
    "keep": lambda images, amounts: images,
    "rotate": _rotate,
    "shear": _shear,
    "stretch": _stretch,
    "zoom": _zoom,
    "brightness": _brightness,
    "contrast": _contrast,
    "saturation": lambda images, amounts: _recolour(images, _saturation(amounts), 0.0),
    "hue": lambda images, amounts: _recolour(images, _hue(amounts), 0.0),
    "sharpen": _sharpen,
    "posterize": _posterize,
    "solarize": _solarize,
    "equalize": _equalize,
}


def draw_sheet(
    images: np.ndarray, settings: list[AugmentConfig], rng: np.random.Generator, zoom: int = 2, gap: int = 4
) -> np.ndarray:
    """A picture for looking at: the originals in the first row, below them one row for each setting.

    images uint8 [N, H, W, 3] -> uint8 [rows * (zoom H + gap), N * (zoom W + gap), 3].
    """
    labels = np.zeros(len(images), np.int64)
    rows = [images] + [Augment(config, classes=1)(images, labels, rng)[0] for config in settings]
    large = [np.repeat(np.repeat(row, zoom, 1), zoom, 2) for row in rows]
    framed = [np.pad(row, ((0, 0), (0, gap), (0, gap), (0, 0)), constant_values=255) for row in large]
    return np.concatenate([np.concatenate(list(row), 1) for row in framed])
