"""Reading through a grid: the identity changes nothing, and axes keep their order."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from common.transforms._warp import Warp, linear_grid


class Plain(Warp):
    """A warp whose points are of no interest."""

    def points(self, places: Tensor, owner: Tensor) -> Tensor:
        """Where they are."""
        return places


def identity(*size: int) -> Tensor:
    """The grid that reads every pixel where it is."""
    return linear_grid(torch.eye(len(size))[None], torch.zeros(1, len(size)), size)


@pytest.mark.parametrize("size", [(5, 7), (4, 5, 6)])
def test_the_identity_reads_every_pixel_where_it_is(size: tuple[int, ...]) -> None:
    image = torch.randn(1, 2, *size, generator=torch.Generator().manual_seed(0))
    warp = Plain(identity(*size), "border")
    assert warp.size == size
    torch.testing.assert_close(warp.image(image), image, rtol=1e-5, atol=1e-5)


def test_a_grid_is_the_product_for_each_pixel() -> None:
    generator = torch.Generator().manual_seed(1)
    linear = torch.randn(2, 3, 3, generator=generator)
    shift = torch.randn(2, 3, generator=generator)
    places = torch.stack(
        torch.meshgrid(*[(torch.arange(n) + 0.5) * 2 / n - 1 for n in (3, 4, 5)], indexing="ij")
    )
    expected = torch.einsum("bij,jxyz->bixyz", linear, places) + shift[:, :, None, None, None]
    torch.testing.assert_close(linear_grid(linear, shift, (3, 4, 5)), expected)


def test_a_shift_along_the_first_axis_moves_rows() -> None:
    image = torch.arange(4.0).reshape(1, 1, 4, 1).expand(1, 1, 4, 3).contiguous()
    grid = linear_grid(torch.eye(2)[None], torch.tensor([[0.5, 0.0]]), (4, 3))
    assert Plain(grid, "zeros").image(image)[0, 0, :, 0].tolist() == [1.0, 2.0, 3.0, 0.0]


def test_class_numbers_stay_whole_and_keep_their_type() -> None:
    values = torch.tensor([[0, 9], [9, 0]], dtype=torch.uint8)[None, None]
    moved = Plain(identity(5, 7), "border").nearest(values)
    assert moved.dtype == torch.uint8
    assert set(moved.unique().tolist()) == {0, 9}
