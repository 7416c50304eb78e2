"""How well texts are cut into words, names found and classes told, beside jieba."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from paddle_vlm.data.tagged import Sentence, Span, word_spans
from paddle_vlm.text.lexical import LexicalAnalyzer
from paddle_vlm.text.segment import Segmenter
from paddle_vlm.training.metrics import Scores, accuracy, confusion_matrix, entity_scores, macro_f1

if TYPE_CHECKING:
    from paddle_vlm.data.labelled import Labelled
    from paddle_vlm.text.classify import Classifier

Finder = Callable[[Sequence[str]], list[list[Span]]]  # texts -> spans of each
_OF_JIEBA = {"nr": "PER", "nrt": "PER", "nrfg": "PER", "ns": "LOC", "nt": "ORG"}


def score(sentences: Sequence[Sentence], find: Finder, labels: Mapping[str, str] | None = None) -> Scores:
    """Found spans against those of the sentences; `labels`: the file's kinds -> the finder's.

    What is found of kinds that the file does not know (times, where it has only places) does not count.
    """
    names = labels or {}
    gold = [{(a, b, names.get(kind, kind)) for a, b, kind in sentence.spans} for sentence in sentences]
    kinds = {kind for spans in gold for _, _, kind in spans}
    found = find([sentence.text for sentence in sentences])
    return entity_scores(gold, [{span for span in spans if span[2] in kinds} for spans in found])


def names_of(analyzer: LexicalAnalyzer) -> Finder:
    """The analyzer's names."""
    return lambda texts: [[(t.start, t.end, t.tag) for t in tokens if t.is_name] for tokens in analyzer.analyze(texts)]


def words_of(analyzer: LexicalAnalyzer) -> Finder:
    """The analyzer's words."""
    return lambda texts: [[(t.start, t.end, "word") for t in tokens] for tokens in analyzer.analyze(texts)]


def jieba_names(segmenter: Segmenter) -> Finder:
    """What `jieba.posseg` calls a person, a place or an organisation."""

    def find(texts: Sequence[str]) -> list[list[Span]]:
        tagged = [segmenter.tag(text) for text in texts]
        places = [word_spans(word for word, _ in pairs) for pairs in tagged]
        return [
            [(a, b, _OF_JIEBA.get(flag, "")) for (a, b, _), (_, flag) in zip(spans, pairs, strict=True)]
            for spans, pairs in zip(places, tagged, strict=True)
        ]

    return find


def jieba_words(segmenter: Segmenter) -> Finder:
    """jieba's default cut."""
    return lambda texts: [list(word_spans(segmenter.cut(text))) for text in texts]


def figures(scores: Scores) -> dict[str, float]:
    """f1, precision and recall."""
    return {"f1": scores.f1, "precision": scores.precision, "recall": scores.recall}


def classification(examples: "Sequence[Labelled]", classifier: "Classifier") -> dict[str, Any]:
    """accuracy, macro_f1 and the accuracy within each class. The labels must be the classifier's."""
    numbers = {label: n for n, label in enumerate(classifier.settings.labels)}
    labels = np.array([numbers[each.label] for each in examples])
    predicted = np.array([numbers[found.label] for found in classifier.classify([each.text for each in examples])])
    matrix = confusion_matrix(labels, predicted, len(numbers))
    shares = matrix.diagonal() / np.maximum(matrix.sum(1), 1)
    return {
        "accuracy": accuracy(labels, predicted),
        "macro_f1": macro_f1(matrix[:, matrix.sum(1) > 0][matrix.sum(1) > 0]),
        "recall_of_each_class": {label: float(shares[n]) for label, n in numbers.items() if matrix[n].sum()},
        "texts": len(examples),
    }
