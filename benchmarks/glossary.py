"""What a glossary of 1,000 terms costs and how often it is obeyed: `python benchmarks/glossary.py --data F --json OUT`.

F (.tsv or .tsv.gz) has Chinese lines in its first column. The terms are the 1,000 words that most of the lines hold, so
that nearly every line has one. Each has another one's English: of the usual length, and not what the line means.
  time_ratio   seconds with the glossary over seconds without, median over --rounds pairs
  obeyed       share of the terms found in the lines whose English stands in the translation
"""

import argparse
import json
import statistics
from collections import Counter
from datetime import date
from pathlib import Path
from time import perf_counter

from tqdm import tqdm

from paddle_vlm import runtime
from paddle_vlm.text.han import HAN
from paddle_vlm.text.segment import Segmenter

with runtime.heavy_imports():
    from paddle_vlm.translation.evaluation import read_pairs
    from paddle_vlm.translation.glossary import Glossary
    from paddle_vlm.translation.translator import Translator


def make_glossary(lines: list[str], size: int, translator: Translator) -> Glossary:
    """The words that most lines hold, each with the English of the word half the list further on."""
    segmenter = Segmenter()
    counts = Counter(word for line in lines for word in set(segmenter.cut(line)) if len(word) > 1 and HAN.match(word))
    words = [word for word, _ in counts.most_common(size)]
    english = [found.text for found in translator.translate(words)]
    half = len(words) // 2
    return Glossary(dict(zip(words, [*english[half:], *english[:half]], strict=True)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--lines", type=int, default=600)
    parser.add_argument("--terms", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    lines = list(dict.fromkeys(row[0] for row in read_pairs(args.data)))[: args.lines]
    plain = Translator()
    glossary = make_glossary(lines, args.terms, plain)
    obedient = Translator(glossary=glossary)
    ratios = []
    for number in tqdm(range(args.rounds + 1)):
        seconds = []
        for translator in (plain, obedient):
            begun = perf_counter()
            done = translator.translate(lines)
            seconds.append(perf_counter() - begun)
        if number:  # the first round warms both up
            ratios.append(seconds[1] / seconds[0])
    wanted = [
        (match.english, translation.text)
        for line, translation in zip(lines, done, strict=True)
        for match in glossary.find(line)
    ]
    report = {
        "time_ratio": round(statistics.median(ratios), 3),
        "obeyed": round(sum(english in text for english, text in wanted) / len(wanted), 4),
        "terms": len(glossary.terms), "occurrences": len(wanted), "lines": len(lines), "date": date.today().isoformat(),
    }  # fmt: skip
    args.json.write_text(json.dumps(report, indent=1), encoding="utf-8")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
