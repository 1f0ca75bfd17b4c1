"""Separable linear operators: resampling, Gaussian blur and splines as one matrix per axis.

A matrix per axis serves two and three dimensions with the same lines, is exact at the borders (its
rows sum to one) and runs as matrix products on any device. Coordinates count from the edge of the
first pixel: pixel ``i`` covers ``i`` to ``i + 1``, its centre is ``i + 0.5``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

_SMALLEST = -16.0
"""Logarithm below which Gaussian weights are 0.

They are beyond float32 beside 1, and denormal numbers are slow.
"""


def apply(images: Tensor, matrices: Sequence[Tensor]) -> Tensor:
    """Multiply every spatial axis by its matrix.

    Args:
        images: float32 ``[B, C, H, W[, D]]``.
        matrices: for H, W[, D]: ``[out, in]``, or ``[B, out, in]`` for a matrix per image.

    Returns:
        float32 ``[B, C, H', W'[, D']]``.
    """
    for axis, matrix in enumerate(matrices, start=2):
        rows = images.movedim(axis, -1)
        flat = rows.reshape(len(rows), -1, rows.shape[-1]) @ matrix.mT
        images = flat.reshape(*rows.shape[:-1], matrix.shape[-2]).movedim(-1, axis)
    return images.contiguous()


@lru_cache(maxsize=64)
def resampling(before: int, after: int, step: float) -> Tensor:
    """``[after, before]``: linear interpolation of an axis that grows, else a weighted average.

    The average's weights are a triangle, so that nothing aliases.

    Args:
        before, after: pixels along the axis.
        step: old pixels per new pixel; both fields of view share their centre.
    """
    old = torch.arange(before, dtype=torch.float64) + 0.5
    # Centres beyond the image read its edge: without the clamp their rows would be all 0.
    centres = _centres(before, after, step).clamp(0.5, before - 0.5)
    distance = (old - centres[:, None]).abs()
    weights = (1 - distance / max(step, 1.0)).clamp(min=0)
    return (weights / weights.sum(1, keepdim=True)).float()


def nearest(before: int, after: int, step: float) -> Tensor:
    """int64 ``[after]``: the old pixel under each new pixel's centre.

    Arguments as in :func:`resampling`.
    """
    return _centres(before, after, step).floor().long().clamp(0, before - 1)


def gaussian(size: int, sigmas: Tensor) -> Tensor:
    """``[B, size, size]``: Gaussian blur with ``sigmas [B]`` in pixels, on their device."""
    place = torch.arange(size, device=sigmas.device, dtype=torch.float32)
    exponent = -0.5 * ((place[:, None] - place) / sigmas.clamp(min=0.05)[:, None, None]) ** 2
    weights = torch.where(exponent > _SMALLEST, exponent.clamp(min=_SMALLEST).exp(), 0.0)
    return weights / weights.sum(2, keepdim=True)


def blur(images: Tensor, sigmas: Tensor) -> Tensor:
    """``[B, C, H, W[, D]]`` blurred by ``sigmas [B]`` pixels."""
    return apply(images, [gaussian(n, sigmas) for n in images.shape[2:]])


@lru_cache(maxsize=64)
def spline(size: int, cells: int) -> Tensor:
    """``[size, cells + 3]``: uniform cubic B-spline with ``cells`` intervals over ``size`` pixels.

    Evaluated at the pixels' centres.
    """
    place = (torch.arange(size, dtype=torch.float64) + 0.5) * cells / size
    distance = (place[:, None] + 1 - torch.arange(cells + 3, dtype=torch.float64)).abs()
    near = 2 / 3 - distance**2 + distance**3 / 2
    far = (2 - distance).clamp(min=0) ** 3 / 6
    return torch.where(distance < 1, near, far).float()


def _centres(before: int, after: int, step: float) -> Tensor:
    return (torch.arange(after, dtype=torch.float64) + 0.5 - after / 2) * step + before / 2
