"""Pictures in and out: path, bytes, base64 or array -> RGB; RGB -> file, whole or not at all."""

import base64
import binascii
import contextlib
import errno
import functools
import glob
import io
import re
import uuid
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from paddle_vlm.errors import BadImage, ImageTooLarge, OutputError, UsageError
from paddle_vlm.vision.pixels import eight_bits, split_alpha, to_rgb, upright, without_backdrop

# Broken EXIF is ignored here; Pillow's English remarks about it would only puzzle the user.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.TiffImagePlugin")

MAX_PIXELS = 100_000_000
# Only formats that are pixels: EPS and PDF would start Ghostscript on a stranger's file.
READABLE = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "PPM", "ICO", "JPEG2000", "AVIF")
WRITABLE = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".png": "PNG",
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".gif": "GIF",
}
SUFFIXES = {*WRITABLE, ".jfif", ".jpe", ".dib", ".jp2", ".avif", ".ppm", ".pgm", ".pbm"}
_SAVE_OPTIONS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": 0},  # 4:4:4: coloured text on 4:2:0 gets fringes
    "WEBP": {"quality": 95},
    "TIFF": {"compression": "tiff_lzw"},
}


@dataclass
class LoadedImage:
    """A picture as every stage gets it, and what is needed to save another one like it.

    Attributes:
        rgb: uint8 [H, W, 3], upright (EXIF orientation applied); over `backdrop` where the source is transparent.
        alpha: uint8 [H, W], or None when the source is opaque.
        backdrop: the grey that shows through transparency, chosen to contrast with what is opaque.
        format: Pillow's name of the source's format; "PNG" for arrays.
        icc: the RGB colour profile of `rgb`, or None.
        exif: EXIF without the orientation, or None.
        path: where it came from, or None for bytes and arrays.
        full_size: height and width in the file, upright; `rgb` may be smaller, see `load_image(at_least=)`.
    """

    rgb: np.ndarray
    alpha: np.ndarray | None = None
    backdrop: int = 255
    format: str = "PNG"
    icc: bytes | None = None
    exif: bytes | None = None
    path: Path | None = None
    full_size: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        self.full_size = self.full_size if any(self.full_size) else (self.rgb.shape[0], self.rgb.shape[1])


def load_image(
    source: str | Path | bytes | np.ndarray, *, max_pixels: int = MAX_PIXELS, at_least: int | None = None
) -> LoadedImage:
    """Read one picture; of an animation the first frame.

    Args:
        source: a path; the bytes of an image file; base64 of them, bare or as a data URL; or an array, uint8 or
            uint16, [H, W] grey, [H, W, 3] RGB or [H, W, 4] RGBA.
        max_pixels: refuse larger pictures, from their header alone (Pillow's own limit, 179 million, holds besides).
        at_least: decode a JPEG at a half, a quarter or an eighth of its size, whichever is the smallest with both
            sides at least this long; a photo of 12 million pixels takes a fifth of the time.

    Raises BadImage, whatever is wrong with the data.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source, max_pixels)
    if isinstance(source, bytes | bytearray | memoryview):
        return _decode(io.BytesIO(source), "(内存中的数据)", max_pixels, at_least)
    if isinstance(source, str):
        data = _from_base64(source)
        if data is not None:
            return _decode(io.BytesIO(data), "(base64 数据)", max_pixels, at_least)
    if not isinstance(source, str | Path):
        raise BadImage(f"不支持的图片类型 {type(source).__name__}。请给出路径、字节、base64 字符串或 numpy 数组。")
    path = Path(source).expanduser()
    try:
        with path.open("rb") as file:
            image = _decode(file, str(path), max_pixels, at_least)
    except (OSError, ValueError) as error:
        raise BadImage(_why_unopenable(path, error)) from error
    image.path = path
    return image


def save_image(rgb: np.ndarray, like: LoadedImage | None, path: str | Path, *, alpha: np.ndarray | None = None) -> Path:
    """Write uint8 [H, W, 3], with `alpha` uint8 [H, W] where given, keeping the profile and EXIF of `like`.

    The suffix gives the format; JPEG and BMP cannot hold alpha and show `like`'s backdrop instead. Written under a
    temporary name and then moved. Raises OutputError, also when `path` is the file that `like` came from.
    """
    path = Path(path).expanduser()
    format_ = WRITABLE.get(path.suffix.lower())
    if format_ is None:
        raise OutputError(f"无法写入 {path}:不支持的图片后缀“{path.suffix}”。请改用 {'、'.join(WRITABLE)} 之一。")
    try:
        _check_target(path, like)
    except OSError as error:
        raise OutputError(_why_unwritable(path, error)) from error
    options = dict(_SAVE_OPTIONS.get(format_, {}))
    if like is not None and like.icc:
        options["icc_profile"] = like.icc
    if like is not None and like.exif and format_ in ("JPEG", "PNG", "WEBP"):
        options["exif"] = like.exif
    if alpha is None or format_ in ("JPEG", "BMP"):
        picture = Image.fromarray(rgb)
    else:
        backdrop = like.backdrop if like is not None else 255
        picture = Image.fromarray(np.dstack([without_backdrop(rgb, alpha, backdrop), alpha]))
    _write_whole(path, lambda file: picture.save(file, format_, **options))
    return path


def list_images(paths: list[str] | list[Path], *, recursive: bool = False) -> list[Path]:
    """The pictures that files, folders and glob patterns name, in natural order (2 before 10), each once.

    A file named outright is always kept, so that whoever opens it reports what is wrong with it. UsageError when a
    folder or pattern holds no picture.
    """
    found: dict[Path, None] = {}
    for name in map(str, paths):
        path = Path(name).expanduser()
        if path.is_dir():
            matches = [p for p in path.glob("**/*" if recursive else "*") if _is_picture(p)]
        elif not path.exists() and glob.has_magic(name):
            matches = [p for p in map(Path, glob.glob(str(path), recursive=True)) if _is_picture(p)]  # noqa: PTH207
        else:
            matches = [path]
        if not matches:
            hint = "可用 -r 连同子文件夹一起处理" if path.is_dir() and not recursive else "请检查路径"
            raise UsageError(f"{name} 里没有图片({'、'.join(WRITABLE)})。{hint}。")
        found.update(dict.fromkeys(sorted(matches, key=_natural)))
    return list(found)


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()


def _natural(path: Path) -> list[tuple[bool, int, str]]:
    pieces = re.split(r"(\d+)", str(path).casefold())
    return [(piece.isdecimal(), int(piece) if piece.isdecimal() else 0, piece) for piece in pieces]


def _from_array(array: np.ndarray, max_pixels: int) -> LoadedImage:
    if array.dtype == np.uint16:
        array = eight_bits(array)
    channels = array.shape[2] if array.ndim == 3 else 1
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or channels not in (1, 3, 4) or array.size == 0:
        raise BadImage(
            f"数组的形状 {array.shape} 或类型 {array.dtype} 不是图片。"
            "请给出 uint8 的 [高, 宽]、[高, 宽, 3] 或 [高, 宽, 4] 数组。"
        )
    _check_size("(数组)", array.shape[1], array.shape[0], max_pixels)
    if channels == 1:
        array = np.repeat(array.reshape(*array.shape[:2], 1), 3, axis=2)
    return LoadedImage(*split_alpha(array))


def _from_base64(text: str) -> bytes | None:
    """The bytes of a data URL or of base64 that is no existing path; None when the text reads as a path."""
    head, comma, body = text.partition(",") if text[:5].lower() == "data:" else ("", "", text)
    if not comma and (len(text) < 64 or not re.fullmatch(r"[A-Za-z0-9+/\s]+={0,2}\s*", text) or _exists(text)):
        return None
    try:
        if head and not head.lower().endswith(";base64"):
            raise BadImage("data URL 不是 base64 编码。请使用 data:image/…;base64,… 的形式。")
        return base64.b64decode("".join(body.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        if comma:
            raise BadImage("data URL 里的 base64 内容有误。请重新编码。") from error
        return None


def _exists(text: str) -> bool:
    try:
        return Path(text).exists()
    except (OSError, ValueError):  # longer than a file name can be
        return False


def _why_unopenable(path: Path, error: Exception) -> str:
    name = str(path) if len(str(path)) < 300 else f"{str(path)[:100]}…"
    if isinstance(error, FileNotFoundError):
        return f"找不到图片 {name}。请检查路径和文件名。"
    if path.is_dir():
        return f"{name} 是文件夹,不是图片。请指定其中的图片文件。"
    return f"无法读取图片 {name}:{getattr(error, 'strerror', None) or error}。请检查路径和读权限。"


def _decode(file: BinaryIO, label: str, max_pixels: int, at_least: int | None) -> LoadedImage:
    head = file.read(16)
    file.seek(0)
    if not head:
        raise BadImage(f"图片 {label} 是空的(0 字节)。请重新下载或导出该图片。")
    try:
        with Image.open(file, formats=_readable()) as image:
            _check_size(label, image.width, image.height, max_pixels)
            width, height = image.size
            if at_least:
                image.draft(None, (at_least, at_least))
            image.load()
            return _convert(image, (height, width))
    except BadImage:
        raise
    except UnidentifiedImageError as error:
        raise BadImage(f"{label} 不是图片,或文件头已损坏。{_format_hint(head)}") from error
    except Image.DecompressionBombError as error:
        raise ImageTooLarge(f"图片 {label} 的像素数超过上限。请先缩小。") from error
    except MemoryError as error:
        raise BadImage(f"内存不足,无法读取图片 {label}。请先缩小。") from error
    except Exception as error:  # on corrupted data Pillow's decoders raise whatever they stumble over
        raise BadImage(f"无法读取图片 {label}:文件不完整或已损坏({error})。请重新下载或导出该图片。") from error


@functools.cache
def _readable() -> tuple[str, ...]:
    Image.init()
    return tuple(name for name in READABLE if name in Image.OPEN)  # AVIF and JPEG 2000 are optional in Pillow


def _format_hint(head: bytes) -> str:
    if head[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypmsf1"):
        return "这是 HEIC 照片,请先在手机或电脑上转为 JPEG。"
    return "支持 JPEG、PNG、WebP、GIF、BMP、TIFF。"


def _check_size(label: str, width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        limit = f"{max_pixels / 1e6:.0f} 百万像素"
        raise ImageTooLarge(f"图片 {label} 有 {width}×{height} 像素,超过上限 {limit}。请先缩小。")
    if width < 1 or height < 1:
        raise BadImage(f"图片 {label} 的尺寸是 {width}×{height}。请重新导出该图片。")


def _convert(image: Image.Image, full_size: tuple[int, int]) -> LoadedImage:
    turned, exif = upright(image)
    pixels, icc = to_rgb(turned)
    rgb, alpha, backdrop = split_alpha(np.asarray(pixels))
    # MPO is what phones write for a JPEG with a depth map or a second view behind it.
    format_ = "JPEG" if image.format == "MPO" else image.format or "PNG"
    full_size = full_size if turned.size == image.size else full_size[::-1]
    return LoadedImage(rgb, alpha, backdrop, format_, icc, exif, full_size=full_size)


def _check_target(path: Path, like: LoadedImage | None) -> None:
    if path.is_dir():
        raise OutputError(f"无法写入 {path}:已有同名文件夹。请换一个文件名。")
    if like is not None and like.path is not None and path.exists() and path.samefile(like.path):
        raise OutputError(f"输出 {path} 就是输入图片,不会覆盖它。请换一个文件名。")


def _write_whole(path: Path, write: Callable[[BinaryIO], None]) -> None:
    temporary = path.with_name(f".{path.name[-80:]}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        with temporary.open("xb") as file:
            write(file)
        temporary.replace(path)
    except (OSError, ValueError) as error:
        raise OutputError(_why_unwritable(path, error)) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _why_unwritable(path: Path, error: Exception) -> str:
    number = error.errno if isinstance(error, OSError) else None
    causes = {
        errno.ENOSPC: "磁盘空间不足。请清理空间,或写到别处",
        errno.EDQUOT: "磁盘配额已满。请清理空间,或写到别处",
        errno.EACCES: "没有写权限。请换一个可写的文件夹",
        errno.EPERM: "没有写权限。请换一个可写的文件夹",
        errno.ENOENT: f"文件夹 {path.parent} 不存在。请先创建它",
        errno.ENOTDIR: f"{path.parent} 不是文件夹。请换一个位置",
        errno.EROFS: "文件系统是只读的。请换一个可写的文件夹",
        errno.ENAMETOOLONG: "文件名过长。请换一个短些的名字",
    }
    cause = causes.get(number, f"{error}。请换一种格式或位置") if number else f"{error}。请换一种格式,如 .png"
    return f"无法写入 {path}:{cause}。"
