"""Another pixel grid: images, class numbers and points move alike, about the same centre."""

from __future__ import annotations

import torch

from common.transforms._resampled import Regridding, resampled
from tests.common.transforms.images import ramp


def test_points_move_to_where_their_pixels_move() -> None:
    """Coordinates as grey values say, at each new pixel, which old place it shows."""
    geometry = Regridding((20, 30), (10, 60), (2.0, 0.5))
    image = geometry.image(ramp(20, 30).image[None])[0]
    places = image[:, 2:-2, 4:-4].flatten(1).T
    moved = geometry.points(places, torch.zeros(len(places), dtype=torch.int64))
    rows, columns = torch.meshgrid(torch.arange(10) + 0.5, torch.arange(60) + 0.5, indexing="ij")
    expected = torch.stack([rows, columns])[:, 2:-2, 4:-4].flatten(1).T
    torch.testing.assert_close(moved, expected, rtol=0, atol=1e-3)


def test_class_numbers_are_taken_and_not_mixed() -> None:
    values = torch.tensor([[1, 2], [3, 4]], dtype=torch.uint8)[None, None]
    moved = Regridding((2, 2), (4, 2), (0.5, 1.0)).nearest(values)
    assert moved[0, 0].tolist() == [[1, 2], [1, 2], [3, 4], [3, 4]]


def test_the_spacing_follows_the_steps() -> None:
    result = resampled(ramp(8, 8).with_(spacing=(0.5, 3.0)), (4, 16), (2.0, 0.5))
    assert result.spacing == (1.0, 1.5)
    assert result.image.shape == (2, 4, 16)
