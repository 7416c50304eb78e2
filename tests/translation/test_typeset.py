"""English in the place of Chinese: size, place, direction, room and legibility."""

from itertools import combinations

import cv2
import numpy as np
import pytest

from paddle_vlm.translation.ocr import TextLine
from paddle_vlm.translation.region import Region
from paddle_vlm.translation.style import TextStyle
from paddle_vlm.translation.typeset import typeset

GROUND = (236, 230, 214)
LONG = "Land Consolidation and Soil Remediation Research Center"


def quad(x0, y0, x1, y1):
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float32)


def region(*polygons, orientation="horizontal"):
    lines = [TextLine(np.asarray(p, np.float32), "文字", 1.0, orientation) for p in polygons]
    return Region(lines, lines[0].polygon, "文字", orientation, True, "line")


def style(height=30.0, color=(30, 40, 60), **more):
    values = {"outline_color": None, "outline_width": 0.0, "bold": False, "slant": 0.0, "background": GROUND} | more
    return TextStyle(color=color, height=height, **values)


def canvas(width=600, height=400, channels=3):
    return np.full((height, width, channels), [*GROUND, 255][:channels], np.uint8)


def changed(before, after):
    return np.abs(after.astype(int) - before).max(axis=2) > 12


def overlap(first, second):
    return cv2.intersectConvexConvex(first.polygon, second.polygon)[0]


def test_a_short_text_keeps_the_size_of_the_original():
    _, (placed,) = typeset(canvas(), [region(quad(60, 60, 220, 94))], ["Exit"], [style()])
    assert placed.lines == ["Exit"]
    assert placed.font_size == pytest.approx(31, abs=1.5)
    assert placed.color == (30, 40, 60)


def test_a_long_text_takes_free_ground_rather_than_tiny_letters():
    before = canvas()
    after, (placed,) = typeset(before, [region(quad(60, 60, 220, 94))], [LONG], [style()])
    assert placed.font_size >= 18
    assert " ".join(placed.lines) == LONG
    ys, xs = np.nonzero(changed(before, after))
    assert xs.min() >= 0 and xs.max() < 600 and len(xs) > 100


def test_a_text_stays_on_its_plate():
    before = canvas()
    before[...] = (70, 60, 50)
    before[50:110, 40:330] = GROUND
    after, (placed,) = typeset(before, [region(quad(60, 62, 300, 98))], [LONG], [style()])
    ys, xs = np.nonzero(changed(before, after))
    assert xs.min() >= 40 and xs.max() < 330 and ys.min() >= 50 and ys.max() < 110


def test_texts_do_not_overlap_one_another_nor_text_that_stays():
    regions = [region(quad(40, 40 + 44 * i, 240, 72 + 44 * i)) for i in range(7)]
    price = region(quad(260, 40, 330, 350))
    _, placed = typeset(canvas(), regions, [LONG] * 7, [style()] * 7, obstacles=[price])
    assert all(overlap(a, b) < 1 for a, b in combinations(placed, 2))
    assert all(cv2.intersectConvexConvex(p.polygon, price.lines[0].polygon)[0] < 1 for p in placed)


def test_even_overlapping_boxes_get_texts_apart():
    regions = [region(quad(60, 60, 300, 100)), region(quad(80, 80, 320, 130)), region(quad(60, 70, 200, 120))]
    _, placed = typeset(canvas(), regions, ["Welcome home", "Mind the step", "Exit"], [style()] * 3)
    assert all(overlap(a, b) < 1 for a, b in combinations(placed, 2))


def test_texts_that_were_alike_stay_alike():
    regions = [region(quad(40, 40 + 60 * i, 160, 72 + 60 * i)) for i in range(4)]
    texts = ["Noodles", "Braised pork with preserved vegetables", "Rice", "Steamed fish with ginger"]
    _, placed = typeset(canvas(420), regions, texts, [style()] * 4)
    assert max(p.font_size for p in placed) <= 1.35 * min(p.font_size for p in placed)


def test_left_edges_stay_left_edges():
    regions = [region(quad(60, 40 + 60 * i, 200 + 30 * i, 72 + 60 * i)) for i in range(3)]
    _, placed = typeset(canvas(), regions, ["Soup", "Noodles", "Rice"], [style()] * 3)
    assert all(abs(p.polygon[:, 0].min() - 60) <= 4 for p in placed)


def test_a_title_stays_in_the_middle():
    _, (placed,) = typeset(canvas(), [region(quad(200, 60, 400, 100))], ["Park rules and notices"], [style(36)])
    assert placed.polygon[:, 0].mean() == pytest.approx(300, abs=4)


@pytest.mark.parametrize("degrees", [-25, 12, 90, 180])
def test_the_direction_of_the_line_is_kept(degrees):
    turn = np.vstack([cv2.getRotationMatrix2D((300, 200), -degrees, 1), [0, 0, 1]])
    polygon = cv2.perspectiveTransform(quad(200, 180, 400, 220)[None].astype(np.float64), turn)[0]
    before = canvas()
    after, (placed,) = typeset(before, [region(polygon)], ["Emergency exit"], [style(36)])
    along = placed.polygon[1] - placed.polygon[0]
    assert np.degrees(np.arctan2(along[1], along[0])) == pytest.approx(degrees, abs=1.5) or degrees == 180
    assert changed(before, after).sum() > 200
    assert cv2.intersectConvexConvex(placed.polygon, polygon.astype(np.float32))[0] > 0.7 * cv2.contourArea(
        placed.polygon
    )


def test_a_narrow_column_is_set_downwards_and_a_wide_one_across():
    board = canvas()
    board[...] = (70, 60, 50)
    board[20:380, 90:150], board[100:300, 300:560] = GROUND, GROUND
    narrow = region(quad(102, 40, 138, 360), orientation="vertical")
    wide = region(quad(340, 120, 520, 280), orientation="vertical")
    _, (down, across) = typeset(board, [narrow, wide], [LONG, "Strive on"], [style(34), style(170)])
    assert np.ptp(down.polygon[:, 1]) > 3 * np.ptp(down.polygon[:, 0])
    assert down.font_size >= 12
    assert np.ptp(across.polygon[:, 0]) > np.ptp(across.polygon[:, 1]) or len(across.lines) == 2


def test_a_colour_that_can_hardly_be_seen_is_moved_away_from_the_ground():
    pale = tuple(c - 4 for c in GROUND)
    _, (placed,) = typeset(canvas(), [region(quad(60, 60, 220, 94))], ["Exit"], [style(color=pale)])
    assert sum(abs(a - b) for a, b in zip(placed.color, GROUND, strict=True)) > 100


def test_one_endless_word_is_divided_only_when_nothing_else_helps():
    board = canvas(120, 200)
    word = "Internationalization"
    _, (placed,) = typeset(board, [region(quad(20, 60, 100, 94))], [word], [style()])
    assert "".join(line.rstrip("-") for line in placed.lines).replace(" ", "") == word
    assert placed.font_size >= 9
    _, (free,) = typeset(canvas(), [region(quad(20, 60, 100, 94))], [word], [style()])
    assert free.lines == [word]


def test_the_canvas_is_not_changed_and_alpha_becomes_opaque_under_the_letters():
    before = canvas(channels=4)
    before[..., 3] = 0
    kept = before.copy()
    after, _ = typeset(before, [region(quad(60, 60, 220, 94))], ["Exit"], [style()])
    assert np.array_equal(before, kept)
    assert after[..., 3].max() == 255 and (after[..., 3] == 0).mean() > 0.9


def test_nothing_to_set_returns_the_picture():
    after, placed = typeset(canvas(), [], [], [])
    assert placed == [] and np.array_equal(after, canvas())


def test_lists_of_different_lengths_are_refused():
    with pytest.raises(ValueError):
        typeset(canvas(), [region(quad(60, 60, 220, 94))], [], [style()])
