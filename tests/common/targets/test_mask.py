"""Masks: which pixels are drawn, and that class numbers never mix."""

from __future__ import annotations

from collections import Counter

import torch

from common.targets.mask import Mask
from common.transforms._resampled import Regridding
from common.transforms._window import Window


def test_every_foreground_pixel_is_drawn_as_often_as_any_other() -> None:
    values = torch.zeros(1, 1, 4, 5, dtype=torch.uint8)
    values[0, 0, 1, 1:4] = 2
    values[0, 0, 3, 0] = 1
    generator = torch.Generator().manual_seed(1)
    drawn = Counter(tuple(Mask(values).place(generator) or ()) for _ in range(800))
    assert set(drawn) == {(1, 1), (1, 2), (1, 3), (3, 0)}
    assert min(drawn.values()) > 150


def test_an_empty_mask_marks_no_place_and_draws_nothing() -> None:
    generator = torch.Generator().manual_seed(1)
    before = generator.get_state()
    assert Mask(torch.zeros(1, 1, 4, 5, dtype=torch.uint8)).place(generator) is None
    assert torch.equal(generator.get_state(), before)


def test_what_lies_beyond_the_image_is_background_whatever_fills_the_image() -> None:
    window = Window((2, 2), (-1, -1), (4, 4), fill=7.0, keep=0.0)
    mask = Mask(torch.full((1, 1, 2, 2), 3, dtype=torch.uint8)).follow(window)
    assert mask.values.dtype == torch.uint8
    assert int(mask.values.sum()) == 12 and int(mask.values[0, 0, 0].sum()) == 0
    assert float(window.image(torch.zeros(1, 1, 2, 2)).sum()) == 7.0 * 12


def test_class_numbers_are_never_averaged() -> None:
    values = torch.tensor([[0, 9], [9, 0]], dtype=torch.uint8)[None, None]
    moved = Mask(values).follow(Regridding((2, 2), (5, 7), (2 / 5, 2 / 7)))
    assert set(moved.values.unique().tolist()) == {0, 9}


def test_how_much_it_marks_is_the_number_of_foreground_pixels() -> None:
    assert Mask(torch.tensor([[0, 2], [1, 0]], dtype=torch.uint8)[None, None]).amount() == 2
