"""A gallery for those who want to try the search without pictures of their own: emoji with their Chinese names."""

from pathlib import Path

from PIL import Image

from paddle_vlm.data.emoji import load_emoji
from paddle_vlm.errors import OutputError
from paddle_vlm.runtime import cache_folder


def draw_emoji(style: str = "openmoji", size: int = 128, folder: Path | None = None) -> tuple[Path, dict[str, str]]:
    """Write the drawings of a style as PNG files of size x size, unless they are there.

    Returns their folder (in the cache unless given) and absolute path -> Chinese name. Raises MissingDependency and
    OutputError.
    """
    drawn = load_emoji(style, size)
    folder = (folder or cache_folder() / "demo" / f"{style}-{size}").resolve()
    captions = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for emoji, pixels in zip(drawn.emoji, drawn.images, strict=True):
            path = folder / f"{'-'.join(f'{ord(each):x}' for each in emoji.character)}.png"
            if not path.exists():
                temporary = path.with_suffix(".tmp")
                Image.fromarray(pixels).save(temporary, "PNG")
                temporary.replace(path)
            captions[path.as_posix()] = emoji.name_zh
    except OSError as error:
        raise OutputError(f"无法写入示例图片 {folder}:{error.strerror}。请检查写权限和剩余空间。") from error
    return folder, captions
