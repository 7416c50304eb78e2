"""`analyze`: Chinese texts in; words, names, class, keywords and summary out."""

import argparse
import json
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from paddle_vlm.errors import BadText, OutputError, UsageError
from paddle_vlm.text.reading import decode, read_text

if TYPE_CHECKING:
    from paddle_vlm.apps.text_analysis import TextAnalysis, TextAnalyzer

HELP = "分析中文文本:词语、词性、人名地名机构时间、情感、主题、关键词、摘要"
EPILOG = """示例:
  paddle-vlm analyze "张三昨天在北京大学听了报告"          一段文本,以表格显示
  paddle-vlm analyze -f reviews.txt --json > out.jsonl      文件,一行一段文本,一行一个 JSON
  paddle-vlm analyze -f article.txt --whole --only summary keywords
  cat reviews.txt | paddle-vlm analyze --only sentiment --json
退出码:0 全部完成;1 部分文件失败(其余已完成);2 用法错误。"""
PARTS = {"words": "词语与名称", "sentiment": "情感", "topic": "主题", "keywords": "关键词", "summary": "摘要"}
CHUNK = 256  # texts that are analysed and printed together

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of this command."""
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("texts", nargs="*", metavar="文本", help="要分析的文本;没有文本和 -f 时读标准输入,一行一段")
    parser.add_argument("-f", "--file", nargs="+", type=Path, default=[], metavar="文件", help="文本文件,一行一段文本")
    parser.add_argument("--whole", action="store_true", help="一个文件是一段文本,而不是一行一段")
    parser.add_argument("--encoding", metavar="编码", help="文件的编码(默认:自动识别 UTF-8、UTF-16、GBK)")
    described = "、".join(f"{name}({title})" for name, title in PARTS.items())
    parser.add_argument(
        "--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="项目", help=f"只做这些:{described}"
    )
    parser.add_argument("--words", type=Path, metavar="文件", help="用户词典,每行:词 [词频] [词性]")
    parser.add_argument("--keywords", type=int, default=5, metavar="个数", help="关键词个数(默认 5)")
    parser.add_argument("--sentences", type=int, default=3, metavar="句数", help="摘要句数(默认 3)")
    parser.add_argument(
        "--tagger", default="lac_msra", metavar="名称", help="标注器:lac_msra(默认)、lac_small 或文件夹"
    )
    parser.add_argument("--sentiment", default="sentiment", metavar="文件夹", help="自己训练的情感模型")
    parser.add_argument("--topic", default="topic", metavar="文件夹", help="自己训练的主题模型")
    parser.add_argument("--json", action="store_true", help="每段文本输出一行 JSON,代替表格")
    parser.add_argument("-o", "--output", type=Path, metavar="文件", help="写入此文件(默认:标准输出)")


def run(args: argparse.Namespace) -> int:
    """Analyse what the arguments name; returns the exit code."""
    _check(args)
    texts, failures = _texts(args)
    from paddle_vlm.apps.text_analysis import TextAnalyzer  # after --help and wrong usage have been answered

    analyzer = TextAnalyzer(tagger=args.tagger, sentiment=args.sentiment, topic=args.topic, words=args.words)
    with _output(args.output) as output:
        for analysis in _analyses(analyzer, texts, args):
            if args.json:
                output.write(json.dumps(analysis.to_dict(), ensure_ascii=False) + "\n")
            elif analysis.text.strip():
                heading, ending = (f"【{_shortened(analysis.text)}】\n", "\n") if len(texts) > 1 else ("", "")
                output.write(f"{heading}{analysis.table()}\n{ending}")
    for failure in failures:
        log.error("失败:%s", failure)
    return 1 if failures else 0


def _check(args: argparse.Namespace) -> None:
    if args.texts and args.file:
        raise UsageError("文本和 -f 不能同时给出。请二选一。")
    if args.texts and not any(text.strip() for text in args.texts):
        raise UsageError('文本是空的。请给出要分析的文本,如:paddle-vlm analyze "今天天气真好"')
    if not args.texts and not args.file and sys.stdin.isatty():
        raise UsageError("没有要分析的文本。请写在命令后面、用 -f 给出文件,或从管道输入。")
    if args.output and args.output.resolve() in {file.resolve() for file in args.file}:
        raise UsageError(f"输出 {args.output} 会覆盖输入文件。请用 -o 指定另一个文件名。")
    if args.keywords < 1 or args.sentences < 1:
        raise UsageError("--keywords 和 --sentences 至少为 1。")


def _texts(args: argparse.Namespace) -> tuple[list[str], list[str]]:
    """The texts, and why some files have none."""
    if args.texts:
        for text in args.texts:
            if len(text) < 256 and Path(text).is_file():
                log.warning("“%s”是一个文件,这里按文本分析。要分析文件内容请用 -f %s", text, text)
        return args.texts, []
    texts: list[str] = []
    failures: list[str] = []
    if not args.file:
        return _pieces(decode(sys.stdin.buffer.read(), "标准输入", args.encoding), args.whole), []
    for file in args.file:
        try:
            texts += _pieces(read_text(file, args.encoding), args.whole)
        except BadText as error:
            failures.append(str(error))
    if failures and not texts:
        raise BadText("\n".join(failures))
    return texts, failures


def _pieces(content: str, whole: bool) -> list[str]:
    if not content.strip():
        log.warning("输入是空的。")
        return []
    return [content] if whole else [line.removesuffix("\r") for line in content.removesuffix("\n").split("\n")]


def _analyses(analyzer: "TextAnalyzer", texts: Sequence[str], args: argparse.Namespace) -> Iterator["TextAnalysis"]:
    from tqdm import tqdm

    hidden = True if len(texts) <= CHUNK else None  # None: shown on a terminal
    with tqdm(total=len(texts), desc="分析文本", unit="段", disable=hidden) as bar:
        for first in range(0, len(texts), CHUNK):
            chunk = texts[first : first + CHUNK]
            yield from analyzer.analyze_many(chunk, parts=args.only, keywords=args.keywords, sentences=args.sentences)
            bar.update(len(chunk))


@contextmanager
def _output(path: Path | None) -> Iterator[TextIO]:
    """Standard output, or a file that appears whole or not at all."""
    if path is None:
        yield sys.stdout
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            yield file
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"无法写入 {path}:{error.strerror or error}。请检查目录是否存在、是否可写。") from error
    finally:
        temporary.unlink(missing_ok=True)


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 40 else f"{line[:39]}…"
