"""What follows rules and needs no network: dates, prices, weights and measures, counted things, discounts, floors."""

import calendar
import re
from collections.abc import Callable

MONTHS = list(calendar.month_name)  # 1..12
WEEKDAYS = dict(zip("一二三四五六日天", [*calendar.day_name, "Sunday"], strict=True))
UNITS = {
    "毫升": "ml", "升": "L", "公斤": "kg", "千克": "kg", "克": "g", "毫克": "mg", "吨": "t", "千米": "km",
    "公里": "km", "厘米": "cm", "毫米": "mm", "米": "m", "平方米": "m²", "平米": "m²", "千瓦": "kW", "瓦": "W",
    "伏": "V", "寸": "in", "英寸": "in", "摄氏度": "°C", "度": "°", "大卡": "kcal", "千卡": "kcal", "千焦": "kJ",
}  # fmt: skip
COUNTED = {
    "元": "yuan", "块": "yuan", "块钱": "yuan", "斤": "jin", "天": "day", "个月": "month", "年": "year",
    "周年": "year", "小时": "hour", "分钟": "minute", "秒": "second", "片": "piece", "片装": "piece", "个": "piece",
    "只": "piece", "件": "piece", "支": "piece", "根": "piece", "套": "set", "盒": "box", "瓶": "bottle", "袋": "bag",
    "包": "pack", "份": "portion", "杯": "cup", "碗": "bowl", "次": "time", "页": "page", "串": "skewer",
    "倍": "time", "人份": "serving", "间": "room", "晚": "night", "张": "piece", "条": "piece", "辆": "vehicle",
    "人": "person", "位": "person",
}  # fmt: skip
SAME_PLURAL = ("yuan", "jin")
PLURALS = {"person": "people", "box": "boxes"}
MYRIADS = {"千": 10**3, "万": 10**4, "亿": 10**8}
_NUMBER = r"\d+(?:[,.]\d+)*"


def _either(words: dict[str, str]) -> str:
    return "|".join(sorted(words, key=len, reverse=True))


def _date(match: re.Match[str]) -> str:
    month, day, year = int(match["month"]), match["day"], match["year"]
    if not 1 <= month <= 12:
        return match[0]
    text = f"{MONTHS[month]} {int(day)}" if day else MONTHS[month]
    return f"{text}, {year}" if day and year else f"{text} {year or ''}".strip()


def _price(match: re.Match[str]) -> str:
    text = f"¥{match['number']}" if match["sign"] else f"{match['number']} yuan"
    return f"{text}/{(COUNTED | UNITS)[match['per']]}" if match["per"] else text


def _counted(match: re.Match[str]) -> str:
    one = COUNTED[match["unit"]]
    many = one if one in SAME_PLURAL else PLURALS.get(one, f"{one}s")
    return f"{match['number']} {one if match['number'] == '1' else many}"


def _large(match: re.Match[str]) -> str:
    value = float(match["number"].replace(",", "")) * MYRIADS[match["myriad"]]
    written = f"{value:,.0f}" if value < 10**6 else f"{value / 10**6:g} million"
    return f"{written} {(COUNTED | {'平方米': 'm²', '': ''})[match['unit'] or '']}".strip()


def _discount(match: re.Match[str]) -> str:
    """8折 is eight tenths of the price, 8.5折 and 85折 are 85 %."""
    tenths = float(match["number"])
    paid = tenths if tenths > 10 else 10 * tenths
    return f"{100 - paid:g}% off" if 0 < paid < 100 else match[0]


_RULES: list[tuple[str, Callable[[re.Match[str]], str]]] = [
    (r"(?:(?P<year>\d{4}) ?年 ?)?(?P<month>\d{1,2}) ?月 ?(?P<day>\d{1,2}) ?[日号]", _date),
    (r"(?P<year>\d{4}) ?年 ?(?P<month>\d{1,2}) ?月(?P<day>)", _date),
    (r"(?:星期|周|礼拜)(?P<day>[一二三四五六日天])", lambda match: WEEKDAYS[match["day"]]),
    (rf"(?P<sign>[¥￥]) ?(?P<number>{_NUMBER})(?: ?元)?(?: ?[/每] ?(?P<per>{_either(COUNTED | UNITS)}))?", _price),
    (rf"(?P<sign>)(?P<number>{_NUMBER}) ?元(?: ?[/每] ?(?P<per>{_either(COUNTED | UNITS)}))?", _price),
    (rf"(?P<number>{_NUMBER}) ?(?P<myriad>[千万亿])(?P<unit>元|平方米|人|)(?!元)", _large),
    (rf"(?P<number>{_NUMBER}) ?(?P<unit>{_either(UNITS)})", lambda match: f"{match['number']} {UNITS[match['unit']]}"),
    (r"(?P<number>[12]\d{3}) ?年", lambda match: match["number"]),
    (rf"(?P<number>{_NUMBER}) ?(?P<unit>{_either(COUNTED)})", _counted),
    (r"(?P<number>\d(?:\.\d)?|\d\d) ?折", _discount),
    (r"(?P<number>\d+) ?楼", lambda match: f"{match['number']}F"),
    (r"(?P<number>\d+) ?号线", lambda match: f"Line {match['number']}"),
    (r"第? ?(?P<number>\d+) ?号", lambda match: f"No. {match['number']}"),
]
_COMPILED = [(re.compile(pattern), write) for pattern, write in _RULES]
_OPEN = re.compile("|".join(f"(?:{re.sub(r'[?]P<[a-z]+>', '?:', pattern)})" for pattern, _ in _RULES))


def whole(text: str) -> str | None:
    """The English of a text that is one date, price, measure or count, else None. Ranges (3-5天) count."""
    text = text.strip()
    for pattern, write in _COMPILED:
        if match := pattern.fullmatch(text):
            written = write(match)
            return written if written != match[0] else None
    if (middle := re.search(r"(?<=\d|[月日号元年])[-~—至到]+(?=\d)", text)) is None:
        return None
    low, last = text[: middle.start()], whole(text[middle.end() :])
    first = whole(low) or (low if re.fullmatch(_NUMBER, low) else None)
    return f"{first} - {last}" if first and last else None


def spans(text: str) -> list[tuple[int, int]]:
    """Where such parts stand in a line, left to right."""
    return [match.span() for match in _OPEN.finditer(text)]
