"""Rows of letters are told from markers, from bars and from noise."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw

from client.deidentify import glyphs


def printed(text: str, turn: int = 0) -> npt.NDArray[np.uint8]:
    canvas = Image.new("L", (256, 256), 20)
    ImageDraw.Draw(canvas).text((20, 100), text, fill=230, font_size=22)
    return np.rot90(np.asarray(canvas), turn)


def test_a_row_of_letters_and_where_it_stands() -> None:
    rows = glyphs.rows(printed("DOE JANE 1963"))
    assert rows
    top, left, bottom, right = rows[0].box
    assert 0.35 < top < bottom < 0.55 and 0.05 < left < right < 0.9
    assert rows[0].letters >= glyphs.LETTERS


@pytest.mark.parametrize("turn", [1, 3])
def test_letters_that_run_up_or_down(turn: int) -> None:
    assert glyphs.rows(printed("DOE JANE 1963", turn))


def test_dark_letters_and_coloured_ones() -> None:
    grey = printed("DOE JANE 1963")
    assert glyphs.rows(255 - grey)
    colour = np.stack([grey, np.full_like(grey, 20), np.full_like(grey, 20)], axis=-1)
    assert glyphs.rows(colour)


@pytest.mark.parametrize("text", ["", "L", "AP"])
def test_a_marker_is_no_text(text: str) -> None:
    assert glyphs.rows(printed(text)) == []


def test_noise_and_an_empty_picture_are_no_text() -> None:
    noise = np.random.default_rng(0).normal(100, 20, (256, 256))
    assert glyphs.rows(noise) == []
    assert glyphs.rows(np.zeros((256, 256))) == []
    assert glyphs.rows(np.full((128, 128), np.nan)) == []
