"""Matrices per axis: exact at the borders, the identity where nothing changes."""

from __future__ import annotations

import pytest
import torch

from common.transforms import _linear


@pytest.mark.parametrize(
    ("before", "after", "step"), [(9, 4, 2.25), (4, 9, 4 / 9), (5, 12, 0.25), (7, 3, 5.0)]
)
def test_rows_of_a_resampling_sum_to_one_also_beyond_the_image(
    before: int, after: int, step: float
) -> None:
    matrix = _linear.resampling(before, after, step)
    assert matrix.shape == (after, before)
    assert bool((matrix >= 0).all())
    torch.testing.assert_close(matrix.sum(1), torch.ones(after))


def test_halving_averages_with_a_triangle_and_a_grid_of_its_own_is_the_identity() -> None:
    middle = _linear.resampling(8, 4, 2.0)[1]
    torch.testing.assert_close(middle, torch.tensor([0.0, 0.125, 0.375, 0.375, 0.125, 0, 0, 0]))
    torch.testing.assert_close(_linear.resampling(5, 5, 1.0), torch.eye(5))


def test_nearest_takes_the_pixel_under_each_centre_and_the_edge_beyond() -> None:
    assert _linear.nearest(2, 6, 1 / 3).tolist() == [0, 0, 0, 1, 1, 1]
    assert _linear.nearest(6, 2, 3.0).tolist() == [1, 4]
    assert _linear.nearest(2, 6, 1.0).tolist() == [0, 0, 0, 1, 1, 1]


def test_a_matrix_per_image_and_one_for_all_are_applied_alike() -> None:
    images = torch.randn(3, 2, 4, 5, 6, generator=torch.Generator().manual_seed(0))
    one = [torch.randn(n + 1, n, generator=torch.Generator().manual_seed(n)) for n in (4, 5, 6)]
    expected = torch.einsum("bcijk,xi,yj,zk->bcxyz", images, *one)
    torch.testing.assert_close(_linear.apply(images, one), expected, rtol=1e-4, atol=1e-4)
    each = [matrix.repeat(3, 1, 1) for matrix in one]
    torch.testing.assert_close(_linear.apply(images, each), expected, rtol=1e-4, atol=1e-4)


def test_a_gaussian_without_width_is_the_identity_and_holds_no_denormal_weight() -> None:
    narrow, wide = _linear.gaussian(40, torch.tensor([0.0, 1.5]))
    torch.testing.assert_close(narrow, torch.eye(40))
    torch.testing.assert_close(wide.sum(1), torch.ones(40))
    assert float(wide[wide > 0].min()) > 1e-8


def test_a_spline_is_the_average_of_equal_control_points() -> None:
    matrix = _linear.spline(12, 3)
    assert matrix.shape == (12, 6)
    torch.testing.assert_close(matrix.sum(1), torch.ones(12))
    assert int((matrix[0] > 0).sum()) == 4
