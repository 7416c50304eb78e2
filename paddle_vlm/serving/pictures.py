"""A translated picture as bytes, in the format that it came in."""

from paddle_vlm.apps.image_translation import TranslatedImage

# Pillow's name of a format -> suffix and media type, of those that browsers show; others become PNG
_SHOWN = {"JPEG": (".jpg", "image/jpeg"), "WEBP": (".webp", "image/webp"), "GIF": (".gif", "image/gif")}


def encoded(result: TranslatedImage) -> tuple[bytes, str]:
    """The file's bytes and media type. Raises OutputError when the disk is full."""
    suffix, media_type = _SHOWN.get(result.original.format, (".png", "image/png"))
    return result.encode(suffix), media_type
