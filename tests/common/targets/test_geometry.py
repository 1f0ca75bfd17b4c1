"""Moves: boxes follow their corners, and values that never mix follow the image."""

from __future__ import annotations

import torch
from torch import Tensor

from common.targets import Geometry


class Mirror(Geometry):
    """Rows counted from the other end."""

    size = (10, 6)

    def image(self, images: Tensor) -> Tensor:
        """Rows in the other order."""
        return images.flip(2)

    def points(self, places: Tensor, owner: Tensor) -> Tensor:
        """Rows from the other end."""
        return torch.stack([10 - places[:, 0], places[:, 1]], 1)


def test_ends_of_a_box_are_put_in_order_again() -> None:
    low, high = Mirror().boxes(
        torch.tensor([[1.0, 2.0]]), torch.tensor([[4.0, 5.0]]), torch.tensor([0])
    )
    assert low.tolist() == [[6.0, 2.0]]
    assert high.tolist() == [[9.0, 5.0]]


def test_class_numbers_move_as_grey_values_do_unless_a_move_says_otherwise() -> None:
    values = torch.arange(60.0).reshape(1, 1, 10, 6)
    assert torch.equal(Mirror().nearest(values), values.flip(2))


def test_nothing_leaves_the_image_unless_a_move_says_so() -> None:
    assert Mirror().keep is None
