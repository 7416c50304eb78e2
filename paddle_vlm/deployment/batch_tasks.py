"""What a batch job does with the pictures of one part: translate, classify or embed them. One object a worker."""

import io
import json
import logging
import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from paddle_vlm.errors import BadImage, MissingDependency, PaddleVLMError
from paddle_vlm.vision.image import WRITABLE, load_image

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Options:
    """Of all tasks together; None is the app's own default.

    Attributes:
        model: of classify and embed.
        labels: of classify, to choose among without training.
        k: how many classes are kept.
        ocr, translator, glossary, memory: of translate, as for `ImageTranslator`.
    """

    model: str | None = None
    labels: tuple[str, ...] = ()
    k: int = 5
    ocr: str | None = None
    translator: str | None = None
    glossary: str | None = None
    memory: str | None = None
    device: str = "auto"

    def given(self) -> dict[str, Any]:
        """What is not None."""
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass
class Outcome:
    """What one part gave.

    Attributes:
        content: of the part's own file.
        pictures: further files, by name.
        failures: name of a picture -> why there is no result for it.
    """

    content: bytes = b""
    pictures: dict[str, bytes] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


class Task(Protocol):
    """What the job asks for."""

    suffix: str  # of the parts' files

    def run(self, pictures: Mapping[str, bytes]) -> Outcome:
        """Pictures by name, in order -> what is to be written."""


class Translate:
    """The picture in English, and a line of JSON with its regions."""

    suffix = ".jsonl"

    def __init__(self, options: Options) -> None:
        from paddle_vlm.apps.image_translation import ImageTranslator

        names = ("ocr", "translator", "glossary", "memory", "device")
        self._app = ImageTranslator(**{name: value for name, value in options.given().items() if name in names})

    def run(self, pictures: Mapping[str, bytes]) -> Outcome:
        """See `Task`."""
        outcome = Outcome()

        def translate(name: str, content: bytes) -> dict[str, Any]:
            result = self._app.translate(content)
            written = written_name(name)
            outcome.pictures[f"pictures/{written}"] = result.encode(posixpath.splitext(written)[1])
            record = result.to_dict()
            del record["seconds"], record["image"]  # a second start must give the same
            return record | {"picture": f"pictures/{written}"}

        return _lines(pictures, translate, outcome)


class Classify:
    """A line of JSON a picture: its likeliest classes."""

    suffix = ".jsonl"

    def __init__(self, options: Options) -> None:
        from paddle_vlm.apps.classification import Classifier
        from paddle_vlm.apps.zero_shot import ZeroShotClassifier

        self._k = options.k
        self._app: Classifier | ZeroShotClassifier
        if options.labels:
            self._app = ZeroShotClassifier(options.labels, options.model or "search", options.device)
        else:
            self._app = Classifier(options.model) if options.model else Classifier()

    def run(self, pictures: Mapping[str, bytes]) -> Outcome:
        """See `Task`."""

        def classify(name: str, content: bytes) -> dict[str, Any]:
            return {"classes": self._app.classify(content, self._k).to_dict()["classes"]}

        return _lines(pictures, classify, Outcome())


class Embed:
    """A Parquet file a part: `path`, and `vector` of length 1 in the space of the search model (Milvus imports it)."""

    suffix = ".parquet"

    def __init__(self, options: Options) -> None:
        from paddle_vlm.retrieval.encoder import SearchModel

        self._model = SearchModel.load(options.model or "search", options.device)

    def run(self, pictures: Mapping[str, bytes]) -> Outcome:
        """See `Task`."""
        try:
            import pyarrow as arrow
            from pyarrow import parquet
        except ImportError as error:
            raise MissingDependency('写 Parquet 需要 pyarrow。请运行:pip install "paddle_vlm[scale]"') from error
        from paddle_vlm.retrieval.scan import DECODED_SIDE, shrink

        outcome, names, images = Outcome(), [], []
        for name, content in pictures.items():
            try:
                images.append(shrink(load_image(content, at_least=DECODED_SIDE).rgb))  # as the index does
                names.append(name)
            except BadImage as error:
                outcome.failures[name] = str(error)
        vectors = self._model.encode_images(images)
        flat = arrow.array(vectors.astype(np.float32).ravel())
        table = arrow.table({"path": names, "vector": arrow.FixedSizeListArray.from_arrays(flat, self._model.dim)})
        buffer = io.BytesIO()
        parquet.write_table(table, buffer)
        outcome.content = buffer.getvalue()
        return outcome


TASKS: dict[str, Callable[[Options], Task]] = {"translate": Translate, "classify": Classify, "embed": Embed}


def written_name(name: str) -> str:
    """The name of the translated picture: its own, or with .png where its format cannot be written."""
    return name if posixpath.splitext(name)[1].lower() in WRITABLE else f"{name}.png"


def _lines(pictures: Mapping[str, bytes], work: Callable[[str, bytes], dict[str, Any]], outcome: Outcome) -> Outcome:
    """A line of JSON for each picture that `work` can do."""
    lines = []
    for name, content in pictures.items():
        try:
            lines.append(json.dumps({"image": name} | work(name, content), ensure_ascii=False) + "\n")
        except PaddleVLMError as error:
            outcome.failures[name] = str(error)
    outcome.content = "".join(lines).encode()
    return outcome
