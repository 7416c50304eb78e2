"""A Chinese visual-language toolkit on PaddlePaddle. Importing it is cheap: paddle is loaded on first use."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from paddle_vlm import runtime

if TYPE_CHECKING:
    from paddle_vlm.apps.image_translation import ImageTranslator, TranslatedImage

__version__ = "0.1.0"
__all__ = ["ImageTranslator", "TranslatedImage"]

runtime.prepare_environment()

_HOMES = {
    "ImageTranslator": "paddle_vlm.apps.image_translation",
    "TranslatedImage": "paddle_vlm.apps.image_translation",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with runtime.heavy_imports():
        value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
