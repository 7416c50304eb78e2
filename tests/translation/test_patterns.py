import pytest

from paddle_vlm.translation.patterns import spans, whole


@pytest.mark.parametrize(
    ("chinese", "english"),
    [
        ("28元", "28 yuan"), ("¥46.00元", "¥46.00"), ("20元/斤", "20 yuan/jin"), ("2015年10月30日", "October 30, 2015"),
        ("2015年3月", "March 2015"), ("3月16号", "March 16"), ("1994年", "1994"), ("周日", "Sunday"),
        ("星期一", "Monday"),
        ("500克", "500 g"), ("5公斤", "5 kg"), ("220毫升", "220 ml"), ("1个", "1 piece"), ("2人", "2 people"),
        ("3盒", "3 boxes"),
        ("8折", "20% off"), ("85折", "15% off"), ("8.5折", "15% off"), ("3楼", "3F"), ("66号", "No. 66"),
        ("3-5天", "3 - 5 days"), ("2月1日—2月23日", "February 1 - February 23"), ("3万元", "30,000 yuan"),
        ("1.5亿", "150 million"),
    ],
)  # fmt: skip
def test_numbers_with_units_and_dates(chinese, english):
    assert whole(chinese) == english


@pytest.mark.parametrize("text", ["", "元", "13月1日", "牛肉面", "28", "28元牛肉面", "0折", "ABC"])
def test_other_texts_are_left_alone(text):
    assert whole(text) is None


def test_such_parts_are_found_in_a_line():
    text = "2010年3月5日开业,牛肉面28元"
    assert [text[a:b] for a, b in spans(text)] == ["2010年3月5日", "28元"]
