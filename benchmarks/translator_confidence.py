"""Fit the translator's confidence on held-out lines: `python benchmarks/translator_confidence.py --data F --json OUT`.

F (.tsv or .tsv.gz) has the columns zh, en, zh as read by OCR. Lines of one clause give examples: the features of what
the network wrote and of the dictionary's words, and whether each reaches --level of sentence chrF. Two logistic
functions go into "confidence" of the model folder's config.json, so that the better of the two can be told without a
reference. To be run again with --model DIR for every new set of weights. Figures (sacreBLEU 13a lower-cased, chrF) are
two-fold cross-validated: each half is translated with constants fitted on the other; `calibration_error` is the mean
gap between score and outcome.
"""

import argparse
import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sacrebleu

from paddle_vlm.translation.clauses import split_line
from paddle_vlm.translation.confidence import Confidence, dictionary_features, model_features
from paddle_vlm.translation.translator import Translation, Translator
from paddle_vlm.translation.wording import polish
from paddle_vlm.weights import fetch


@dataclass(frozen=True)
class Example:
    """Features of both ways to translate one clause, and how good each was (chrF, 0..100)."""

    model: dict[str, float]
    dictionary: dict[str, float]
    model_chrf: float
    dictionary_chrf: float


def rows(path: Path) -> list[list[str]]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as file:
        return [line.rstrip("\n").split("\t") for line in file]


def chrf(text: str, reference: str) -> float:
    return sacrebleu.sentence_chrf(text.lower(), [reference.lower()]).score


def examples(translator: Translator, pairs: list[tuple[str, str]]) -> list[Example]:
    """Of the lines that are one clause and no phrase of a dictionary."""
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
        found.append(
            Example(
                model_features(line, draft, literal), dictionary_features(line, draft, literal),
                chrf(polish(draft.text), reference), chrf(polish(literal.text), reference),
            )
        )  # fmt: skip
    return found


def logistic(features: list[dict[str, float]], good: list[bool], ridge: float = 1.0) -> dict[str, float]:
    """Weights by name, by Newton's method with a ridge on all but the bias."""
    names = list(features[0])
    x = np.array([[1.0, *(row[name] for name in names)] for row in features])
    y, weights = np.array(good, float), np.zeros(len(names) + 1)
    penalty = ridge * np.diag([0.0] + [1.0] * len(names))
    for _ in range(30):
        p = 1 / (1 + np.exp(-x @ weights))
        gradient = x.T @ (y - p) - penalty @ weights
        weights = weights + np.linalg.solve((x * (p * (1 - p))[:, None]).T @ x + penalty, gradient)
    return {name: round(float(weight), 4) for name, weight in zip(["bias", *names], weights, strict=True)}


def fit(found: list[Example], level: float) -> Confidence:
    return Confidence(
        logistic([e.model for e in found], [e.model_chrf >= level for e in found]),
        logistic([e.dictionary for e in found], [e.dictionary_chrf >= level for e in found]),
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


def cross_validated(translator: Translator, data: list[list[str]], column: int, level: float) -> dict[str, Any]:
    """Translate each half with constants from the other."""
    done: dict[int, Translation] = {}
    for half in (0, 1):
        others = [(row[0], row[1]) for i, row in enumerate(data) if i % 2 != half]
        translator._confidence = fit(examples(translator, others), level)
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
    final = fit(examples(translator, [(row[0], row[1]) for row in data]), args.level)
    if not args.dry:
        path = fetch(args.model) / "config.json"
        config = json.loads(path.read_text(encoding="utf-8"))
        config["confidence"] = {"level": args.level, "model": final.model, "dictionary": final.dictionary}
        path.write_text(json.dumps(config, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    args.json.write_text(json.dumps(report, ensure_ascii=False, indent=1), encoding="utf-8")
    print(json.dumps(report, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
