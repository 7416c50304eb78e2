"""Draw scenes with known Chinese text: `python benchmarks/scenes.py --out DIR --count 60 [--size WxH] [--lines N]`.

DIR then holds the pictures, `gt.tsv` (file, lines joined by `|`) and `lines.json` (polygon and style of every line).
Signs, menus, notices, couplets, posters and texts on pictures, on even, graded, grained and patterned grounds,
straight, turned and in perspective; with --lines only menus and notices, of exactly so many lines. The same seed draws
the same scene.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from backgrounds import GROUNDS, flat, foliage_bokeh
from PIL import Image
from scene_drawing import Colour, Pen, Scene, panel, view, write
from scene_texts import DISHES, NOTICES, POEMS, RULES, SHOPS, SIGNS, SLOGANS, VERTICALS

Draw = np.random.Generator

# Ground and text of signs, as one sees them in the street.
_PAIRS: list[tuple[Colour, Colour]] = [
    ((196, 24, 32), (255, 255, 255)), ((196, 24, 32), (255, 222, 80)), ((22, 90, 176), (255, 255, 255)),
    ((18, 116, 70), (255, 255, 255)), ((250, 250, 248), (26, 26, 28)), ((250, 250, 248), (200, 20, 30)),
    ((255, 208, 20), (20, 20, 20)), ((28, 30, 34), (240, 196, 96)), ((28, 30, 34), (255, 255, 255)),
    ((92, 52, 28), (238, 208, 150)), ((236, 226, 204), (70, 38, 20)), ((120, 24, 92), (255, 236, 246)),
    ((240, 120, 24), (255, 255, 255)), ((210, 232, 244), (18, 60, 110)), ((232, 240, 222), (30, 84, 40)),
]  # fmt: skip


def make_scene(seed: int, size: tuple[int, int] = (1280, 960), lines: int | None = None) -> Scene:
    """The scene of this seed; `size` is width, height in pixels, `lines` how many lines of text (up to 11)."""
    rng = np.random.default_rng(seed)
    width, height = size
    kinds = [_shop_sign, _menu, _notice, _couplet, _poster, _overlay, _labels]
    if lines is not None:
        kinds = [partial(_menu, dishes=lines - 1, prices=False), partial(_notice, rules=lines - 1)]
    scene = kinds[seed % len(kinds)](rng, width, height)
    if rng.random() < 0.5:
        quality = int(rng.integers(85, 97))
        coded = cv2.imencode(".jpg", scene.rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        scene.rgb = np.ascontiguousarray(cv2.imdecode(coded, cv2.IMREAD_COLOR)[..., ::-1])
    return scene


def _new(ground: np.ndarray) -> Scene:
    return Scene(ground.copy(), ground)


def _ground(rng: Draw, width: int, height: int, names: Sequence[str]) -> np.ndarray:
    return GROUNDS[str(rng.choice(names))](rng, width, height)


def _pick(rng: Draw, texts: Sequence[str], count: int = 1) -> list[str]:
    return [texts[i] for i in rng.choice(len(texts), min(count, len(texts)), replace=False)]


def _board(rng: Draw, back: Colour, width: int, height: int) -> np.ndarray:
    """Enamel, or the same with a gradient or a grain."""
    board = flat(rng, width, height, back).astype(np.float32)
    style = int(rng.integers(3))
    if style == 1:
        board *= np.linspace(1.06, 0.86, height, dtype=np.float32)[:, None, None]
    if style == 2:
        board += rng.normal(0, 3, (height, width, 1))
    return np.clip(board, 0, 255).astype(np.uint8)


def _shop_sign(rng: Draw, width: int, height: int) -> Scene:
    ground = _ground(rng, width, height, ["brick", "stone", "foliage", "wood"])
    back, fore = _PAIRS[int(rng.integers(len(_PAIRS)))]
    size = (0.88 * width, 0.42 * height)
    plane = view(rng, size, width, height, float(rng.uniform(-12, 12)), float(rng.uniform(-0.12, 0.12)))
    panel(ground, size, plane, _board(rng, back, int(size[0]), int(size[1])))
    scene = _new(ground)
    name, sign = _pick(rng, SHOPS)[0], _pick(rng, SIGNS)[0]
    outline = ((30, 20, 20), 4.0) if rng.random() < 0.3 else None
    pen = Pen(min(0.78 * size[0] / len(name), 0.4 * size[1]), fore, bool(rng.random() < 0.4), True, outline)
    pen.shadow = bool(rng.random() < 0.3)
    write(scene, name, ((size[0] - len(name) * pen.size) / 2, 0.14 * size[1]), pen, plane)
    small = Pen(min(0.6 * size[0] / len(sign), 0.17 * size[1]), fore)
    write(scene, sign, ((size[0] - len(sign) * small.size) / 2, 0.68 * size[1]), small, plane)
    return scene


def _menu(rng: Draw, width: int, height: int, dishes: int = 14, prices: bool = True) -> Scene:
    dark = rng.random() < 0.5
    ground = _ground(rng, width, height, ["slate", "wood_dark"] if dark else ["paper", "fabric"])
    scene, serif = _new(ground), bool(rng.random() < 0.5)
    title, text = ((255, 214, 110), (245, 240, 228)) if dark else ((150, 28, 24), (48, 36, 30))
    plane = np.eye(3)
    head = _pick(rng, ["今日特色菜单", "家常小炒", "招牌推荐", "老城面馆菜单"])[0]
    pen = Pen(0.075 * height, title, serif, bold=True)
    write(scene, head, ((width - len(head) * pen.size) / 2, 0.06 * height), pen, plane)
    size = 0.036 * height
    for index, dish in enumerate(_pick(rng, DISHES, dishes)):
        column, row = divmod(index, 7)
        x, y = (0.07 + 0.48 * column) * width, (0.22 + 0.1 * row) * height
        write(scene, dish, (x, y), Pen(size, text, serif), plane)
        if prices:
            price = f"{int(rng.integers(8, 98))}元"
            write(scene, price, (x + 0.32 * width, y), Pen(size, title), plane)
    return scene


def _notice(rng: Draw, width: int, height: int, rules: int = 7) -> Scene:
    ground = _ground(rng, width, height, ["stone", "brick", "metal", "wood", "plaster"])
    back, fore = _PAIRS[int(rng.choice([4, 5, 6, 10, 13, 14]))]
    size = (0.7 * width, 0.82 * height)
    plane = view(rng, size, width, height, float(rng.uniform(-6, 6)), float(rng.uniform(-0.06, 0.06)))
    panel(ground, size, plane, _board(rng, back, int(size[0]), int(size[1])))
    scene = _new(ground)
    head = _pick(rng, NOTICES)[0]
    pen = Pen(min(0.8 * size[0] / len(head), 0.11 * size[1]), (190, 22, 28), bold=True)
    write(scene, head, ((size[0] - len(head) * pen.size) / 2, 0.07 * size[1]), pen, plane)
    for index, rule in enumerate(_pick(rng, RULES, rules)):
        text = f"{index + 1}、{rule}"
        small = Pen(min(0.86 * size[0] / len(text), 0.056 * size[1]), fore)
        write(scene, text, (0.07 * size[0], (0.25 + 0.7 * index / rules) * size[1]), small, plane)
    return scene


def _couplet(rng: Draw, width: int, height: int) -> Scene:
    ground = _ground(rng, width, height, ["wood", "brick", "stone", "plaster"])
    columns = int(rng.integers(2, 4))
    texts = _pick(rng, [t for t in VERTICALS if len(t) <= 12], columns)
    pitch, top = width / (columns + 1), 0.08 * height
    back, fore = _PAIRS[int(rng.choice([0, 1, 2, 7, 9, 10]))]
    pens, plates = [], []
    for index, text in enumerate(texts):
        size = min(0.8 * height / (1.1 * len(text)), 0.3 * pitch)
        plate = (1.7 * size, 1.1 * size * len(text) + size)
        plane = np.array([[1, 0, pitch * (index + 1) - plate[0] / 2], [0, 1, top], [0, 0, 1]], np.float64)
        panel(ground, plate, plane, _board(rng, back, int(plate[0]), int(plate[1])))
        pens.append(Pen(size, fore, serif=bool(rng.random() < 0.6), vertical=True))
        plates.append(plane)
    scene = _new(ground)
    for text, pen, plane in zip(texts, pens, plates, strict=True):
        write(scene, text, (0.35 * pen.size, 0.5 * pen.size), pen, plane)
    return scene


def _poster(rng: Draw, width: int, height: int) -> Scene:
    scene = _new(_ground(rng, width, height, ["gradient", "bokeh"]))
    head, sub = _pick(rng, SLOGANS, 2)
    colors: list[Colour] = [(255, 255, 255), (255, 230, 90), (255, 90, 70), (60, 200, 255)]
    color = colors[int(rng.integers(len(colors)))]
    edge = ((255, 255, 255), (140, 16, 40)) if sum(color) < 500 else ((140, 16, 40), (20, 40, 120))
    outline = edge[int(rng.integers(2))]
    plane = view(rng, (width, height), width, height, float(rng.choice([0, 0, -8, 8])), 0.0)
    size = min(0.84 * width / len(head), 0.19 * height)
    pen = Pen(size, color, bold=True, outline=(outline, 0.06 * size))
    write(scene, head, ((width - len(head) * size) / 2, 0.2 * height), pen, plane)
    small = Pen(min(0.7 * width / len(sub), 0.08 * height), (255, 255, 255), shadow=True)
    write(scene, sub, ((width - len(sub) * small.size) / 2, 0.56 * height), small, plane)
    for index, text in enumerate(_pick(rng, SIGNS, 2)):
        tiny = Pen(0.042 * height, (255, 255, 255))
        write(scene, text, ((width - len(text) * tiny.size) / 2, (0.74 + 0.08 * index) * height), tiny, plane)
    return scene


def _overlay(rng: Draw, width: int, height: int) -> Scene:
    scene = _new(foliage_bokeh(rng, width, height))
    poem = _pick(rng, POEMS)[0].split(",")
    size = min(0.84 * width / max(map(len, poem)), 0.11 * height)
    outline = ((0, 0, 0), 0.05 * size) if rng.random() < 0.5 else None
    pen = Pen(size, (255, 255, 255), serif=bool(rng.random() < 0.6), outline=outline, shadow=outline is None)
    for index, text in enumerate(poem):
        place = ((width - len(text) * size) / 2, height * 0.55 + index * 1.5 * size)
        write(scene, text, place, pen, np.eye(3))
    return scene


def _labels(rng: Draw, width: int, height: int) -> Scene:
    """Stickers at every angle, one of them running downwards."""
    ground = _ground(rng, width, height, ["metal", "fabric", "paper", "gradient", "plaster"])
    texts = _pick(rng, [t for t in SIGNS + NOTICES if 4 <= len(t) <= 9], 5)
    turns = [0.0, *rng.uniform(-30, 30, 3), 90.0]
    cells = [(0.28, 0.2), (0.7, 0.22), (0.27, 0.56), (0.66, 0.62), (0.92, 0.5)]
    jobs = []
    for text, turn, cell in zip(texts, turns, cells, strict=True):
        back, fore = _PAIRS[int(rng.integers(len(_PAIRS)))]
        size = min(0.07 * height, 0.34 * width / len(text))
        board = (size * (len(text) + 1), 1.8 * size)
        angle = np.radians(turn)
        middle = np.array([[1, 0, -board[0] / 2], [0, 1, -board[1] / 2], [0, 0, 1]])
        rotation = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
        shift = np.array([[1, 0, cell[0] * width], [0, 1, cell[1] * height], [0, 0, 1]])
        plane = shift @ rotation @ middle
        panel(ground, board, plane, _board(rng, back, int(board[0]), int(board[1])))
        jobs.append((text, Pen(size, fore, bold=bool(rng.random() < 0.4)), plane))
    scene = _new(ground)
    for text, pen, plane in jobs:
        write(scene, text, (0.5 * pen.size, 0.36 * pen.size), pen, plane)
    return scene


def write_scenes(out: Path, count: int, size: tuple[int, int], first: int = 0, lines: int | None = None) -> None:
    """Write `count` scenes from seed `first` on, `gt.tsv` and `lines.json` into the folder `out`."""
    out.mkdir(parents=True, exist_ok=True)
    truth, records = [], {}
    for seed in range(first, first + count):
        scene, name = make_scene(seed, size, lines), f"scene_{seed:04d}.png"
        Image.fromarray(scene.rgb).save(out / name)
        truth.append(f"{name}\t{'|'.join(line.text for line in scene.lines)}\n")
        records[name] = [asdict(line) for line in scene.lines]
    (out / "gt.tsv").write_text("".join(truth), encoding="utf-8")
    (out / "lines.json").write_text(json.dumps(records, ensure_ascii=False, indent=1), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--size", default="1280x960", help="宽x高")
    parser.add_argument("--first", type=int, default=0, help="第一个随机种子")
    parser.add_argument("--lines", type=int, choices=range(1, 12), metavar="1-11", help="每张恰好多少行文字")
    args = parser.parse_args()
    width, height = (int(v) for v in args.size.lower().split("x"))
    write_scenes(args.out, args.count, (width, height), args.first, args.lines)


if __name__ == "__main__":
    main()
