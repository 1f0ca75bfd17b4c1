"""Checks of settings that concern several values at once, and draws of random parameters."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor

from common.errors import StudyError

V = TypeVar("V", int, float)


def interval(step: str, name: str, bounds: tuple[float, ...]) -> None:
    """Refuse bounds that are not two numbers with the lower first.

    Raises:
        StudyError: any other number of values, or the wrong order.
    """
    if len(bounds) != 2 or bounds[0] > bounds[1]:
        raise StudyError(
            f"{name} of step {step!r} is {list(bounds)}; give two numbers, the lower first."
        )


def axes(step: str, name: str, count: int) -> None:
    """Refuse a setting per axis that has neither one number nor one for each of two or three axes.

    Raises:
        StudyError: no number, or more than three.
    """
    if count not in (1, 2, 3):
        raise StudyError(
            f"{name} of step {step!r} has {count} numbers; "
            "give one for all axes, or one for each of H, W[, D]."
        )


def per_axis(step: str, name: str, values: tuple[V, ...], dimensions: int) -> tuple[V, ...]:
    """The setting spelled out for H, W[, D]; a single number holds for every axis.

    Raises:
        StudyError: the number of values fits neither.
    """
    spelled = values * dimensions if len(values) == 1 else values
    if len(spelled) != dimensions:
        raise StudyError(
            f"{name} of step {step!r} has {len(values)} numbers; "
            f"give one, or {dimensions} for images with {dimensions} axes."
        )
    return spelled


def uniform(
    bounds: tuple[float, ...],
    shape: tuple[int, ...],
    generator: torch.Generator,
    device: torch.device,
) -> Tensor:
    """Float32 ``shape`` drawn evenly between two bounds."""
    # Drawn on the CPU and then moved: a seed means the same changes on every device.
    return (bounds[0] + (bounds[1] - bounds[0]) * torch.rand(shape, generator=generator)).to(device)


def ratio(
    bounds: tuple[float, ...],
    shape: tuple[int, ...],
    generator: torch.Generator,
    device: torch.device,
) -> Tensor:
    """Float32 ``shape`` drawn between two positive bounds, log-uniformly.

    A factor and its inverse are equally likely.
    """
    logarithms = torch.tensor(bounds, dtype=torch.float64).log().tolist()
    return uniform(tuple(logarithms), shape, generator, torch.device("cpu")).exp().to(device)


def chosen(
    probability: float, count: int, generator: torch.Generator, device: torch.device
) -> Tensor:
    """Bool ``[count]``: which images a step changes."""
    return (torch.rand(count, generator=generator) < probability).to(device)


def column(values: Tensor, images: Tensor) -> Tensor:
    """``[B]`` or ``[B, C]`` with ones appended, so that it multiplies ``[B, C, H, W[, D]]``."""
    return values.reshape(*values.shape, *[1] * (images.dim() - values.dim()))
