"""How good an exported folder is on a data set: what `build.export_model` compares before and after compression."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from paddle_vlm.data.captions import CaptionSet
from paddle_vlm.data.images import load_images
from paddle_vlm.data.labelled import read_labelled
from paddle_vlm.errors import BadData
from paddle_vlm.inference.decoder import Decoder
from paddle_vlm.inference.predictor import Predictor
from paddle_vlm.models.dual_encoder import LONGEST
from paddle_vlm.models.generation import search
from paddle_vlm.retrieval.encoder import squared
from paddle_vlm.text.caption_vocabulary import CaptionVocabulary
from paddle_vlm.text.classify import Classifier, padded
from paddle_vlm.training.retrieval_metrics import recalls
from paddle_vlm.translation import evaluation
from paddle_vlm.translation.network import JointPieces, MarianPieces

_BATCH = 64
PHOTOS, LINES, TEXTS, PICTURES = 500, 300, 2000, 2000  # of a data set that are looked at: enough to see a cost
_NUMBERED = {"1": "正面", "0": "负面"}  # labels of the sentiment sets


def of_pictures(folder: Path, data: Path, names: Sequence[str], size: int) -> dict[str, float]:
    """Percentage of labelled pictures that get their class. Raises BadData."""
    labelled = load_images(data, size)
    if list(labelled.names) != list(names):
        raise BadData(f"{data} 的类别({'、'.join(labelled.names)})与模型的({'、'.join(names)})不同。请换一份数据。")
    labelled = labelled.take(np.random.default_rng(0).permutation(len(labelled))[:PICTURES])
    predictor = Predictor(folder / "classify", "cpu")
    batches = range(0, len(labelled), _BATCH)
    found = [predictor.run(labelled.images[first : first + _BATCH])[0].argmax(-1) for first in batches]
    return {"准确率": _percentage(np.concatenate(found) == labelled.labels)}


def of_texts(folder: Path, data: Path, classifier: Classifier) -> dict[str, float]:
    """Percentage of labelled texts that get their class. Raises BadText and BadData."""
    labels, longest = classifier.settings.labels, classifier.settings.longest
    rows = [(each.text, _NUMBERED.get(each.label, each.label)) for each in read_labelled(data)]
    rows = [rows[i] for i in np.random.default_rng(0).permutation(len(rows))[:TEXTS]]
    if strange := {label for _, label in rows} - set(labels):
        raise BadData(f"{data} 的标签 {strange.pop()} 不是模型的类别({'、'.join(labels)})。请换一份数据。")
    predictor = Predictor(folder / "classify", "cpu", onednn=False)
    right = []
    for first in range(0, len(rows), _BATCH):
        part = rows[first : first + _BATCH]
        words = padded([classifier.tokenizer.encode(text, longest) for text, _ in part])
        best = predictor.run(words)[0].argmax(-1)
        right += [labels[number] == label for number, (_, label) in zip(best, part, strict=True)]
    return {"准确率": _percentage(np.array(right))}


def of_lines(folder: Path, data: Path, pieces: JointPieces | MarianPieces) -> dict[str, float]:
    """BLEU of the network alone, without dictionary, greedily, on "中文<Tab>英文" lines. Raises BadData."""
    rows = evaluation.read_pairs(data)[:LINES]
    decoder, texts = Decoder(folder, "cpu"), []
    for first in range(0, len(rows), _BATCH):
        encoded = [
            [*pieces.encode(row[0])[: pieces.longest_source], pieces.end] for row in rows[first : first + _BATCH]
        ]
        width = max(map(len, encoded))
        source = np.array([row + [pieces.padding] * (width - len(row)) for row in encoded], np.int64)
        found = search(
            decoder.step, decoder.encode(source), len(source), start=pieces.start, end=pieces.end,
            max_steps=pieces.longest_target,
        )  # fmt: skip
        texts += [pieces.decode(line.pieces) for line in found]
    return {"BLEU(仅网络)": evaluation.scores(texts, [row[1] for row in rows])[0]}


def of_search(folder: Path, data: Path, vocabulary: CaptionVocabulary, size: int) -> dict[str, float]:
    """Text to image recalls among the first photos of `data`/val, without the second look. Raises BadData."""
    captions = CaptionSet(data, "val")
    count, image, text = (
        min(PHOTOS, len(captions)),
        Predictor(folder / "image", "cpu"),
        Predictor(folder / "text", "cpu"),
    )
    pixels = {number: squared(rgb, size) for number, rgb in captions.pixels() if number < count}
    stacked = np.stack([pixels[number] for number in range(count)])
    vectors = np.concatenate([image.run(stacked[first : first + 16])[0] for first in range(0, count, 16)])
    texts = [photo.texts()[0] for photo in captions.photos[:count]]
    queries = text.run(*vocabulary.encode(texts, LONGEST))[0]
    return {name: figure for name, figure in recalls(queries @ vectors.T).items() if name.startswith("t2i")}


def _percentage(right: np.ndarray) -> float:
    return round(float(right.mean() * 100), 2)
