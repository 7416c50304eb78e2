"""The contact sheet: where pictures stand, what is written below them."""

import numpy as np
import pytest
from PIL import Image

from paddle_vlm.retrieval.sheet import CELL, LINE, MARGIN, Entry, chinese_font, contact_sheet


@pytest.fixture
def red(tmp_path) -> str:
    Image.new("RGB", (60, 30), (255, 0, 0)).save(tmp_path / "red.png")
    return str(tmp_path / "red.png")


def test_pictures_stand_in_a_grid_with_their_proportions(red):
    sheet = contact_sheet([Entry(red, "1", "")] * 5)
    rows, columns = 2, 3
    assert sheet.shape == (MARGIN + rows * (CELL + 2 * LINE + MARGIN), MARGIN + columns * (CELL + MARGIN), 3)
    picture = (sheet == (255, 0, 0)).all(2)
    assert picture.sum() == 5 * CELL * CELL // 2
    assert picture[MARGIN + CELL // 2, MARGIN + CELL // 2]


def test_names_are_written_and_long_ones_shortened_within_their_place(red):
    plain = contact_sheet([Entry(red, "", "")])
    named = contact_sheet([Entry(red, "1. 83%", "很长的名字" * 30 + ".jpg")], heading="红苹果")
    assert (contact_sheet([Entry(red, "1. 83%", "")]) != plain).any()
    assert (named[:, -MARGIN + 2 :] == 255).all()


def test_a_picture_that_is_gone_leaves_a_grey_place(tmp_path, red):
    sheet = contact_sheet([Entry(red, "1"), Entry(str(tmp_path / "gone.png"), "2")])
    assert (sheet[MARGIN + 5, MARGIN + CELL + MARGIN + 5] == 225).all()


def test_chinese_is_drawn_not_boxes():
    font = chinese_font(18)
    assert font.getmask("红").getbbox() != font.getmask("\U000f0000").getbbox() or bytes(font.getmask("红")) != bytes(
        font.getmask("果")
    )


def test_no_pictures_give_a_sheet_with_a_heading_only():
    assert (contact_sheet([], "没有") < 255).any()
    assert np.asarray(contact_sheet([])).shape[2] == 3
