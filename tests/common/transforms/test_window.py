"""Windows: cut inside the image, padded beyond it; boxes are clipped or go."""

from __future__ import annotations

import pytest
import torch

from common.sample import Sample
from common.transforms._window import Window, centred, window
from tests.common.transforms.images import ramp
from tests.targets import Seen, of_one


def test_a_window_inside_is_a_part_of_the_image() -> None:
    sample = ramp(6, 7)
    assert torch.equal(window(sample, (1, 2), (3, 4), 0.0).image, sample.image[:, 1:4, 2:6])


def test_a_window_beyond_is_filled_and_class_numbers_become_background() -> None:
    cut = Window((2, 2), (-1, 1), (4, 3), fill=9.0, keep=0.0)
    ones = torch.ones(1, 1, 2, 2)
    expected = [[9, 9, 9], [1, 9, 9], [1, 9, 9], [9, 9, 9]]
    assert cut.image(ones)[0, 0].tolist() == expected
    assert cut.nearest(ones)[0, 0].tolist() == [[v % 9 for v in row] for row in expected]


def test_points_are_counted_from_the_beginning_of_the_window() -> None:
    cut = Window((9, 9, 9), (-1, 2, 0), (9, 9, 9), fill=0.0, keep=0.0)
    moved = cut.points(torch.tensor([[3.0, 3.0, 3.0]]), torch.zeros(1, dtype=torch.int64))
    assert moved.tolist() == [[4.0, 1.0, 3.0]]


@pytest.mark.parametrize(("keep", "classes"), [(0.0, [5, 6]), (0.5, [6])])
def test_a_box_of_which_too_little_stays_goes(keep: float, classes: list[int]) -> None:
    boxes = torch.tensor([[0.0, 0.0, 4.0, 4.0], [3.0, 0.0, 7.0, 4.0]])
    targets = of_one(boxes=boxes, classes=torch.tensor([5, 6]))
    sample = Sample(image=torch.zeros(1, 8, 8), spacing=(1.0, 1.0), targets=targets)
    cut = window(sample, (0, 3), (8, 5), 0.0, keep)
    assert Seen(cut).classes.tolist() == classes


@pytest.mark.parametrize(("size", "start"), [(10, -2), (9, -1), (4, 1), (3, 2)])
def test_the_image_lies_in_the_middle(size: int, start: int) -> None:
    image = centred(ramp(6, 6), (size, 6), fill=-1.0).image[0, :, 0]
    assert len(image) == size
    assert float(image[max(-start, 0)]) == max(start, 0) + 0.5
