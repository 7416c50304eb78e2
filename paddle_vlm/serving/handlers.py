"""What a worker does for each task. Pictures come as bytes and texts as text: nothing here opens a client's path."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from paddle_vlm import runtime
from paddle_vlm.apps.text_analysis import TextAnalyzer
from paddle_vlm.apps.zero_shot import ZeroShotClassifier
from paddle_vlm.errors import UsageError
from paddle_vlm.retrieval.encoder import SearchModel
from paddle_vlm.retrieval.scan import DECODED_SIDE, shrink
from paddle_vlm.serving.classifier import BatchClassifier
from paddle_vlm.serving.engine import Handler, Item, attempt
from paddle_vlm.serving.gallery import IndexHandler, SearchHandler
from paddle_vlm.serving.pictures import encoded
from paddle_vlm.serving.settings import ServeSettings
from paddle_vlm.vision.image import load_image

log = logging.getLogger(__name__)

Progress = Callable[[int, Any], None]


def loaders(settings: ServeSettings) -> Iterator[tuple[str, Callable[[], Handler]]]:
    """Each task with what loads its handler, in the order in which they had best be loaded.

    The quick ones come first: after a crash they are back first. The search model is shared.
    """
    pixels = int(settings.limits.megapixels * 1e6)
    models, device = settings.models, settings.device
    model = lru_cache(lambda: SearchModel.load(models.search, device))
    known: dict[str, Callable[[], Handler]] = {
        "classify": lambda: ClassifyHandler(models.classifier, model, device, pixels),
        "embed": lambda: EmbedHandler(model(), pixels),
        "search": lambda: SearchHandler(settings.index, model(), pixels),
        "index": lambda: IndexHandler(settings.index, settings.pictures, models.search, model(), pixels),
        "translate": lambda: TranslateHandler(models.translator, models.ocr, device, pixels),
        "analyze": lambda: AnalyzeHandler(TextAnalyzer(models.tagger, models.sentiment, models.topic)),
    }
    return ((task, load) for task, load in known.items() if task in settings.tasks)


def load_handlers(settings: ServeSettings) -> Mapping[str, Handler]:
    """All of them, loaded. Raises MissingWeights."""
    return {task: load() for task, load in loaders(settings)}


class EmbedHandler:
    """Pictures or texts -> vectors, the pictures of a batch together and its texts together."""

    def __init__(self, model: SearchModel, pixels: int) -> None:
        self._model, self._pixels = model, pixels

    def run(self, items: Sequence[Item], progress: Progress) -> list[Any]:
        """See `Handler`."""
        outcomes: list[Any] = [None] * len(items)
        pictured = [number for number, item in enumerate(items) if item.images]
        worded = [number for number, item in enumerate(items) if not item.images]
        decoded = runtime.parallel_map(lambda number: attempt(self._decode, items[number].images[0]), pictured)
        good = [(number, rgb) for number, rgb in zip(pictured, decoded, strict=True) if isinstance(rgb, np.ndarray)]
        outcomes_of = dict(zip(pictured, decoded, strict=True))
        for part in _in_powers_of_two(good):
            vectors = self._model.encode_images([rgb for _, rgb in part])
            outcomes_of |= {number: vector for (number, _), vector in zip(part, vectors, strict=True)}
        texts = self._model.encode_texts([items[number].options["text"] for number in worded])
        outcomes_of |= dict(zip(worded, texts, strict=True))
        for number, outcome in outcomes_of.items():
            outcomes[number] = self._record(outcome) if isinstance(outcome, np.ndarray) else outcome
        return outcomes

    def probe(self, thorough: bool = False) -> None:
        for part in _in_powers_of_two([np.zeros((64, 64, 3), np.uint8)] * (31 if thorough else 1)):
            self._model.encode_images(part)
        self._model.encode_texts(["红苹果"])

    def _decode(self, data: bytes) -> np.ndarray:
        return shrink(load_image(data, max_pixels=self._pixels, at_least=DECODED_SIDE).rgb)

    def _record(self, vector: np.ndarray) -> dict[str, Any]:
        return {"vector": vector, "dim": self._model.dim, "model": self._model.fingerprint}


def _in_powers_of_two(items: list[Any]) -> Iterator[list[Any]]:
    """Parts of 16, 8, 4, 2 and 1: oneDNN prepares anew for each size of batch, which takes longer than the batch."""
    size = 16
    while items:
        while size > len(items):
            size //= 2
        yield items[:size]
        items = items[size:]


class ClassifyHandler:
    """The classes of pictures by a trained classifier, or among labels that the client names."""

    def __init__(self, model: str | None, search: Callable[[], SearchModel], device: str, pixels: int) -> None:
        self._search, self._pixels = search, pixels
        self._classifier = BatchClassifier(model, device, pixels) if model else None
        self._chooser = lru_cache(64)(lambda labels: ZeroShotClassifier(labels, encoder=search()))

    def run(self, items: Sequence[Item], progress: Progress) -> list[Any]:
        """See `Handler`."""
        outcomes: list[Any] = [None] * len(items)
        trained = [number for number, item in enumerate(items) if not item.options.get("labels")]
        if trained:
            found = self._classify([items[number] for number in trained])
            for number, outcome in zip(trained, found, strict=True):
                outcomes[number] = outcome
        for number, item in enumerate(items):
            if item.options.get("labels"):
                outcomes[number] = attempt(self._choose, item)
        return outcomes

    def probe(self, thorough: bool = False) -> None:
        if self._classifier is not None:
            self._classifier.probe(thorough)

    def _classify(self, items: Sequence[Item]) -> list[Any]:
        if self._classifier is None:
            error = UsageError("此服务没有配置分类模型:请在 labels 里给出至少两个候选标签,如 猫,狗,汽车。")
            return [error] * len(items)
        return self._classifier.classify([item.images[0] for item in items], [item.options["k"] for item in items])

    def _choose(self, item: Item) -> dict[str, Any]:
        image = load_image(item.images[0], max_pixels=self._pixels, at_least=DECODED_SIDE)
        found = self._chooser(tuple(item.options["labels"])).classify(image.rgb, item.options["k"])
        return {"classes": found.to_dict()["classes"]}


class TranslateHandler:
    """Pictures -> the same in English."""

    def __init__(self, translator: str, ocr: str | None, device: str, pixels: int) -> None:
        with runtime.heavy_imports():
            from paddle_vlm.apps.image_translation import ImageTranslator  # brings in PaddleX, which is slow to load
        self._translator, self._pixels = ImageTranslator(ocr=ocr, translator=translator, device=device), pixels

    def run(self, items: Sequence[Item], progress: Progress) -> list[Any]:
        """See `Handler`."""
        return [attempt(self._translate, item) for item in items]

    def probe(self, thorough: bool = False) -> None:
        self._translator.translate(np.full((64, 64, 3), 255, np.uint8))

    def _translate(self, item: Item) -> dict[str, Any]:
        image = load_image(item.images[0], max_pixels=self._pixels)
        result = self._translator.translate(image)
        record = result.to_dict()
        del record["image"]
        if item.options["format"] == "regions":
            return {"record": record}
        data, media_type = encoded(result)
        return {"record": record, "image": data, "media_type": media_type}


class AnalyzeHandler:
    """Texts -> words, names, classes, keywords, summaries; texts with the same options together."""

    def __init__(self, analyzer: TextAnalyzer) -> None:
        self._analyzer = analyzer

    def run(self, items: Sequence[Item], progress: Progress) -> list[Any]:
        """See `Handler`."""
        groups: dict[str, list[int]] = {}
        for number, item in enumerate(items):
            options = {name: value for name, value in item.options.items() if name != "text"}
            groups.setdefault(repr(sorted(options.items())), []).append(number)
        outcomes: list[Any] = [None] * len(items)
        for numbers in groups.values():
            options = {name: value for name, value in items[numbers[0]].options.items() if name != "text"}
            found = self._analyzer.analyze_many([items[number].options["text"] for number in numbers], **options)
            for number, analysis in zip(numbers, found, strict=True):
                outcomes[number] = analysis.to_dict()
        return outcomes

    def probe(self, thorough: bool = False) -> None:
        self._analyzer.analyze("张三昨天在北京大学听了报告,内容很精彩。")
