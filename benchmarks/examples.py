"""Draw the pictures that the README translates, and translate them: `python benchmarks/examples.py --out docs/images`.

Six everyday pictures, all of them drawn here, so that they are free to ship: a menu, a shop front, the gate of a park,
a tea label, the sign of an underground station and a warning on a steel door.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
from backgrounds import GROUNDS
from PIL import Image
from scene_drawing import Colour, Pen, Scene, panel, write

from paddle_vlm import ImageTranslator

PLAIN = np.eye(3)
CREAM, INK, RED, GOLD, WHITE = (247, 240, 224), (52, 40, 34), (170, 26, 28), (238, 200, 116), (255, 255, 255)


def _ground(name: str, width: int, height: int, seed: int) -> np.ndarray:
    return GROUNDS[name](np.random.default_rng(seed), width, height)


def _centred(scene: Scene, text: str, middle: float, top: float, pen: Pen, plane: np.ndarray = PLAIN) -> None:
    long = len(text) * pen.size
    write(scene, text, (middle - long / 2, top), pen, plane)


def _glow(picture: np.ndarray, centre: tuple[int, int], radius: float, color: Colour, strength: float) -> None:
    """Light that falls off around a point."""
    ys, xs = np.mgrid[0 : picture.shape[0], 0 : picture.shape[1]].astype(np.float32)
    near = np.exp(-(((xs - centre[0]) / radius) ** 2 + ((ys - centre[1]) / radius) ** 2))[..., None] * strength
    picture[...] = np.clip(picture + near * np.array(color, np.float32), 0, 255).astype(np.uint8)


def _vignette(picture: np.ndarray, strength: float = 0.35) -> None:
    """Darker towards the corners, as through a lens."""
    ys, xs = np.mgrid[-1 : 1 : picture.shape[0] * 1j, -1 : 1 : picture.shape[1] * 1j]
    picture[...] = (picture * (1 - strength * np.clip(xs**2 + ys**2 - 0.5, 0, 1.5) / 1.5)[..., None]).astype(np.uint8)


def menu() -> np.ndarray:
    """A card on a wooden table: two columns of dishes with their prices."""
    table = _ground("wood_dark", 1040, 1280, 3)
    card = _ground("paper", 880, 1150, 4)
    cv2.rectangle(card, (0, 0), (879, 168), RED, -1)
    cv2.rectangle(card, (26, 26), (853, 142), GOLD, 2, cv2.LINE_AA)
    for y in (196, 1112):
        cv2.line(card, (60, y), (820, y), RED, 3, cv2.LINE_AA)
        cv2.line(card, (60, y + 8), (820, y + 8), RED, 1, cv2.LINE_AA)
    plane = np.array([[1, -0.012, 88], [0.012, 1, 58], [0, 0, 1.0]])
    panel(table, (880, 1150), plane, card)
    _vignette(table)
    scene = Scene(table.copy(), table)
    _centred(scene, "老城面馆", 440, 44, Pen(78, GOLD, serif=True, bold=True), plane)
    parts = {
        "面食": ["红烧牛肉面|28", "葱油拌面|16", "番茄鸡蛋面|18", "鲜肉馄饨|20"],
        "热菜": ["宫保鸡丁|36", "麻婆豆腐|22", "糖醋排骨|58", "清蒸鲈鱼|78"],
        "饮料": ["鲜榨橙汁|18", "冰镇酸梅汤|10", "菊花茶|12"],
    }
    top = 220.0
    for head, dishes in parts.items():
        write(scene, head, (70, top), Pen(46, RED, serif=True, bold=True), plane)
        top += 68
        for row in dishes:
            dish, price = row.split("|")
            width, _ = write(scene, dish, (96, top), Pen(35, INK, serif=True), plane)
            write(scene, f"{price}元", (716, top), Pen(35, RED), plane)
            for x in np.arange(max(96 + width + 24, 440), 700, 13):
                at = plane @ (x, top + 34, 1)
                cv2.circle(scene.rgb, (round(at[0]), round(at[1])), 1, (176, 160, 140), -1, cv2.LINE_AA)
            top += 56
        top += 16
    return scene.rgb


def shop() -> np.ndarray:
    """A tea house: gilt letters on a lacquered board above the door, in slight perspective."""
    wall = _ground("brick", 1280, 860, 11)
    cv2.rectangle(wall, (120, 470), (1160, 859), (58, 38, 28), -1)
    for x in range(150, 1130, 250):
        cv2.rectangle(wall, (x, 505), (x + 220, 859), (226, 186, 116), -1)
        for step in range(1, 4):
            cv2.line(wall, (x + 55 * step, 505), (x + 55 * step, 859), (88, 56, 36), 5)
        for y in range(590, 860, 84):
            cv2.line(wall, (x, y), (x + 220, y), (88, 56, 36), 5)
    for x in (260, 640, 1020):
        _glow(wall, (x, 690), 190, (70, 44, 10), 0.9)
    board = _ground("wood_dark", 1060, 300, 5)
    board[...] = (board * np.array([0.9, 0.55, 0.5])).astype(np.uint8)
    cv2.rectangle(board, (14, 14), (1045, 285), (196, 150, 70), 4, cv2.LINE_AA)
    source = np.array([[0, 0], [1060, 0], [1060, 300], [0, 300]], np.float32)
    target = np.array([[108, 92], [1180, 128], [1176, 432], [104, 424]], np.float32)
    plane = cv2.getPerspectiveTransform(source, target).astype(np.float64)
    panel(wall, (1060, 300), plane, board)
    _vignette(wall)
    scene = Scene(wall.copy(), wall)
    pen = Pen(118, GOLD, serif=True, bold=True, shadow=True)
    _centred(scene, "江南茶庄", 530, 56, pen, plane)
    _centred(scene, "欢迎光临", 530, 204, Pen(54, (250, 236, 206), serif=True), plane)
    return scene.rgb


def park() -> np.ndarray:
    """The gate of a park: red boards with upright columns on either side, a notice in the middle."""
    ground = _ground("plaster", 1280, 960, 21)
    cv2.rectangle(ground, (0, 0), (1280, 92), (66, 74, 80), -1)
    for x in range(-20, 1300, 44):
        cv2.ellipse(ground, (x, 92), (22, 22), 0, 0, 180, (52, 58, 64), -1, cv2.LINE_AA)
    boards = [(96, "青山绿水好家园"), (1050, "春回大地百花艳")]
    for left, _ in boards:
        red = np.full((740, 136, 3), (166, 28, 26), np.uint8)
        red[...] = (red * np.linspace(1.05, 0.85, 740)[:, None, None]).astype(np.uint8)
        panel(ground, (136, 740), np.array([[1, 0, left], [0, 1, 160], [0, 0, 1.0]]), red)
    notice = np.full((600, 640, 3), (32, 96, 62), np.uint8)
    cv2.rectangle(notice, (16, 16), (623, 583), (226, 236, 222), 3, cv2.LINE_AA)
    plane = np.array([[1, 0, 320], [0, 1, 240], [0, 0, 1.0]])
    panel(ground, (640, 600), plane, notice)
    _vignette(ground, 0.25)
    scene = Scene(ground.copy(), ground)
    for left, text in boards:
        write(scene, text, (left + 28, 192), Pen(80, GOLD, serif=True, bold=True, vertical=True), PLAIN)
    _centred(scene, "游客须知", 320, 52, Pen(76, WHITE, bold=True), plane)
    rules = ["请爱护花草树木", "请勿乱扔垃圾", "禁止携带宠物入内", "水深危险请勿靠近", "儿童须由成人陪同"]
    for index, rule in enumerate(rules):
        write(scene, f"{index + 1}、{rule}", (72, 188 + 74 * index), Pen(42, (236, 244, 232)), plane)
    return scene.rgb


def label() -> np.ndarray:
    """A tin of tea: name, weight, what is in it and how to keep it."""
    ground = _ground("bokeh", 1000, 1200, 33)
    tin = np.full((1040, 640, 3), (34, 92, 74), np.uint8)
    round_ = 0.55 + 0.55 * np.sin(np.linspace(0.35, np.pi - 0.5, 640))
    tin[...] = np.clip(tin * round_[None, :, None], 0, 255).astype(np.uint8)
    tin[:70] = np.clip(np.full((70, 640, 3), (190, 158, 92)) * round_[None, :, None], 0, 255).astype(np.uint8)
    plane = np.array([[1, 0, 180], [0, 1, 90], [0, 0, 1.0]])
    panel(ground, (640, 1040), plane, tin)
    paper = _ground("paper", 480, 800, 34)
    cv2.rectangle(paper, (14, 14), (465, 785), (150, 122, 70), 2, cv2.LINE_AA)
    inner = np.array([[1, 0, 260], [0, 1, 230], [0, 0, 1.0]])
    panel(ground, (480, 800), inner, paper)
    scene = Scene(ground.copy(), ground)
    _centred(scene, "茉莉花茶", 240, 60, Pen(92, (26, 84, 62), serif=True, bold=True), inner)
    _centred(scene, "清香型", 240, 190, Pen(42, (150, 110, 50), serif=True), inner)
    cv2.line(scene.rgb, (320, 500), (680, 500), (150, 122, 70), 2, cv2.LINE_AA)
    rows = ["净含量：250克", "配料：绿茶、茉莉花", "产地：福建省福州市", "保质期：18个月", "储存方法：阴凉干燥处"]
    for index, row in enumerate(rows):
        write(scene, row, (54, 312 + 62 * index), Pen(32, INK), inner)
    _centred(scene, "好茶敬客人", 240, 680, Pen(44, RED, serif=True), inner)
    return scene.rgb


def station() -> np.ndarray:
    """The hanging sign of an underground station: line, exit, arrow, toilets."""
    ground = _ground("metal", 1280, 720, 41)
    ground[...] = (ground * np.linspace(0.95, 0.6, 720)[:, None, None]).astype(np.uint8)
    for y in range(430, 720, 72):
        cv2.line(ground, (0, y), (1280, y), (96, 98, 102), 2)
    for x in (300, 980):
        cv2.rectangle(ground, (x, 0), (x + 14, 130), (70, 72, 76), -1)
    board = np.full((300, 1120, 3), (28, 32, 38), np.uint8)
    board[:, :300] = (250, 204, 28)
    board[:14] = board[-14:] = (70, 76, 84)
    plane = np.array([[1, 0, 80], [0, 1, 130], [0, 0, 1.0]])
    panel(ground, (1120, 300), plane, board)
    _glow(ground, (640, 40), 420, (70, 70, 64), 0.6)
    scene = Scene(ground.copy(), ground)
    write(scene, "出口", (46, 60), Pen(100, (24, 24, 26), bold=True), plane)
    write(scene, "人民公园", (66, 196), Pen(42, (24, 24, 26)), plane)
    write(scene, "地铁一号线", (350, 52), Pen(72, WHITE, bold=True), plane)
    write(scene, "往火车站方向", (350, 168), Pen(50, (206, 214, 224)), plane)
    write(scene, "洗手间", (800, 60), Pen(56, WHITE), plane)
    write(scene, "服务中心", (800, 172), Pen(50, (206, 214, 224)), plane)
    arrow = np.array([[1120, 330], [1120, 250], [1095, 250], [1140, 200], [1185, 250], [1160, 250], [1160, 330]], int)
    cv2.fillPoly(scene.rgb, [arrow], WHITE, cv2.LINE_AA)
    return scene.rgb


def warning() -> np.ndarray:
    """A notice on a steel door, photographed at an angle."""
    door = _ground("metal", 1200, 960, 51)
    door[...] = (door * np.array([0.62, 0.72, 0.78])).astype(np.uint8)
    cv2.rectangle(door, (60, -20), (1140, 1000), (70, 80, 88), 6, cv2.LINE_AA)
    sign = np.full((640, 760, 3), (252, 206, 22), np.uint8)
    for x in range(-80, 900, 80):
        for y in (0, 584):
            stripe = np.array([[x, y + 56], [x + 40, y + 56], [x + 80, y], [x + 40, y]])
            cv2.fillPoly(sign, [stripe], (26, 26, 26), cv2.LINE_AA)
    triangle = np.array([[150, 110], [48, 286], [252, 286]])
    cv2.polylines(sign, [triangle], True, (26, 26, 26), 16, cv2.LINE_AA)
    bolt = np.array([[158, 160], [126, 222], [148, 222], [138, 268], [178, 206], [154, 206], [172, 160]])
    cv2.fillPoly(sign, [bolt], (26, 26, 26), cv2.LINE_AA)
    source = np.array([[0, 0], [760, 0], [760, 640], [0, 640]], np.float32)
    target = np.array([[196, 190], [968, 118], [986, 812], [226, 800]], np.float32)
    plane = cv2.getPerspectiveTransform(source, target).astype(np.float64)
    panel(door, (760, 640), plane, sign)
    _vignette(door)
    scene = Scene(door.copy(), door)
    write(scene, "当心触电", (292, 136), Pen(108, (26, 26, 26), bold=True), plane)
    for index, text in enumerate(["高压危险请勿靠近", "非工作人员禁止入内", "如有疑问请联系工作人员"]):
        write(scene, text, (72, 330 + 78 * index), Pen(52, (26, 26, 26)), plane)
    return scene.rgb


PICTURES = {"menu": menu, "shop": shop, "park": park, "label": label, "station": station, "warning": warning}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for name, draw in PICTURES.items():
        Image.fromarray(draw()).save(args.out / f"{name}.jpg", quality=88, optimize=True)
    translator = ImageTranslator()
    for name in PICTURES:
        both = Image.fromarray(translator.translate(args.out / f"{name}.jpg").comparison)
        both.thumbnail((1400, 1400))
        both.save(args.out / f"{name}_compare.jpg", quality=85, optimize=True)


if __name__ == "__main__":
    main()
