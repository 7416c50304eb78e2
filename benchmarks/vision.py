"""Pictures for docs/zh/features.md and docs/zh/classification.md, and the speed of what they show.

python benchmarks/vision.py --pictures docs/images [--classifier runs/quickstart/model]
python benchmarks/vision.py --json figures.json [--classifier runs/quickstart/model --font NotoColorEmoji.ttf]
"""

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import paddle_vlm  # noqa: F401  sets the threads before numpy is loaded

import cv2  # isort: skip
import numpy as np  # isort: skip

from paddle_vlm.apps.classification import Classifier
from paddle_vlm.apps.features import find_features, match_pictures
from paddle_vlm.data import emoji
from paddle_vlm.models.classifier import ImageClassifier
from paddle_vlm.training.baseline import hog_svm_accuracy
from paddle_vlm.vision import features
from paddle_vlm.vision.augment import Augment, AugmentConfig, draw_sheet
from paddle_vlm.vision.image import load_image, save_image
from paddle_vlm.vision.segment import cut_out, superpixels, watershed

SETTINGS = {
    "flip": AugmentConfig(flip=True),
    "crop": AugmentConfig(crop=8),
    "colour": AugmentConfig(colour=0.6),
    "policy": AugmentConfig(policy=2, strength=0.8),
    "cutout": AugmentConfig(cutout=24),
    "mixup": AugmentConfig(mixup=1.0),
    "cutmix": AugmentConfig(cutmix=1.0),
    "flip+crop": AugmentConfig(flip=True, crop=4),
    "all": AugmentConfig(flip=True, crop=4, policy=2, colour=0.5, cutout=8, mixup=0.2, cutmix=1.0),
}


def main() -> None:
    """Draw, measure, or both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="draw into this folder, from the pictures in it")
    parser.add_argument("--classifier", type=Path, metavar="DIR", help="a trained emoji classifier")
    parser.add_argument("--font", type=Path, default=emoji.FONT, metavar="TTF", help="NotoColorEmoji.ttf, if not there")
    parser.add_argument("--json", type=Path, metavar="FILE", help="measure speed, and the accuracy of --classifier")
    args = parser.parse_args()
    if args.pictures:
        draw(args.pictures)
        if args.classifier:
            draw_heatmaps(args.classifier, args.pictures)
    if args.json:
        figures = measure() | (accuracies(args.classifier, args.font) if args.classifier else {})
        args.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")
        print(json.dumps(figures, indent=1))


def draw(folder: Path) -> None:
    """One picture for each feature."""
    rng = np.random.default_rng(7)
    drawings = emoji.load("train", 64)
    chosen = drawings.images[rng.permutation(len(drawings))[:10]]
    shown = [SETTINGS[name] for name in ("flip", "crop", "colour", "policy", "cutout")]
    shown += [AugmentConfig(mixup=8.0), AugmentConfig(cutmix=8.0)]  # 8: shares near one half show best
    save_image(draw_sheet(chosen, shown, rng, zoom=1), None, folder / "augment.png")
    for found in (
        find_features(folder / "shop.jpg"),
        find_features(folder / "park.jpg", "hog"),
        find_features(folder / "shop.jpg", "words"),
        find_features(_still_life(), "segment"),
    ):
        save_image(_smaller(found.rgb), None, folder / f"features_{found.kind}.jpg")
    shop = load_image(folder / "shop.jpg").rgb
    save_image(_smaller(match_pictures(shop, _seen_from_the_side(shop)).rgb), None, folder / "features_match.jpg")


def draw_heatmaps(model: Path, folder: Path) -> None:
    """Test emoji and what spoke for their class, side by side."""
    classifier, columns = Classifier(model), []
    drawn = {each.character: image for each, image in _pairs(emoji.load_emoji("twemoji", 160))}
    for name in ("动物", "交通工具", "食物", "衣物", "建筑", "人物"):
        image = drawn[emoji.split_classes()[name]["test"][1]]
        result = classifier.classify(image, explain=True)
        print(f"{name}: {result.label} {result.score:.0%}")
        columns.append(np.concatenate([image, result.heatmap]))
    save_image(np.concatenate(columns, 1), None, folder / "classify_heatmap.jpg")


def _pairs(drawings: emoji.EmojiImages) -> zip:
    return zip(drawings.emoji, drawings.images, strict=True)


def _still_life() -> np.ndarray:
    """A drawing with a soft shadow before a noisy wall and a table: something to cut out."""
    rng = np.random.default_rng(0)
    wall = np.full((300, 400, 3), (150, 170, 160), np.float32)
    wall[200:] = (140, 105, 75)
    wall += cv2.GaussianBlur(rng.normal(0, 60, wall.shape).astype(np.float32), (0, 0), 3)
    kept = emoji.load_emoji("twemoji", 200)
    index = [each.name_zh for each in kept.emoji].index("红苹果")
    alpha = np.zeros((300, 400, 1), np.float32)
    alpha[60:260, 100:300, 0] = kept.alpha[index] / 255
    picture = np.zeros_like(wall)
    picture[60:260, 100:300] = kept.images[index]
    shadow = 1 - 0.4 * cv2.GaussianBlur(np.roll(alpha[..., 0], (10, 14), (0, 1)), (0, 0), 7)[..., None]
    return np.clip(alpha * picture + (1 - alpha) * wall * shadow, 0, 255).astype(np.uint8)


def _seen_from_the_side(rgb: np.ndarray) -> np.ndarray:
    height, width = rgb.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    seen = corners * [0.75, 0.8] + [[0.1 * width, 0.02 * height], [0.2 * width, 0.1 * height], [0.1 * width, 0], [0, 0]]
    matrix = cv2.getPerspectiveTransform(corners, seen.astype(np.float32))
    darker = (rgb * 0.7).astype(np.uint8)
    return cv2.warpPerspective(darker, matrix, (width, height), borderValue=(70, 80, 90))


def _smaller(rgb: np.ndarray, width: int = 720) -> np.ndarray:
    scale = min(1.0, width / rgb.shape[1])
    return cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def measure() -> dict[str, float]:
    """Pictures per second: augmentation of 32 x 32 in batches of 32, everything else one picture of 480 x 360."""
    images = np.random.default_rng(0).integers(0, 256, (32, 32, 32, 3)).astype(np.uint8)
    labels, rng = np.arange(32) % 10, np.random.default_rng(0)
    figures = {}
    for name, config in SETTINGS.items():
        figures[f"augment {name}"] = 32 * _per_second(partial(Augment(config, 10), images, labels, rng))
    photo = cv2.resize(_still_life(), (480, 360))
    figures["hog 32x32"] = 32 * _per_second(lambda: features.hog(images))
    for name, action in {
        "sift": lambda: features.sift(photo),
        "match_sift": lambda: features.match_sift(photo, photo),
        "hog_cells": lambda: features.hog_cells(photo),
        "cut_out grabcut": lambda: cut_out(photo),
        "cut_out watershed": lambda: cut_out(photo, "watershed"),
        "superpixels": lambda: superpixels(photo),
        "watershed": lambda: watershed(photo),
    }.items():
        figures[name] = _per_second(action)
    return {name: float(f"{value:.3g}") for name, value in figures.items()}


def accuracies(model: Path, font: Path) -> dict[str, float]:
    """Share of the test emoji that a trained classifier names right, by style; that of HOG + SVM in both styles."""
    network = ImageClassifier.load(model)
    figures = {"accuracy hog + svm": round(hog_svm_accuracy(emoji.load("train"), emoji.load("test")), 4)}
    for style in (*emoji.STYLES, "noto") if font.is_file() else emoji.STYLES:
        test = emoji.load("test", network.config.size, (style,), font)
        figures[f"accuracy {style}"] = round(
            float((network.probabilities(test.images).argmax(1) == test.labels).mean()), 4
        )
    return figures


def _per_second(action: Callable[[], object], seconds: float = 1.0) -> float:
    action()
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        action()
        count += 1
    return count / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
