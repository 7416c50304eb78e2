"""How many edited copies are found, and how many different photos are confused: `python benchmarks/duplicates.py DIR`.

Each of --count photos in DIR (different ones, as far as one knows) is copied with one of the edits below, the edits
taking turns, into a temporary folder with all originals; then duplicates are searched there as `dedup` does.
  recall        share of the copies that are in one group with their original, by edit
  confused      pairs of different originals in one group; look at them (--show FILE): some may be real duplicates
  per_second    photos looked at in a second
"""

import argparse
import io
import itertools
import json
import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from paddle_vlm import runtime
from paddle_vlm.vision.image import list_images, save_image

with runtime.heavy_imports():
    from paddle_vlm.retrieval.dedup import Duplicates, find_duplicates
    from paddle_vlm.retrieval.encoder import SearchModel
    from paddle_vlm.retrieval.scan import find_files
    from paddle_vlm.retrieval.sheet import Entry, contact_sheet


def cropped(photo: Image.Image, share: float) -> Image.Image:
    """The lower right part, `share` of each side."""
    return photo.crop((round(photo.width * (1 - share)), round(photo.height * (1 - share)), photo.width, photo.height))


def captioned(photo: Image.Image) -> Image.Image:
    """With a black bar over a sixth of the height."""
    photo = photo.copy()
    ImageDraw.Draw(photo).rectangle((0, round(photo.height * 5 / 6), photo.width, photo.height), fill=(0, 0, 0))
    return photo


def recompressed(photo: Image.Image) -> Image.Image:
    """JPEG of quality 20."""
    buffer = io.BytesIO()
    photo.save(buffer, "JPEG", quality=20)
    return Image.open(io.BytesIO(buffer.getvalue()))


EDITS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "recompressed": recompressed,
    "half_size": lambda photo: photo.resize((photo.width // 2, photo.height // 2)),
    "crop_80": lambda photo: cropped(photo, 0.8),
    "crop_60": lambda photo: cropped(photo, 0.6),
    "grey": lambda photo: ImageOps.grayscale(photo).convert("RGB"),
    "brighter": lambda photo: ImageEnhance.Contrast(ImageEnhance.Brightness(photo).enhance(1.4)).enhance(1.2),
    "rotated_10": lambda photo: photo.rotate(10, resample=Image.Resampling.BICUBIC),
    "captioned": captioned,
    "stretched": lambda photo: photo.resize((round(photo.width * 1.3), photo.height)),
}


def prepare(source: Path, count: int, folder: Path) -> dict[str, str]:
    """Originals and copies as NNNN.png and NNNN-edit.jpg; returns copy -> edit."""
    copies = {}
    chosen = list_images([source], recursive=True)[:count]
    for number, (path, edit) in enumerate(zip(chosen, itertools.cycle(EDITS), strict=False)):
        photo = Image.open(path).convert("RGB")
        photo.save(folder / f"{number:05}.png")
        EDITS[edit](photo).save(folder / f"{number:05}-{edit}.jpg", quality=85)
        copies[f"{number:05}-{edit}.jpg"] = edit
    return copies


def judge(found: Duplicates, copies: dict[str, str]) -> tuple[dict[str, float], list[tuple[str, str]]]:
    """Recall by edit, and pairs of different originals that share a group."""
    recalled: dict[str, list[bool]] = defaultdict(list)
    group_of = {Path(photo.path).name: number for number, group in enumerate(found.groups) for photo in group.photos}
    for copy, edit in copies.items():
        original = f"{copy[:5]}.png"
        recalled[edit].append(copy in group_of and group_of[copy] == group_of.get(original))
    confused = []
    for group in found.groups:
        originals = sorted({Path(photo.path).name[:5] for photo in group.photos})
        confused += [(f"{a}.png", f"{b}.png") for a, b in itertools.combinations(originals, 2)]
    return {edit: round(float(np.mean(values)), 4) for edit, values in recalled.items()}, confused


def main() -> None:
    """Make copies, search, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--count", type=int, default=450)
    parser.add_argument("--model", default="search")
    parser.add_argument("--show", type=Path, help="a contact sheet of the confused pairs")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    encoder = SearchModel.load(options.model)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        copies = prepare(options.photos, options.count, folder)
        begun = perf_counter()
        found = find_duplicates(list(find_files(folder)), encoder)
        seconds = perf_counter() - begun
        recall, confused = judge(found, copies)
        if options.show and confused:
            entries = [Entry(str(folder / name), name) for pair in confused for name in pair]
            save_image(contact_sheet(entries, columns=6), None, options.show)
    record = {
        "photos": found.looked_at,
        "recall": recall,
        "mean_recall": round(float(np.mean(list(recall.values()))), 4),
        "confused": len(confused),
        "per_second": round(found.looked_at / seconds, 1),
    }
    text = json.dumps(record, ensure_ascii=False, indent=2)
    print(text)
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
