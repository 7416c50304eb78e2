"""A Chinese visual-language toolkit on PaddlePaddle. Importing it is cheap: paddle is loaded on first use."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from paddle_vlm import runtime

if TYPE_CHECKING:
    from paddle_vlm.apps.classification import Classification, Classifier
    from paddle_vlm.apps.duplicates import DuplicateFinder, DuplicateReport
    from paddle_vlm.apps.features import find_features, match_pictures
    from paddle_vlm.apps.image_search import ImageSearch, SearchResult, index_pictures
    from paddle_vlm.apps.image_translation import ImageTranslator, TranslatedImage
    from paddle_vlm.apps.text_analysis import TextAnalysis, TextAnalyzer
    from paddle_vlm.apps.zero_shot import ZeroShotClassifier

__version__ = "0.1.0"
__all__ = [
    "Classification",
    "Classifier",
    "DuplicateFinder",
    "DuplicateReport",
    "ImageSearch",
    "ImageTranslator",
    "SearchResult",
    "TextAnalysis",
    "TextAnalyzer",
    "TranslatedImage",
    "ZeroShotClassifier",
    "find_features",
    "index_pictures",
    "match_pictures",
]

runtime.prepare_environment()

_HOMES = {
    "Classification": "paddle_vlm.apps.classification",
    "Classifier": "paddle_vlm.apps.classification",
    "DuplicateFinder": "paddle_vlm.apps.duplicates",
    "DuplicateReport": "paddle_vlm.apps.duplicates",
    "find_features": "paddle_vlm.apps.features",
    "match_pictures": "paddle_vlm.apps.features",
    "ImageSearch": "paddle_vlm.apps.image_search",
    "ImageTranslator": "paddle_vlm.apps.image_translation",
    "SearchResult": "paddle_vlm.apps.image_search",
    "index_pictures": "paddle_vlm.apps.image_search",
    "TextAnalysis": "paddle_vlm.apps.text_analysis",
    "TextAnalyzer": "paddle_vlm.apps.text_analysis",
    "TranslatedImage": "paddle_vlm.apps.image_translation",
    "ZeroShotClassifier": "paddle_vlm.apps.zero_shot",
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
