"""Fit the translator's confidence on held-out lines: `python benchmarks/translator_confidence.py --data F --json OUT`.

F (.tsv or .tsv.gz) has the columns zh, en, zh as read by OCR. Lines of one clause, as people wrote them and as OCR read
them, give examples: the features of what the network wrote and of the dictionary's words. Three logistic functions go
into "confidence" of the model folder's config.json: whether each of the two reaches --level of sentence chrF, and which
of them is better (chrF and BLEU of the sentence together; the greater the difference, the more an example counts). To
be run again with --model DIR for every new set of weights. Figures (sacreBLEU 13a lower-cased, chrF) are two-fold
cross-validated: each half is translated with constants fitted on the other; `calibration_error` is the mean gap between
score and outcome.
"""

import argparse
import gzip
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sacrebleu

from paddle_vlm.translation.clauses import split_line
from paddle_vlm.translation.confidence import Confidence, choice_features, dictionary_features, model_features
from paddle_vlm.translation.translator import Translation, Translator
from paddle_vlm.translation.wording import polish
from paddle_vlm.weights import fetch


@dataclass(frozen=True)
class Example:
    """Features of both ways to translate one clause, and how good each was (0..100)."""

    model: dict[str, float]
    dictionary: dict[str, float]
    choice: dict[str, float]
    model_chrf: float
    dictionary_chrf: float
    gain: float  # of the network's words over the dictionary's, chrF and BLEU together


def rows(path: Path) -> list[list[str]]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as file:
        return [line.rstrip("\n").split("\t") for line in file]


def chrf(text: str, reference: str) -> float:
    return sacrebleu.sentence_chrf(text.lower(), [reference.lower()]).score


def bleu(text: str, reference: str) -> float:
    return sacrebleu.sentence_bleu(text.lower(), [reference.lower()], use_effective_order=True).score


def examples(translator: Translator, pairs: list[tuple[str, str]]) -> list[Example]:
    """Of the lines that are one clause for the network."""
    chosen = []
    for source, reference in pairs:
        line = translator._plain(source)
        parts = split_line(line, [])
        if len(parts) == 1 and parts[0].to_translate and translator._phrase(line) is None:
            chosen.append((line, reference))
    drafts = translator._draft(sorted({line for line, _ in chosen}))
    found = []
    for line, reference in chosen:
        draft, literal = drafts[line], translator._writer.write(line)
        phrase = translator._writer.phrase(line)
        texts = polish(draft.text), phrase or polish(literal.text)
        scores = [chrf(text, reference) for text in texts]
        gain = scores[0] - scores[1] + bleu(texts[0], reference) - bleu(texts[1], reference)
        found.append(
            Example(
                model_features(line, draft, literal), dictionary_features(line, draft, literal),
                choice_features(line, draft, literal, phrase is not None), scores[0], scores[1], gain,
            )
        )  # fmt: skip
    return found


def logistic(
    features: list[dict[str, float]], good: list[bool], counts: list[float] | None = None, ridge: float = 1.0
) -> dict[str, float]:
    """Weights by name, by Newton's method with a ridge on all but the bias; `counts`: how much each example counts."""
    names, shares = list(features[0]), np.ones(len(good)) if counts is None else np.array(counts) / np.mean(counts)
    x = np.array([[1.0, *(row[name] for name in names)] for row in features])
    y, weights = np.array(good, float), np.zeros(len(names) + 1)
    penalty = ridge * np.diag([0.0] + [1.0] * len(names))
    for _ in range(30):
        p = 1 / (1 + np.exp(-x @ weights))
        gradient = x.T @ (shares * (y - p)) - penalty @ weights
        weights = weights + np.linalg.solve((x * (shares * p * (1 - p))[:, None]).T @ x + penalty, gradient)
    return {name: round(float(weight), 4) for name, weight in zip(["bias", *names], weights, strict=True)}


def fit(found: list[Example], level: float) -> Confidence:
    return Confidence(
        logistic([e.model for e in found], [e.model_chrf >= level for e in found]),
        logistic([e.dictionary for e in found], [e.dictionary_chrf >= level for e in found]),
        logistic([e.choice for e in found], [e.gain > 0 for e in found], [abs(e.gain) for e in found]),
    )


def calibration_error(results: list[tuple[float, bool]], bins: int = 10) -> float:
    """Expected calibration error: mean gap between score and share of good ones, over bins of the score."""
    scores, good = np.array([s for s, _ in results]), np.array([g for _, g in results], float)
    places = np.minimum((scores * bins).astype(int), bins - 1)
    gaps = [abs(scores[places == b].sum() - good[places == b].sum()) for b in range(bins)]
    return float(sum(gaps) / len(results))


def figures(done: list[Translation], references: list[str], level: float) -> dict[str, Any]:
    texts = [t.text for t in done]
    results = [(t.score, chrf(t.text, r) >= level) for t, r in zip(done, references, strict=True)]
    return {
        "bleu": round(sacrebleu.corpus_bleu(texts, [references], lowercase=True).score, 2),
        "chrf": round(sacrebleu.corpus_chrf(texts, [references]).score, 2),
        "calibration_error": round(calibration_error(results), 3),
        "acceptable": round(sum(good for _, good in results) / len(results), 3),
        "sources": {s: sum(t.source == s for t in done) for s in ("model", "dictionary", "kept")},
    }


def both_texts(data: list[list[str]]) -> list[tuple[str, str]]:
    """The lines as people wrote them, and as OCR read them, with their references."""
    return [(row[column], row[1]) for column in (0, 2) for row in data]


def cross_validated(translator: Translator, data: list[list[str]], column: int, level: float) -> dict[str, Any]:
    """Translate each half with constants from the other."""
    done: dict[int, Translation] = {}
    for half in (0, 1):
        others = [row for i, row in enumerate(data) if i % 2 != half]
        translator._confidence = fit(examples(translator, both_texts(others)), level)
        mine = [i for i in range(len(data)) if i % 2 == half]
        done |= zip(mine, translator.translate([data[i][column] for i in mine]), strict=True)
    return figures([done[i] for i in range(len(data))], [row[1] for row in data], level)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--model", default="translator", help="name or folder of the weights")
    parser.add_argument("--level", type=float, default=50.0, help="sentence chrF from which a line is acceptable")
    parser.add_argument("--lines", type=int, help="only the first lines of the file")
    parser.add_argument("--dry", action="store_true", help="leave config.json as it is")
    args = parser.parse_args()
    data = [row for row in rows(args.data)[: args.lines] if len(row) >= 3]
    translator = Translator(args.model)
    report = {"lines": len(data), "level": args.level}
    for name, column in (("clean", 0), ("ocr", 2)):
        report[name] = cross_validated(translator, data, column, args.level)
    final = fit(examples(translator, both_texts(data)), args.level)
    if not args.dry:
        path = fetch(args.model) / "config.json"
        config = json.loads(path.read_text(encoding="utf-8"))
        config["confidence"] = {"level": args.level} | asdict(final)
        path.write_text(json.dumps(config, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    args.json.write_text(json.dumps(report, ensure_ascii=False, indent=1), encoding="utf-8")
    print(json.dumps(report, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
