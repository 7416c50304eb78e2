"""The command line: `paddle-vlm COMMAND …`. Each command is a module here with HELP, add_arguments and run."""

import argparse
import difflib
import importlib
import logging
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

import paddle_vlm
from paddle_vlm.errors import PaddleVLMError, UsageError
from paddle_vlm.runtime import explain_import_error

# name -> module; a module is imported only when its command is called or the list of commands is shown
COMMANDS = {
    "translate": "paddle_vlm.cli.translate",
    "analyze": "paddle_vlm.cli.analyze",
    "classify": "paddle_vlm.cli.classify",
    "features": "paddle_vlm.cli.features",
    "index": "paddle_vlm.cli.index",
    "search": "paddle_vlm.cli.search",
    "dedup": "paddle_vlm.cli.dedup",
    "train": "paddle_vlm.cli.train",
    "export": "paddle_vlm.cli.export",
    "batch": "paddle_vlm.cli.batch",
}

log = logging.getLogger(__name__)

_MESSAGES = (
    (r"the following arguments are required: (.+)", r"缺少参数:\1"),
    (r"unrecognized arguments: (.+)", r"不认识的参数:\1"),
    (r"argument (.+): expected one argument", r"\1 后面要有一个值"),
    (r"argument (.+): expected at least one argument", r"\1 后面至少要有一个值"),
    (r"argument (.+): expected (\d+) arguments", r"\1 后面要有 \2 个值"),
    (r"argument (.+): invalid choice: (.+) \(choose from (.+)\)", r"\1 不能是 \2,可用:\3"),
    (r"argument (.+): invalid (\w+) value: (.+)", r"\1 的值 \3 不对"),
    (r"argument (.+): not allowed with argument (.+)", r"\1 不能与 \2 同用"),
    (r"ambiguous option: (\S+) could match (.+)", r"选项 \1 不明确,可能是 \2"),
)


class Parser(argparse.ArgumentParser):
    """argparse in Chinese, as far as it lets itself be translated."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, add_help=False)
        self._positionals.title = "参数"
        self._optionals.title = "选项"
        self.add_argument("-h", "--help", action="help", help="显示本帮助并退出")

    def format_usage(self) -> str:
        return super().format_usage().replace("usage: ", "用法:  ", 1)

    def format_help(self) -> str:
        return super().format_help().replace("usage: ", "用法:  ", 1)

    def error(self, message: str) -> NoReturn:
        for pattern, chinese in _MESSAGES:
            message = re.sub(f"^{pattern}$", chinese, message, flags=re.DOTALL)
        self.exit(2, f"错误:{message}。\n{self.format_usage()}详细用法:{self.prog} --help\n")


def main(
    argv: Sequence[str] | None = None,
    commands: Mapping[str, str] = COMMANDS,
    prog: str = "paddle-vlm",
    description: str = "中文视觉语言工具箱:不联网,在本机运行。",
) -> int:
    """Run one of `commands` (name -> module).

    Returns 0 (done), 1 (failed, the reason on stderr), 2 (wrong usage) or 130 (interrupted).
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a console that cannot show Chinese must not end the work
    try:
        parsed = _parse(arguments, commands, prog, description)
    except SystemExit as ended:
        return int(ended.code or 0)
    _log_to_stderr(logging.DEBUG if parsed.verbose else logging.INFO)
    try:
        return int(importlib.import_module(commands[parsed.command]).run(parsed))
    except UsageError as error:
        log.error("错误:%s", error)
        return 2
    except PaddleVLMError as error:
        log.error("错误:%s", error)
        log.debug("", exc_info=True)
    except ImportError as error:
        explained = explain_import_error(error)
        if explained is None:
            raise
        log.error("错误:%s", explained)
    except BrokenPipeError:  # the reader of our output, such as `head`, has gone
        sys.stderr.close()
    except KeyboardInterrupt:
        log.error("已中断。")
        return 130
    return 1


def _parse(arguments: list[str], commands: Mapping[str, str], prog: str, description: str) -> argparse.Namespace:
    parser = Parser(prog=prog, description=description)
    parser.add_argument("--version", action="version", version=paddle_vlm.__version__, help="显示版本并退出")
    parser.add_argument("-v", "--verbose", action="store_true", help="显示调试信息")
    called = next((argument for argument in arguments if not argument.startswith("-")), None)
    if called is not None and called not in commands:
        near = difflib.get_close_matches(called, commands, n=1)
        parser.error(f"没有命令 {called}" + (f",是否想写 {near[0]}" if near else f",可用:{'、'.join(commands)}"))
    subparsers = parser.add_subparsers(dest="command", metavar="命令", required=True, title="命令")
    shown: Iterable[str] = commands if called is None else [called]
    for name in shown:
        module = importlib.import_module(commands[name])
        command = subparsers.add_parser(name, help=module.HELP, description=module.HELP)
        command.add_argument("-v", "--verbose", action="store_true", default=argparse.SUPPRESS, help="显示调试信息")
        module.add_arguments(command)
    return parser.parse_args(arguments)


def _log_to_stderr(level: int) -> None:
    """Show the package's own messages bare; a program that has set up logging keeps its set-up."""
    logger = logging.getLogger("paddle_vlm")
    logger.setLevel(level)
    if not logger.handlers and not logging.getLogger().handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.addHandler(handler)
