"""Boxes: which axis is which, what is cut at the edge, what goes."""

from __future__ import annotations

import pytest
import torch

from common.targets.boxes import Boxes, clipped, edges, joined
from common.transforms._window import Window
from common.transforms.rotate90 import Turn

FLAT = torch.tensor([[1.0, 2.0, 5.0, 10.0]])
DEEP = torch.tensor([[1.0, 2.0, 3.0, 5.0, 10.0, 7.0]])


@pytest.mark.parametrize("boxes", [FLAT, DEEP], ids=["2-D", "3-D"])
def test_ends_are_told_in_the_order_of_the_tensors_axes(boxes: torch.Tensor) -> None:
    low, high = edges(boxes)
    assert (low[0, 0], low[0, 1], high[0, 0], high[0, 1]) == (2, 1, 10, 5)
    assert torch.equal(joined(low, high), boxes)


@pytest.mark.parametrize(
    ("keep", "classes"),
    [(0.0, [0, 1, 2]), (0.5, [0, 1]), (0.51, [0])],
)
def test_what_stays_is_cut_and_what_shows_too_little_goes_with_its_class(
    keep: float, classes: list[int]
) -> None:
    """One box lies inside, one half inside, one shows a fifth, one nothing."""
    boxes = torch.tensor([[0.0, 0, 4, 4], [-2, 0, 2, 4], [-8, 0, 2, 4], [-9, 0, 0, 4]])
    left, kept = clipped(boxes, torch.arange(4), (8, 8), keep)
    assert kept.tolist() == classes
    assert (
        left.tolist()
        == [[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 2.0, 4.0], [0.0, 0.0, 2.0, 4.0]][: len(classes)]
    )


def test_images_without_boxes_keep_their_place_among_those_with_some() -> None:
    none = torch.zeros(0, 4)
    batch = Boxes(
        (none, FLAT, none),
        (torch.zeros(0, dtype=torch.int64), torch.tensor([3]), torch.zeros(0, dtype=torch.int64)),
    )
    moved = batch.follow(Window((12, 12), (2, 1), (10, 8), 0.0, 0.0))
    assert [len(b) for b in moved.corners] == [0, 1, 0]
    assert moved.corners[1].tolist() == [[0.0, 0.0, 4.0, 8.0]]
    assert moved.classes[1].tolist() == [3]


@pytest.mark.parametrize(
    ("turns", "box"),
    [(0, [1, 2, 5, 10]), (1, [2, 7, 10, 11]), (2, [7, 2, 11, 10]), (3, [2, 1, 10, 5])],
)
def test_quarter_turns_carry_a_box_around(turns: int, box: list[int]) -> None:
    moved = Boxes((FLAT,), (torch.tensor([0]),)).follow(Turn((12, 12), torch.tensor([turns])))
    assert moved.corners[0].tolist() == [[float(v) for v in box]]


def test_a_place_is_the_centre_of_some_box_or_none() -> None:
    two = Boxes((torch.cat([FLAT, FLAT + 20]),), (torch.tensor([0, 1]),))
    places = {tuple(two.place(torch.Generator().manual_seed(seed)) or ()) for seed in range(20)}
    assert places == {(6, 3), (26, 23)}
    assert (
        Boxes((torch.zeros(0, 4),), (torch.zeros(0, dtype=torch.int64),)).place(torch.Generator())
        is None
    )


def test_how_much_it_marks_is_the_number_of_boxes() -> None:
    assert Boxes((torch.cat([FLAT, FLAT]),), (torch.tensor([0, 1]),)).amount() == 2
