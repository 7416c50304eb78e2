"""A line word by word from the dictionary, with names in pinyin: what stands in where the network is unsure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from paddle_vlm.text import names
from paddle_vlm.text.cedict import Cedict
from paddle_vlm.text.han import HAN
from paddle_vlm.text.hints import Hint, HintBook
from paddle_vlm.translation import patterns

LONGEST = 12  # characters of a dictionary phrase
_SILENT = frozenset("的了着地得吗呢吧啊呀嘛们之所者其把被个只条件第")
_WORDS = {  # function words and short forms of signs, where the dictionary's first sense misleads
    "元": "yuan", "斤": "jin", "号": "No.", "楼": "Floor", "路": "Road", "街": "Street", "店": "Store", "馆": "Hall",
    "部": "Department", "处": "Office", "局": "Bureau", "厂": "Factory", "站": "Station", "桥": "Bridge", "省": "Province",
    "市": "City", "县": "County", "区": "District", "镇": "Town", "村": "Village", "室": "Room", "院": "Institute",
    "所": "Institute", "院校": "college", "有限公司": "Co., Ltd.", "股份有限公司": "Co., Ltd.", "有限责任公司": "Co., Ltd.",
    "集团": "Group", "公司": "Company", "中心": "Center", "请": "please", "请勿": "do not", "勿": "do not", "禁止": "no",
    "严禁": "no", "和": "and", "与": "and", "及": "and", "或": "or", "是": "is", "在": "in", "有": "has", "不": "not",
    "为": "for", "对": "for", "等": "etc.", "我": "I", "我们": "we", "你": "you", "您": "you", "他": "he", "她": "she",
    "本": "this", "此": "this", "新": "new", "大": "big", "小": "small", "好": "good", "元起": "yuan and up", "起": "and up",
    "东": "East", "南": "South", "西": "West", "北": "North", "内": "inside", "外": "outside", "上": "up", "下": "down",
    "面": "noodles", "汤": "soup", "饭": "rice", "鱼": "fish", "肉": "meat", "鸡": "chicken", "鸭": "duck", "牛肉": "beef",
    "猪肉": "pork", "羊肉": "lamb", "菜": "dish", "茶": "tea", "酒": "wine", "水": "water", "年": "year", "月": "month",
    "日": "day", "人": "people", "次": "times", "个": "", "红烧": "braised", "清蒸": "steamed", "爆炒": "stir-fried",
    "炒": "stir-fried", "烤": "roast", "炸": "deep-fried", "煮": "boiled", "蒸": "steamed", "炖": "stewed", "卤": "marinated",
    "凉拌": "cold", "麻辣": "spicy", "香辣": "spicy", "酸辣": "hot and sour", "糖醋": "sweet and sour", "免费": "free",
    "优惠": "discount", "官方": "official", "专业": "professional", "欢迎": "welcome", "优惠券": "coupon", "优惠卷": "coupon",
    "微信": "WeChat", "扫码": "scan the code", "领取": "claim", "领": "claim", "所有": "all", "适合": "suitable for",
    "肤质": "skin types", "研究中心": "Research Center", "研究院": "Research Institute", "研究所": "Research Institute",
}  # fmt: skip


_KINDS = frozenset({
    "Road", "Street", "Store", "Hall", "Department", "Office", "Bureau", "Factory", "Station", "Bridge", "Province", "City",
    "County", "District", "Town", "Village", "Institute", "Group", "Company", "Center", "Ltd", "University", "Association",
    "College", "Hospital", "Hotel", "Bank", "Park", "Square", "Building", "School", "Restaurant", "Pharmacy", "Supermarket",
})  # fmt: skip
_SMALL = frozenset({"and", "of", "the", "for", "in", "on", "to", "or", "with"})


@dataclass(frozen=True)
class Literal:
    """The words' senses in order, and the share of the characters that the dictionary knew."""

    text: str
    known: float
    words: int


class LiteralWriter:
    """Longest phrases first; a sense of the hints before one of the dictionary; a name's kind in English."""

    def __init__(self, book: HintBook, cedict: Cedict, signs: Mapping[str, str]) -> None:
        self._book = book
        self._cedict = cedict
        self._signs = signs

    def phrase(self, text: str) -> str | None:
        """The English of a whole phrase that the sign terms or the dictionary hold, else None."""
        if text in self._signs:
            return self._signs[text]
        senses = self._cedict.senses(text) if len(text) > 1 else []
        short = [sense for sense in senses if len(sense.split()) <= 6]
        return _bare(short[0].split(", ")[0]) if short else None

    def write(self, text: str) -> Literal:
        """A line without the user's terms -> its words in English."""
        done, known, characters, words, at = [], 0, 0, 0, 0
        for start, end in [*patterns.spans(text), (len(text), len(text))]:
            for hint in self._words(text[at:start]):
                if not HAN.search(hint.word):
                    done.append(hint.word)
                    continue
                english, sure = self._sense(hint)
                done.append(english)
                known, characters, words = known + sure * len(hint.word), characters + len(hint.word), words + 1
            done.append(patterns.whole(text[start:end]) or text[start:end])
            at = end
        text = _title(" ".join(part for part in done if part.strip()))
        return Literal(text, known / characters if characters else 1.0, words)

    def _words(self, text: str) -> list[Hint]:
        """jieba's words, joined while they make a phrase of the dictionary; the rest of the text between them."""
        words = [Hint(word, tag, ()) for word, tag in self._book.segmenter.tag(text)] if text else []
        found, i = [], 0
        while i < len(words):
            joined, end = words[i].word, i + 1
            best = end
            while end < len(words) and len(joined) + len(words[end].word) <= LONGEST:
                joined += words[end].word
                end += 1
                if joined in self._signs or joined in _WORDS or joined in self._cedict:
                    best = end
            whole = "".join(word.word for word in words[i:best])
            if found and found[-1].tag == "ns" and names.extends_place(whole):
                found[-1] = Hint(found[-1].word + whole, "ns", ())
            else:
                found.append(Hint(whole, words[i].tag if best == i + 1 else "n", ()))
            i = best
        return found

    def _sense(self, hint: Hint) -> tuple[str, bool]:
        """The English of one word, and whether it is more than a guess."""
        word = hint.word
        fixed = _WORDS.get(word, "" if word in _SILENT else self._signs.get(word))
        if fixed is not None:
            return fixed, True
        senses = [sense.split(",")[0] for sense in self._cedict.senses(word)]
        if hint.tag[:2] == "nr" and names.surname_first(word) and not (senses and len(word) > 2):
            return names.person(word), True
        if best := self._best(hint, senses):
            return best, True
        if parts := self._parts(hint):
            return parts, True
        return (names.place(word) if len(word) > 1 else names.pinyin(word)), hint.is_name

    def _best(self, hint: Hint, senses: list[str]) -> str:
        """The sense that the domain uses most and that suits the part of speech, in the dictionary's own capitals."""
        short = [sense for sense in senses if len(sense.split()) <= 5]
        reading = names.pinyin(hint.word)
        if any(sense.startswith(reading) for sense in short) and len(hint.word) > 1:
            return names.place(hint.word)  # Wuhan, not "Wuhan city on Changjiang"
        spelled = {_bare(sense).lower(): sense for sense in reversed(short)}
        common = [part.strip() for gloss in self._book.glosses.get(hint.word, ()) for part in gloss.split(";")[:1]]
        candidates = [spelled.get(sense, sense) for sense in common] or short
        noun = hint.tag in ("n", "vn", "an")
        suited = [sense for sense in candidates if not (noun and sense.startswith("to "))]
        return _bare((suited or candidates or [""])[0].split(",")[0])

    def _parts(self, hint: Hint) -> str:
        """A compound that no dictionary has, from the words it is made of: 农业大学 -> agriculture University."""
        word = hint.word
        if len(word) < 3 or (hint.tag[:2] in ("nr", "nz") and len(word) == 3):
            return ""
        found, at = [], 0
        while at < len(word):
            ends = [end for end in range(min(len(word), at + 5), at, -1) if self._has(word[at:end], end - at)]
            if not ends:
                return ""
            found.append(word[at : ends[0]])
            at = ends[0]
        if sum(len(part) == 1 for part in found) > 1 or found == [word]:
            return ""
        return " ".join(self._sense(Hint(part, "n", ()))[0] for part in found)

    def _has(self, part: str, length: int) -> bool:
        return part in _WORDS or part in self._signs or (1 < length and bool(self._cedict.senses(part)))


def _title(text: str) -> str:
    """Names of bodies and places have capitals throughout; elsewhere their kinds (Center, Road) have none."""
    words = text.split()
    kind = words and len(words) <= 12 and words[-1].strip(".,") in _KINDS
    if kind:
        return " ".join(word if word in _SMALL else word[:1].upper() + word[1:] for word in words)
    return " ".join(word.lower() if word in _KINDS else word for word in words)


def _bare(sense: str) -> str:
    """Without the dictionary's infinitive mark or article."""
    return re.sub(r"^(?:to|an?|the) (?=\w)", "", sense)
