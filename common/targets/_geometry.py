"""How pixels move: described once by the step that moves them, followed by all else."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

KEEP = 0.3
"""A region of which a smaller share stays in a training image is dropped: it shows too little."""


class Geometry(ABC):
    """One move of ``B`` images, each its own way.

    Attributes:
        size: H, W[, D] after it.
        keep: a region of which a smaller share (or nothing) stays in the image is dropped, and what
            stays of others is clipped to it; None where nothing leaves the image.
    """

    size: tuple[int, ...]
    keep: float | None = None

    @abstractmethod
    def image(self, images: Tensor) -> Tensor:
        """``[B, C, H, W[, D]]`` grey values, interpolated where new pixels lie between old ones."""

    def nearest(self, values: Tensor) -> Tensor:
        """``[B, C, H, W[, D]]`` values of which no two mix, as class numbers; 0 is background."""
        return self.image(values)

    @abstractmethod
    def points(self, places: Tensor, owner: Tensor) -> Tensor:
        """Where points go.

        Args:
            places: float32 ``[M, d]`` in pixel edges, axes H, W[, D].
            owner: int64 ``[M]``, the image of each.
        """

    def boxes(self, low: Tensor, high: Tensor, owner: Tensor) -> tuple[Tensor, Tensor]:
        """Lower and upper ends ``[M, d]`` of upright boxes; here for moves that keep so."""
        one = self.points(low, owner)
        other = self.points(high, owner)
        # A mirror swaps the ends, so they are put in order again.
        return torch.minimum(one, other), torch.maximum(one, other)
