"""Text files in the encodings that Chinese ones come in."""

import codecs
import logging
from pathlib import Path

from paddle_vlm.errors import BadText, UsageError

log = logging.getLogger(__name__)


def read_text(path: str | Path, encoding: str | None = None) -> str:
    """A file's text: UTF-8, UTF-16 with a mark, or GBK (GB18030), found out unless `encoding` names one.

    Raises BadText when the file cannot be read or is in no such encoding, UsageError for an unknown encoding.
    """
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise BadText(f"无法读取 {path}:{error.strerror or error}。请检查路径和权限。") from error
    return decode(raw, str(path), encoding)


def decode(raw: bytes, name: str, encoding: str | None = None) -> str:
    """As `read_text`, of bytes; `name` is for messages.

    Lines in UTF-8 and lines in GBK may stand in one file (as joined files do): then each is read in its own way.
    """
    if encoding is not None:
        return _decoded(raw, name, encoding)
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _decoded(raw, name, "utf-16")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return _from_gbk(raw, name)


def _decoded(raw: bytes, name: str, encoding: str) -> str:
    try:
        return raw.decode(encoding).removeprefix("\ufeff")
    except LookupError as error:
        raise UsageError(f"不认识的文字编码 {encoding}。可用:utf-8、gbk、big5、utf-16 等。") from error
    except UnicodeDecodeError as error:
        raise BadText(f"无法读取 {name}:文字编码不是 {encoding}({error})。请另存为 UTF-8,或指明编码。") from error


def _from_gbk(raw: bytes, name: str) -> str:
    lines = raw.split(b"\n")
    spoken = [line for line in lines if not line.isascii()]
    in_utf8 = sum(_is_utf8(line) for line in spoken)
    if in_utf8 <= len(spoken) // 4:  # a few short GBK lines may look like UTF-8 by chance
        log.info("%s 不是 UTF-8,按 GBK 读取。", name)
        return _decoded(raw, name, "gb18030")
    log.warning("%s 混有两种编码:%d 行是 UTF-8,其余 %d 行按 GBK 读取。", name, in_utf8, len(spoken) - in_utf8)
    found = []
    for number, line in enumerate(lines, 1):
        coding = "utf-8" if _is_utf8(line) else "gb18030"
        found.append(_decoded(line, f"{name} 第 {number} 行", coding))
    return "\n".join(found).removeprefix("\ufeff")


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
