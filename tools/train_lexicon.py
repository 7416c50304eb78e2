"""从平行语料学习词汇译表:python tools/train_lexicon.py --data 语料.tsv[.gz] --model 模型文件夹

语料每行为“中文<Tab>英文”(其余列忽略);结果写入模型文件夹的 lexicon.tsv.gz,供词典译法使用。
"""

import argparse
import gzip
from pathlib import Path

from paddle_vlm.text.cedict import Cedict
from paddle_vlm.text.han import HAN
from paddle_vlm.text.hints import HintBook
from paddle_vlm.translation import lexicon
from paddle_vlm.weights import fetch

LONGEST = 30  # characters: in longer lines a word has too many English words to choose from


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="平行语料")
    parser.add_argument("--model", default="translator", help="模型文件夹(默认:自带模型)")
    args = parser.parse_args()
    folder = fetch(args.model)
    segmenter, cedict = HintBook(folder / "cedict_glosses.tsv.gz").segmenter, Cedict.load()
    opener = gzip.open if args.data.suffix == ".gz" else open
    with opener(args.data, "rt", encoding="utf-8") as file:
        pairs = dict.fromkeys(tuple(line.rstrip("\n").split("\t")[:2]) for line in file)
    lines = []
    for chinese, english in (pair for pair in pairs if len(pair) == 2 and len(pair[0]) <= LONGEST):
        words = [word for word, _ in segmenter.tag(cedict.simplify(chinese))]
        lines.append(([word for word in words if all(map(HAN.match, word))], english))
    found = lexicon.learn(lines)
    lexicon.save(found, folder / "lexicon.tsv.gz")
    print(f"{len(lines)} 行,{len(found)} 个词")


if __name__ == "__main__":
    main()
