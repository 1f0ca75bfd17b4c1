"""Boxes: upright rectangles or cuboids around what is to be found, each with its class.

``[N, 2 * d]`` in pixel edges, ``x0 y0 [z0] x1 y1 [z1]`` with x along W, y along H, z along D,
upper ends exclusive. Tensors run H, W[, D]; :func:`edges` and :func:`joined` cross between the
two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from common.targets import Geometry, Target


@dataclass(frozen=True, eq=False)
class Boxes(Target):
    """Boxes of ``B`` images.

    Attributes:
        corners: for each image float32 ``[N, 2 * d]``.
        classes: for each image int64 ``[N]``, the class number of each box, from 0.
    """

    name: ClassVar[str] = "boxes"
    corners: tuple[Tensor, ...]
    classes: tuple[Tensor, ...]

    @classmethod
    def example(cls, size: Sequence[int], low: Sequence[int], high: Sequence[int]) -> Boxes:
        """One box around the structure."""
        corners = joined(torch.tensor([list(low)]), torch.tensor([list(high)])).to(torch.float32)
        return cls((corners,), (torch.zeros(1, dtype=torch.int64),))

    def follow(self, geometry: Geometry) -> Boxes:
        """All boxes move at once; one of which too little stays goes with its class."""
        low, high = edges(torch.cat(self.corners))
        # One call for the whole batch: a few boxes an image would not pay for a call each.
        counts = torch.tensor([len(b) for b in self.corners])
        owner = torch.repeat_interleave(torch.arange(len(counts)), counts).to(low.device)
        moved = torch.split(joined(*geometry.boxes(low, high, owner)), counts.tolist())
        if geometry.keep is None:
            return Boxes(moved, self.classes)
        limits = (geometry.size, geometry.keep)
        kept = [clipped(b, c, *limits) for b, c in zip(moved, self.classes, strict=True)]
        return Boxes(tuple(b for b, _ in kept), tuple(c for _, c in kept))

    def place(self, generator: torch.Generator) -> list[int] | None:
        """The centre of a box, each as likely."""
        count = len(self.corners[0])
        if not count:
            return None
        number = int(torch.randint(count, (), generator=generator))
        low, high = edges(self.corners[0][number][None])
        return [int(c) for c in ((low + high) / 2)[0]]

    def amount(self) -> float:
        """Number of boxes."""
        return float(sum(map(len, self.corners)))


Pair = tuple[Tensor, Tensor]


def edges(boxes: Tensor) -> Pair:
    """Lower and upper ends ``[N, d]`` each, axes in the order H, W[, D]."""
    d = boxes.shape[1] // 2
    order = [1, 0, 2][:d]
    return boxes[:, :d][:, order], boxes[:, d:][:, order]


def joined(low: Tensor, high: Tensor) -> Tensor:
    """The inverse of :func:`edges`."""
    order = [1, 0, 2][: low.shape[1]]
    return torch.cat([low[:, order], high[:, order]], dim=1)


def clipped(boxes: Tensor, classes: Tensor, size: Sequence[int], keep: float) -> Pair:
    """What lies in an image of ``size``; of less than ``keep``, or nothing, both go."""
    low, high = edges(boxes)
    limit = torch.tensor(list(size), dtype=low.dtype, device=low.device)
    inner_low = torch.minimum(low.clamp(min=0), limit)
    inner_high = torch.minimum(high.clamp(min=0), limit)
    inside = (inner_high - inner_low).prod(1)
    stays = (inside > 0) & (inside >= keep * (high - low).prod(1))
    return joined(inner_low[stays], inner_high[stays]), classes[stays]


TARGET = Boxes
