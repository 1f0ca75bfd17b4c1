"""Mask: a class number for every pixel. It moves as its image does, and no two numbers ever mix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from common.targets import Geometry, Target


@dataclass(frozen=True, eq=False)
class Mask(Target):
    """Masks of ``B`` images.

    Attributes:
        values: uint8 ``[B, 1, H, W[, D]]``, 0 is background.
    """

    name: ClassVar[str] = "mask"
    values: Tensor

    @classmethod
    def example(cls, size: Sequence[int], low: Sequence[int], high: Sequence[int]) -> Mask:
        """Class 1 where the structure is."""
        values = torch.zeros((1, 1, *size), dtype=torch.uint8)
        inside = [slice(begin, end) for begin, end in zip(low, high, strict=True)]
        values[(slice(None), slice(None), *inside)] = 1
        return cls(values)

    def follow(self, geometry: Geometry) -> Mask:
        """Every pixel takes one old pixel's number."""
        return Mask(geometry.nearest(self.values))

    def place(self, generator: torch.Generator) -> list[int] | None:
        """A foreground pixel: axis by axis, each index as likely as it has foreground pixels.

        That is even over all of them without listing them.
        """
        foreground = self.values[0, 0] != 0
        place: list[int] = []
        if not bool(foreground.any()):
            return None
        while foreground.dim():
            counts = foreground.reshape(len(foreground), -1).sum(1)
            rank = int(torch.randint(int(counts.sum()), (), generator=generator))
            place.append(int((counts.cumsum(0) <= rank).sum()))
            foreground = foreground[place[-1]]
        return place

    def amount(self) -> float:
        """Foreground pixels."""
        return float((self.values > 0).sum())


TARGET = Mask
