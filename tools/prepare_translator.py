"""准备翻译模型的训练数据:python tools/prepare_translator.py --data 语料.tsv[.gz] --valid 验证集.tsv[.gz] --out 文件夹

语料每行为“中文<Tab>英文[<Tab>OCR 读出的中文]”;--more 另加不含 OCR 列的语料。
输出 train.tsv(“中文 ⇢ 译词 | 译词”与英文)、valid.tsv(由原文、英文、由 OCR 文字)、lexicon.tsv.gz、seen_lines.bin
(训练过的原文的散列,评估时用来分出没见过的行)、settings.json(译词之外的提示)和 joint.model;有 --held 时还有 held.tsv
(不参与训练的中文、英文、中文)。
--closest N 从每个 --more 语料中只取与 --data 最像的 N 行(Moore 与 Lewis 2010),每句中文取一种译文;
--backed S 再去掉译词对不上的行。
每一行的译词来自不含该行的其余语料(四折),以免网络学会轻信译词。
"""

import argparse
import gzip
import hashlib
import json
import lzma
import math
import random
import shutil
from collections import Counter
from multiprocessing import Pool
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from paddle_vlm.data.parallel import SETTINGS, Confusions, Pair, backing, clean, closest, plainest
from paddle_vlm.text.cedict import Cedict
from paddle_vlm.text.han import HAN
from paddle_vlm.text.hints import HintBook
from paddle_vlm.text.pieces import train_pieces
from paddle_vlm.translation import evaluation, lexicon
from paddle_vlm.translation.glossary import Glossary
from paddle_vlm.translation.literal import MORE_HINTS, LiteralWriter, more_hints
from paddle_vlm.translation.wording import normalize
from paddle_vlm.weights import fetch

FOLDS, WHOLE = 4, -1
LONGEST = 30  # characters: in longer lines a word has too many English words to choose from
writers: dict[int, LiteralWriter] = {}  # of each fold; worker processes inherit them


def rows(path: Path) -> list[list[str]]:
    opener: Any = {".gz": gzip.open, ".xz": lzma.open}.get(path.suffix, open)
    with opener(path, "rt", encoding="utf-8") as file:
        return [line.rstrip("\n").split("\t") for line in file]


def fold(line: str) -> int:
    return int(hashlib.md5(line.encode()).hexdigest(), 16) % FOLDS


def augment(task: tuple[int, str]) -> str:
    number, line = task
    return writers[number].augment(line)


def chosen(parser: argparse.ArgumentParser, args: argparse.Namespace, scene: list[Pair]) -> list[Pair]:
    """The lines of --more that are to be learnt; those held out are written to a file of their own."""
    more: list[Pair] = []
    for path in tqdm(args.more, desc="读语料", disable=not args.more):
        corpus = clean(rows(path))
        more += closest(plainest(corpus, scene), scene, args.closest) if args.closest else corpus
    if args.held > len(more):
        parser.error(f"--held {args.held} 多于 --more 中可用的 {len(more)} 行。请减小 N,或用 --more 加上语料。")
    if not args.held:
        return more
    apart = {p.chinese: p for p in random.Random(1).sample(more, args.held)}
    lines = [f"{p.chinese}\t{p.english}\t{p.chinese}\n" for p in apart.values()]
    (args.out / "held.tsv").write_text("".join(lines), encoding="utf-8")
    return [p for p in more if p.chinese not in apart]


def learn_words(scene: list[Pair], book: HintBook, cedict: Cedict) -> dict[int, dict[str, str]]:
    """The lexicon of the lines outside each fold, and of all of them."""
    tagged = []
    short = dict.fromkeys((p.chinese, p.english) for p in scene if len(p.chinese) <= LONGEST)
    for chinese, english in tqdm(short, desc="分词"):
        words = [word for word, _ in book.segmenter.tag(cedict.simplify(chinese)) if all(map(HAN.match, word))]
        tagged.append((fold(chinese), words, english))
    return {
        number: lexicon.learn([(words, english) for other, words, english in tagged if other != number])
        for number in (*range(FOLDS), WHOLE)
    }


def all_readings(scene: list[Pair], more: list[Pair]) -> list[tuple[int, str, str]]:
    """(fold whose senses it gets, Chinese, English) in random order: each line as it is, as an engine read it and as an
    engine might have read it. What is often written counts by the square root."""
    counts = Counter(
        (fold(p.chinese), line, p.english) for p in scene for line in dict.fromkeys((p.chinese, p.read)) if line
    )
    pairs = [pair for pair, count in counts.items() for _ in range(math.ceil(math.sqrt(count)))]
    pairs += [(WHOLE, p.chinese, p.english) for p in more]
    confusions, generator = Confusions(scene), np.random.default_rng(0)
    lines = dict.fromkeys((fold(p.chinese), p.chinese, p.english) for p in scene)
    for number, line, english in [*lines, *((WHOLE, p.chinese, p.english) for p in more)]:
        if (read := confusions.misread(line, generator)) != line:
            pairs.append((number, read, english))
    random.Random(0).shuffle(pairs)
    return pairs


def positive(text: str) -> int:
    """A number of lines for argparse."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"应是正整数,不能是 {text}")
    return number


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="带 OCR 列的平行语料")
    parser.add_argument("--more", type=Path, action="append", default=[], help="其余平行语料,可多次给出")
    parser.add_argument("--closest", type=positive, metavar="N", help="每个 --more 语料只取最像 --data 的 N 行")
    parser.add_argument(
        "--backed", type=float, default=0.0, metavar="S", help="--more 中只留英文词至少有这一比例出现在译词里的行"
    )
    parser.add_argument("--held", type=int, default=0, metavar="N", help="从 --more 中留出 N 行作评估用")
    parser.add_argument("--valid", type=Path, required=True, help="验证集(三列)")
    parser.add_argument(
        "--vocabulary", type=int, metavar="N", help="另学一个 N 词的 SentencePiece 模型(默认沿用自带的)"
    )
    parser.add_argument(
        "--more-hints", nargs="*", choices=MORE_HINTS, default=more_hints(fetch("translator")),
        help="译词之外另给网络看的:gloss 词典义项,pinyin 拼音(默认与自带的权重相同)",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, help="输出文件夹")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    folder, cedict = fetch("translator"), Cedict.load()
    book = HintBook(folder / "cedict_glosses.tsv.gz")
    terms = {name: Glossary.load(folder / f"{name}.tsv").terms for name in ("words", "sign_terms")}

    def plain(line: str) -> str:
        return cedict.simplify(normalize(line))

    scene = clean(rows(args.data))
    more = chosen(parser, args, scene)
    learnt = learn_words(scene, book, cedict)
    for number, senses in learnt.items():
        writers[number] = LiteralWriter(
            book, cedict, words=terms["words"], signs=terms["sign_terms"], lexicon=senses, more_hints=args.more_hints
        )
    lexicon.save(learnt[WHOLE], args.out / "lexicon.tsv.gz")
    (args.out / SETTINGS).write_text(json.dumps({"more_hints": args.more_hints}), encoding="utf-8")
    evaluation.save_seen((pair.chinese for pair in scene), args.out / evaluation.SEEN)

    pairs = all_readings(scene, more)
    valid = [row for row in rows(args.valid) if len(row) >= 3]
    wanted = [(number, plain(line)) for number, line, _ in pairs]
    wanted += [(WHOLE, plain(row[column])) for row in valid for column in (0, 2)]
    with Pool() as pool:
        done = list(tqdm(pool.imap(augment, wanted, chunksize=500), total=len(wanted), desc="查译词"))
    train, held = done[: len(pairs)], done[len(pairs) :]
    lines = [
        f"{source}\t{english}\n"
        for source, (number, _, english) in zip(train, pairs, strict=True)
        if number != WHOLE or backing(source, english) >= args.backed
    ]
    (args.out / "train.tsv").write_text("".join(lines), encoding="utf-8")
    tested = [f"{a}\t{row[1]}\t{b}\n" for a, b, row in zip(held[::2], held[1::2], valid, strict=True)]
    (args.out / "valid.tsv").write_text("".join(tested), encoding="utf-8")
    if args.vocabulary:
        train_pieces((text for line in lines for text in line.split("\t")), args.out / "joint.model", args.vocabulary)
    else:
        shutil.copy(folder / "joint.model", args.out)
    print(f"{len(lines)} 行训练数据,{len(valid)} 行验证数据,{len(learnt[WHOLE])} 个词")


if __name__ == "__main__":
    main()
