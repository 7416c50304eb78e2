"""A translated picture as bytes, in the format that it came in."""

import tempfile
from pathlib import Path

from paddle_vlm.apps.image_translation import TranslatedImage

# Pillow's name of a format -> suffix and media type, of those that browsers show; others become PNG
_SHOWN = {"JPEG": (".jpg", "image/jpeg"), "WEBP": (".webp", "image/webp"), "GIF": (".gif", "image/gif")}


def encoded(result: TranslatedImage) -> tuple[bytes, str]:
    """The file's bytes and media type. Raises OutputError when the disk is full."""
    suffix, media_type = _SHOWN.get(result.original.format, (".png", "image/png"))
    with tempfile.TemporaryDirectory(prefix="paddle_vlm-") as folder:
        return result.save(Path(folder) / f"out{suffix}").read_bytes(), media_type
