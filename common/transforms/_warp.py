"""Read a batch through a sampling grid: one pass over the images, one over each mask."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from common.targets import Geometry

OUTSIDE = ("border", "zeros", "reflection")


def linear_grid(linear: Tensor, shift: Tensor, size: Sequence[int]) -> Tensor:
    """Where each pixel is read for maps ``v = linear @ u + shift``.

    ``u`` and ``v`` are coordinates from -1 to 1, axes H, W[, D].

    Args:
        linear, shift: ``[B, d, d]`` and ``[B, d]``.
        size: H, W[, D].

    Returns:
        ``[B, d, H, W[, D]]``, axes in the order H, W[, D]; a sum of one vector per axis, several
        times faster than a product per pixel.
    """
    grid = shift.reshape(*shift.shape, *[1] * len(size))
    for axis, length in enumerate(size):
        centres = torch.arange(length, device=linear.device, dtype=linear.dtype) + 0.5
        along = linear[:, :, axis, None] * (centres * (2 / length) - 1)
        grid = grid + along.reshape(
            *along.shape[:2], *[length if a == axis else 1 for a in range(len(size))]
        )
    return grid


class Warp(Geometry):
    """Images (linear) and masks (nearest) read at a grid; the way forward of points is added.

    Args:
        grid: ``[B, d, H, W[, D]]`` from -1 to 1 between the image's edges, axes in the order H, W[,
            D].
        outside: what lies beyond the image, for image and mask alike.
    """

    def __init__(self, grid: Tensor, outside: str) -> None:
        self.size = tuple(grid.shape[2:])
        # grid_sample counts axes backwards (x along W first) and wants them last.
        self._grid = grid.flip(1).movedim(1, -1)
        self._outside = outside

    def image(self, images: Tensor) -> Tensor:
        """Grey values between the pixels."""
        return self._read(images, "bilinear")

    def nearest(self, values: Tensor) -> Tensor:
        """Class numbers of the nearest pixels."""
        return self._read(values.to(self._grid.dtype), "nearest").to(values.dtype)

    def _read(self, values: Tensor, mode: str) -> Tensor:
        # Corners are edges of pixels here, as everywhere in the house, not their centres.
        return functional.grid_sample(
            values, self._grid, mode=mode, padding_mode=self._outside, align_corners=False
        )
