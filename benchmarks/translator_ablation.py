"""What the translator's hints and its size are worth.

    python benchmarks/translator_ablation.py --data 语料.tsv.gz --valid 验证集.tsv.gz --json OUT

Each variant learns from nothing, one pass over the same --lines lines in the same order, in PyTorch on one core
(`pointer_torch.py`), and is tested on the first --tested lines of the validation set:
  one_sense     one sense a word (learnt from the corpus, else CC-CEDICT's), pinyin of names, jieba's words; 256 wide,
                4 + 2 layers: as the shipped weights have it
  no_hints      the line alone
  first_sense   CC-CEDICT's first sense
  domain_sense  the sense that signs use most (cedict_glosses.tsv.gz), nothing learnt from the corpus
  two_senses    the learnt sense and, where it differs, the one of domain_sense
  pinyin        every word's sense and its pinyin
  both          both senses and the pinyin
  lac           the words and names of LAC instead of jieba's
  small, large  as one_sense, 192 wide with 3 + 1 layers and 384 wide with 4 + 2
Keys of each: loss_clean, loss_ocr (of a piece), bleu_clean, bleu_ocr (greedy), minutes, parameters, source_pieces (of a
line). A variant that --json already holds is not run again.
"""

import argparse
import itertools
import json
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from multiprocessing import Pool
from pathlib import Path
from typing import Any

import sentencepiece
from environments import python_with
from tqdm import tqdm

sys.path.append(str(Path(__file__).resolve().parent.parent / "tools"))
from prepare_translator import FOLDS, WHOLE, all_readings, learn_words, rows

from paddle_vlm.data.parallel import Pair, clean
from paddle_vlm.text.cedict import Cedict
from paddle_vlm.text.hints import ARROW, HintBook
from paddle_vlm.text.lexical import LexicalAnalyzer
from paddle_vlm.translation.glossary import Glossary
from paddle_vlm.translation.literal import LiteralWriter
from paddle_vlm.translation.wording import normalize
from paddle_vlm.weights import fetch

PACKAGES = ["torch==2.13.0", "sentencepiece", "sacrebleu", "numpy"]
SIZES = {"small": (192, 3, 1), "large": (384, 4, 2)}
VARIANTS = (
    "one_sense", "no_hints", "first_sense", "domain_sense", "two_senses", "pinyin", "both", "lac", *SIZES
)  # fmt: skip
LEARNT = {"one_sense", "two_senses", "pinyin", "both", "lac", *SIZES}
writers: dict[int, list[LiteralWriter]] = {}  # of each fold: their hints stand side by side; worker processes inherit


class NoSenses(Cedict):
    """Knows the words of CC-CEDICT but not what they mean, so that they are spelled in pinyin."""

    def senses(self, word: str) -> list[str]:
        return []


class LACSegmenter:
    """LAC's words with the names of jieba's tags, in the place of `text.segment.Segmenter`."""

    def __init__(self) -> None:
        self.analyzer = LexicalAnalyzer()

    def tag(self, text: str) -> list[tuple[str, str]]:
        names = {"PER": "nr", "LOC": "ns", "ORG": "nt", "TIME": "t"}
        return [(token.word, names.get(token.tag, token.tag)) for token in self.analyzer.analyze([text])[0]]


def make_writers(variant: str, scene: Sequence[Pair]) -> dict[int, list[LiteralWriter]]:
    """The writers whose hints a variant gets, for each fold of the corpus."""
    folder, cedict = fetch("translator"), Cedict.load()
    book = HintBook(folder / "cedict_glosses.tsv.gz")
    plain = HintBook(folder / "cedict_glosses.tsv.gz")
    plain.glosses = {}
    if variant == "lac":
        book.segmenter = LACSegmenter()  # type: ignore[assignment]
    terms = {name: Glossary.load(folder / f"{name}.tsv").terms for name in ("words", "sign_terms")}

    def writer(book: HintBook, cedict: Cedict, lexicon: Mapping[str, str]) -> LiteralWriter:
        return LiteralWriter(book, cedict, words=terms["words"], signs=terms["sign_terms"], lexicon=lexicon)

    learnt = learn_words(list(scene), book, cedict) if variant in LEARNT else dict.fromkeys((*range(FOLDS), WHOLE), {})
    if variant == "first_sense":
        return {fold: [LiteralWriter(plain, cedict, words={}, signs={}, lexicon={})] for fold in learnt}
    found = {fold: [writer(book, cedict, lexicon)] for fold, lexicon in learnt.items()}
    silent = NoSenses(cedict._entries, cedict._simplified)
    senses, spelling = writer(book, cedict, {}), writer(plain, silent, {})
    others = {"two_senses": [senses], "pinyin": [spelling], "both": [senses, spelling]}.get(variant, [])
    return {fold: [*some, *others] for fold, some in found.items()}


def augment(task: tuple[int, str]) -> str:
    """The line and its hints; without writers the line alone."""
    fold, line = task
    if not writers:
        return line
    hints = [writer.augment(line).partition(f" {ARROW} ")[2].split(" | ") for writer in writers[fold]]
    joined = [" / ".join(dict.fromkeys(filter(None, some))) for some in itertools.zip_longest(*hints, fillvalue="")]
    return f"{line} {ARROW} {' | '.join(joined)}"


def prepare(variant: str, args: argparse.Namespace, folder: Path) -> float:
    """Write a variant's lines; -> the mean number of pieces of a source."""
    scene = clean(rows(args.data))
    readings = random.Random(0).sample(all_readings(scene, []), args.lines)
    valid = [row for row in rows(args.valid) if len(row) >= 3][: args.tested]
    cedict = Cedict.load()
    wanted = [(fold, cedict.simplify(normalize(line))) for fold, line, _ in readings]
    wanted += [(WHOLE, cedict.simplify(normalize(row[column]))) for row in valid for column in (0, 2)]
    writers.clear()
    if variant != "no_hints":
        writers.update(make_writers(variant, scene))
    with Pool(1 if variant == "lac" else None) as pool:  # ONNX Runtime's session does not survive a fork in use
        done = list(tqdm(pool.imap(augment, wanted, chunksize=200), total=len(wanted), desc=f"{variant} 查译词"))
    train, tested = done[: len(readings)], done[len(readings) :]
    lines = [f"{source}\t{english}\n" for source, (_, _, english) in zip(train, readings, strict=True)]
    (folder / "train.tsv").write_text("".join(lines), encoding="utf-8")
    lines = [f"{a}\t{row[1]}\t{b}\n" for a, b, row in zip(tested[::2], tested[1::2], valid, strict=True)]
    (folder / "valid.tsv").write_text("".join(lines), encoding="utf-8")
    shutil.copy(fetch("translator") / "joint.model", folder)
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "joint.model"))
    return sum(map(len, pieces.encode(train[:2000]))) / len(train[:2000])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="训练语料(三列)")
    parser.add_argument("--valid", type=Path, required=True, help="验证集(三列)")
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--python", type=Path, help="Python with torch, sentencepiece and sacrebleu")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--lines", type=int, default=100_000)
    parser.add_argument("--tested", type=int, default=1000)
    args = parser.parse_args()
    python = args.python or python_with("pointer", *PACKAGES)
    report: dict[str, Any] = json.loads(args.json.read_text(encoding="utf-8")) if args.json.exists() else {}
    for variant in args.variants:
        if variant in report:
            continue
        dim, encoder, decoder = SIZES.get(variant, (256, 4, 2))
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            length = prepare(variant, args, folder)
            size = ["--dim", str(dim), "--encoder", str(encoder), "--decoder", str(decoder)]
            script = Path(__file__).with_name("pointer_torch.py")
            subprocess.run([str(python), str(script), name, str(folder / "found.json"), *size], check=True)
            report[variant] = json.loads((folder / "found.json").read_text(encoding="utf-8"))
        report[variant]["source_pieces"] = round(length, 1)
        args.json.write_text(json.dumps(report, indent=1), encoding="utf-8")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
