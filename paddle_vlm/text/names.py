"""Chinese names in Latin letters: 张伟 -> Zhang Wei, 陕西南路 -> Shaanxi South Road (GB/T 28039, GB 17733)."""

from pypinyin import lazy_pinyin

from paddle_vlm.text.han import HAN

_SINGLE = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩邓冯曹彭曾肖田董潘袁蔡蒋余于杜叶程魏苏吕丁任卢姚沈钟姜崔谭陆范汪廖石金"
    "韦贾夏付方邹熊白孟秦邱侯江尹薛闫段雷龙黎史陶贺毛郝顾龚邵万覃武钱戴严莫孔向常汤康易乔文赖庞樊殷施洪翟安颜倪牛温芦季俞章鲁葛伍申"
    "尤毕聂柴焦柳邢岳齐梅莉庄辛管祝左涂祁耿牟卜路詹关苗凌费纪靳盛童欧甄项曲成游阳裴席卫查屈鲍位覃霍翁隋植甘景薄单包司柏宁柯阮桂闵"
)
_DOUBLE = "欧阳 司马 上官 诸葛 司徒 东方 夏侯 皇甫 令狐 慕容 端木 独孤"
SURNAMES = frozenset(_SINGLE) | frozenset(_DOUBLE.split())
_KINDS = {
    "特别行政区": "Special Administrative Region", "自治区": "Autonomous Region", "自治州": "Autonomous Prefecture",
    "自治县": "Autonomous County", "开发区": "Development Zone", "风景区": "Scenic Area",
    "居委会": "Residents' Committee", "村委会": "Village Committee", "街道办": "Subdistrict Office",
    "街道": "Subdistrict", "地铁站": "Metro Station", "火车站": "Railway Station", "高铁站": "Railway Station",
    "大街": "Street", "大道": "Avenue", "大桥": "Bridge", "大厦": "Building", "大学": "University", "学院": "College",
    "中学": "Middle School", "小学": "Primary School", "幼儿园": "Kindergarten", "医院": "Hospital", "酒店": "Hotel",
    "宾馆": "Hotel", "饭店": "Restaurant", "公园": "Park", "广场": "Square", "胡同": "Hutong", "机场": "Airport",
    "小区": "Residential Area", "花园": "Garden", "银行": "Bank", "水库": "Reservoir", "省": "Province", "市": "City",
    "县": "County", "区": "District", "镇": "Town", "乡": "Township", "村": "Village", "路": "Road", "街": "Street",
    "巷": "Lane", "弄": "Lane", "桥": "Bridge", "山": "Mountain", "河": "River", "江": "River", "湖": "Lake",
    "岛": "Island", "寺": "Temple", "庙": "Temple", "塔": "Pagoda", "站": "Station", "港": "Port", "州": "zhou",
    "店": "Store", "苑": "Garden", "楼": "Building", "园": "Garden",
}  # fmt: skip
_WITH_DIRECTION = ("Road", "Street", "Avenue", "Lane", "Railway Station", "Station", "District")
_DIRECTIONS = {"东": "East", "南": "South", "西": "West", "北": "North", "中": "Middle"}


_ESTABLISHED = {
    "陕西": "Shaanxi", "西藏": "Tibet", "内蒙古": "Inner Mongolia", "香港": "Hong Kong", "澳门": "Macao",
    "哈尔滨": "Harbin", "呼和浩特": "Hohhot", "乌鲁木齐": "Urumqi", "拉萨": "Lhasa", "台北": "Taipei",
    "高雄": "Kaohsiung", "厦门": "Xiamen",
}  # fmt: skip


def pinyin(word: str) -> str:
    """One capitalised word without tones; characters without a reading vanish."""
    return "".join(part for part in lazy_pinyin(word) if not HAN.search(part)).capitalize()


def person(name: str) -> str:
    """Family name, then the given name as one word; what does not begin with a family name stays one word."""
    length = 2 if name[:2] in SURNAMES and len(name) > 2 else 1
    if name[:length] not in SURNAMES or not length < len(name) <= length + 2:
        return pinyin(name)
    return f"{pinyin(name[:length])} {pinyin(name[length:])}"


def place(name: str) -> str:
    """The name in pinyin and the kind of place in English."""
    if name in _ESTABLISHED:
        return _ESTABLISHED[name]
    kind = next((kind for kind in _KINDS if name.endswith(kind) and len(name) > len(kind)), "")
    stem, english = name.removesuffix(kind) if kind else name, _KINDS.get(kind, "")
    if not english or (len(stem) == 1 and len(kind) == 1) or english == "zhou":
        return pinyin(name)  # 沙县 -> Shaxian, 广州 -> Guangzhou
    if english in _WITH_DIRECTION and len(stem) > 2 and stem[-1] in _DIRECTIONS:
        return f"{place(stem[:-1])} {_DIRECTIONS[stem[-1]]} {english}"
    return f"{place(stem)} {english}"


def extends_place(word: str) -> bool:
    """Whether a word after a place's name goes on with it: 陕西 + 南路, 北京 + 市."""
    return word in _KINDS or (word[:1] in _DIRECTIONS and _KINDS.get(word[1:]) in _WITH_DIRECTION)


def surname_first(name: str) -> bool:
    """Whether the word has the shape of a Chinese person's name."""
    return 2 <= len(name) <= 4 and (name[0] in SURNAMES or name[:2] in SURNAMES)
