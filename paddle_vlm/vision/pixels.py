"""What lies behind a picture's pixels: colour modes, bit depths, profiles, orientation, transparency -> 8-bit RGB."""

import contextlib
import io

import numpy as np
from PIL import Image, ImageCms

_ORIENTATION = 0x0112  # EXIF
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_BACKDROPS = (255, 0, 128)  # white where it serves


def upright(image: Image.Image) -> tuple[Image.Image, bytes | None]:
    """The picture turned as its EXIF says, and the EXIF without the orientation (None without or with broken EXIF)."""
    exif, orientation = None, None
    # Broken EXIF makes Pillow raise nearly anything; a picture is no worse without it.
    with contextlib.suppress(Exception):
        tags = image.getexif()
        orientation = tags.pop(_ORIENTATION, None)
        exif = tags.tobytes() if len(tags) else None
    method = _UPRIGHT.get(orientation) if isinstance(orientation, int) else None
    return (image.transpose(method) if method is not None else image), exif


def to_rgb(image: Image.Image) -> tuple[Image.Image, bytes | None]:
    """Any Pillow mode -> ("RGB" or "RGBA" picture, the profile of those pixels or None for sRGB).

    RGB keeps its own profile. CMYK, Lab and grey are taken to sRGB through theirs where that is possible.
    """
    data = image.info.get("icc_profile")
    profile = _open_profile(data)
    if image.mode.startswith(("I", "F")):
        return Image.fromarray(eight_bits(np.asarray(image))).convert("RGB"), None
    if image.mode in ("CMYK", "LAB", "L", "1", "YCbCr", "HSV") and "transparency" not in image.info:
        return _through_profile(image, profile), None
    transparent = image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info
    kept = data if profile is not None and profile.profile.xcolor_space == "RGB " else None
    return image.convert("RGBA" if transparent else "RGB"), kept


def _open_profile(data: object) -> ImageCms.ImageCmsProfile | None:
    if not isinstance(data, bytes):
        return None
    try:
        return ImageCms.ImageCmsProfile(io.BytesIO(data))
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


def _through_profile(image: Image.Image, profile: ImageCms.ImageCmsProfile | None) -> Image.Image:
    if image.mode == "LAB" and profile is None:
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    if profile is not None:
        # A profile of another colour space than the pixels': convert as if there were none.
        with contextlib.suppress(ImageCms.PyCMSError, ValueError):
            converted = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
            if converted is not None:
                return converted
    return image.convert("RGB")


def eight_bits(values: np.ndarray) -> np.ndarray:
    """Grey or colour values of 16 or 32 bits, or floats, -> uint8 of the same shape.

    16-bit values keep their meaning (65535 is white). What has no agreed white (32-bit, floats above 255) is stretched
    from its least to its greatest value; floats in 0..1 and 0..255 are taken as such.
    """
    if values.dtype == np.uint16:
        return ((values.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    real = np.nan_to_num(values.astype(np.float64), posinf=0, neginf=0)
    low, high = float(real.min()), float(real.max())
    if values.dtype.kind in "iu" and low >= 0 and high <= 65535:  # Pillow's mode "I" also holds 16-bit PNG
        low, high = 0.0, 65535.0
    elif values.dtype.kind == "f" and low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    elif values.dtype.kind == "f" and low >= 0 and high <= 255:
        low, high = 0.0, 255.0
    return np.round((real - low) * (255 / max(high - low, 1e-12))).astype(np.uint8)


def split_alpha(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray | None, int]:
    """uint8 [H, W, 3 or 4] -> (RGB over a grey backdrop [H, W, 3], alpha [H, W] or None if opaque, the backdrop).

    The backdrop is the one of white, black and mid-grey from which the visible pixels differ most, the least
    contrasting tenth deciding: white text on transparency comes to stand on black.
    """
    if pixels.shape[2] == 3 or not (pixels[..., 3] < 255).any():
        return np.ascontiguousarray(pixels[..., :3]), None, 255
    rgb, alpha = pixels[..., :3], np.ascontiguousarray(pixels[..., 3])
    visible = rgb[alpha >= 128]
    backdrop = 255
    if visible.size:
        luminance = visible.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
        contrast = {grey: float(np.percentile(np.abs(luminance - grey), 10)) for grey in _BACKDROPS}
        backdrop = max(_BACKDROPS, key=lambda grey: contrast[grey])
    weight = alpha[..., None].astype(np.uint16)
    over = (rgb * weight + backdrop * (255 - weight) + 127) // 255
    return over.astype(np.uint8), alpha, backdrop


def without_backdrop(rgb: np.ndarray, alpha: np.ndarray, backdrop: int) -> np.ndarray:
    """Undo `split_alpha`: the pixels' own colour where they are half transparent (else soft edges get a dark rim)."""
    weight = np.maximum(alpha[..., None], 1).astype(np.float32) / 255
    own = (rgb - backdrop * (1 - weight)) / weight
    own = np.where(alpha[..., None] == 0, rgb, own)
    return np.clip(np.round(own), 0, 255).astype(np.uint8)
