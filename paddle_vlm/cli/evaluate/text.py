"""`tools/eval.py text`: names, words, sentiment and topics against labelled files."""

import argparse
from pathlib import Path
from typing import Any

from paddle_vlm.cli.evaluate import add_json_argument, report
from paddle_vlm.errors import BadText
from paddle_vlm.runtime import heavy_imports

HELP = "中文文本:命名实体和分词的 F1,情感和主题的准确率"
EPILOG = """示例:
  tools/eval.py text --task ner --data msra.bio.gz --json ner.json          一行一个字和 BIO 标签
  tools/eval.py text --task segment --data dev.conllu                        CoNLL-U
  tools/eval.py text --task sentiment --data hotel.csv.gz                    列 review、label(1 正面,0 负面)
  tools/eval.py text --task topic --data shopping.csv.gz                     列 review、cat
--held-out 只用训练自带模型时按固定种子留出、从未训练过的部分(文件须与训练时相同)。"""
SENTIMENT = {"1": "正面", "0": "负面"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of this command."""
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--task", required=True, choices=["ner", "segment", "sentiment", "topic"], help="评估什么")
    parser.add_argument("--data", type=Path, required=True, metavar="文件", help="带标注的文件,可以是 .gz")
    parser.add_argument("--model", metavar="名称", help="自带模型的名称或训练所得的文件夹(默认:该任务的自带模型)")
    parser.add_argument("--held-out", action="store_true", help="只用留出的部分")
    parser.add_argument("--compare", action="store_true", help="ner 和 segment:同一张表里加上 jieba 和 lac_small")
    parser.add_argument("--text", default="review", metavar="列名", help="CSV 的文本列(默认 review)")
    parser.add_argument("--label", metavar="列名", help="CSV 的标签列(默认:情感为 label,主题为 cat)")
    parser.add_argument("--limit", type=int, metavar="条数", help="只用前这么多条")
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Evaluate; returns the exit code."""
    figures = _tagger(args) if args.task in ("ner", "segment") else _classifier(args)
    report({"task": args.task, "data": args.data.name, "held_out": args.held_out} | figures, args.json)
    return 0


def _tagger(args: argparse.Namespace) -> dict[str, Any]:
    from paddle_vlm.data import tagged
    from paddle_vlm.text.lexical import LexicalAnalyzer
    from paddle_vlm.text.segment import Segmenter
    from paddle_vlm.training import text_scores

    ner = args.task == "ner"
    sentences = (tagged.read_bio if ner else tagged.read_conllu)(args.data)
    if args.held_out:
        sentences = tagged.split(sentences)[1]
    sentences = sentences[: args.limit]
    finder = text_scores.names_of if ner else text_scores.words_of
    model = args.model or "lac_msra"
    found = text_scores.score(sentences, finder(LexicalAnalyzer(model)))
    figures: dict[str, Any] = {"model": model, **text_scores.figures(found), "sentences": len(sentences)}
    if args.compare:
        segmenter = Segmenter()
        others = {name: finder(LexicalAnalyzer(name)) for name in ("lac_small", "lac_msra") if name != model}
        others["jieba.posseg" if ner else "jieba"] = (text_scores.jieba_names if ner else text_scores.jieba_words)(
            segmenter
        )
        figures["others"] = {
            name: text_scores.figures(text_scores.score(sentences, find)) for name, find in others.items()
        }
    return figures


def _classifier(args: argparse.Namespace) -> dict[str, Any]:
    with heavy_imports():
        from paddle_vlm.data.labelled import Labelled, read_labelled
        from paddle_vlm.text.classify import Classifier
        from paddle_vlm.training import text_classify, text_scores

    names = SENTIMENT if args.task == "sentiment" else {}
    column = args.label or ("label" if args.task == "sentiment" else "cat")
    examples = read_labelled(args.data, args.text, column)
    if args.held_out:
        examples = text_classify.split(text_classify.unique(examples))[1]
    examples = [Labelled(each.text, names.get(each.label, each.label)) for each in examples[: args.limit]]
    classifier = Classifier.load(args.model or args.task)
    if strange := {each.label for each in examples} - set(classifier.settings.labels):
        known = "、".join(classifier.settings.labels)
        raise BadText(
            f"{args.data} 的标签 {'、'.join(sorted(strange)[:5])} 不是模型的类别({known})。"
            "请用 --label 指定标签列,或用 --model 指定在这种标签上训练的模型。"
        )
    return {"model": args.model or args.task, **text_scores.classification(examples, classifier)}
