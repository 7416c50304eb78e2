"""Line breaking and sizes."""

import pytest

from paddle_vlm.translation.fitting import Face, break_evenly, fit_text, hyphenated, settable

TEXT = "Land Consolidation and Soil Remediation Research Center"


def test_a_fit_stays_within_its_box_and_keeps_every_word():
    fit = fit_text(TEXT, Face(), 220, 90, 60)
    assert fit.width <= 220.5 and fit.height <= 90.5
    assert " ".join(fit.lines) == TEXT


def test_the_size_is_never_above_the_limit():
    assert fit_text("Exit", Face(), 1000, 1000, 30).size == 30


def test_a_wide_low_box_takes_one_line_and_a_square_one_several():
    assert len(fit_text(TEXT, Face(), 800, 30, 60).lines) == 1
    assert len(fit_text(TEXT, Face(), 200, 200, 60).lines) > 2


def test_condensed_letters_come_out_larger_in_the_same_box():
    assert fit_text("Parking", Face(condensed=True), 80, 60, 60).size > fit_text("Parking", Face(), 80, 60, 60).size


def test_lines_are_broken_evenly():
    lines, widest = break_evenly(("one", "two", "three", "four", "five", "six"), Face(), 2)
    assert len(lines) == 2
    assert min(map(Face().width, lines)) > 0.6 * widest


def test_long_words_are_divided_with_a_hyphen_and_short_ones_are_not():
    pieces = hyphenated("the internationalization", Face(), Face().width("internat")).split()
    assert pieces[0] == "the"
    assert len(pieces) > 2 and all(piece.endswith("-") for piece in pieces[1:-1])
    assert "".join(piece.rstrip("-") for piece in pieces[1:]) == "internationalization"
    assert hyphenated("keep off", Face(), 0.1) == "keep off"


@pytest.mark.parametrize("text,expected", [
    ("Ｏｐｅｎ　９：００", "Open 9:00"), ("“Café” — naïve… €5", '"Café" - naïve... €5'), ("Exit →", "Exit →"),
    ("第①层 Floor", "1 Floor"), ("a\n  b", "a b"),
])  # fmt: skip
def test_text_is_brought_to_characters_that_the_fonts_have(text, expected):
    assert settable(text) == expected
