"""Regions are put into the order in which a reader takes them."""

import numpy as np
import pytest

from paddle_vlm.translation.reading_order import reading_order
from paddle_vlm.translation.region import Region


def region(text, left, top, right, bottom, *, kind="line", orientation="horizontal"):
    polygon = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)
    return Region([], polygon, text, orientation, True, kind)


def order(regions):
    return "".join(r.text for r in reading_order(regions, (1000, 1000)))


@pytest.mark.parametrize("seed", range(3))
def test_a_table_is_read_row_by_row_however_it_was_found(seed):
    cells = [
        region(t, 50 + 300 * (i % 2), 60 * (i // 2), 150 + 300 * (i % 2), 60 * (i // 2) + 30)
        for i, t in enumerate("abcdef")
    ]
    assert order([cells[i] for i in np.random.default_rng(seed).permutation(6)]) == "abcdef"


def test_columns_of_paragraphs_are_read_one_after_the_other_below_their_heading():
    regions = [
        region("3", 520, 100, 950, 300, kind="paragraph"),
        region("2", 20, 100, 450, 300, kind="paragraph"),
        region("1", 20, 20, 950, 80),
    ]
    assert order(regions) == "123"


def test_vertical_columns_are_read_from_the_right():
    regions = [region(t, x, 50, x + 40, 600, orientation="vertical") for t, x in (("3", 100), ("1", 500), ("2", 300))]
    assert order(regions) == "123"


def test_nothing_and_one_region_are_left_as_they_are():
    assert order([]) == ""
    assert order([region("1", 0, 0, 10, 10)]) == "1"
