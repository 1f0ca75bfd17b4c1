"""Boxes that follow their image: ``[N, 2 * d]`` as in :mod:`common.sample`, upper ends exclusive, in pixel edges.

Columns run x (W), y (H)[, z (D)]; tensors run H, W[, D]. :func:`edges` and :func:`joined` cross between the two.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

KEEP = 0.3
"""A box of which a smaller share stays within the image is dropped: too little is seen to teach what it holds."""


def edges(boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Lower and upper ends ``[N, d]`` each, axes in the order H, W[, D]."""
    d = boxes.shape[1] // 2
    order = [1, 0, 2][:d]
    return boxes[:, :d][:, order], boxes[:, d:][:, order]


def joined(low: Tensor, high: Tensor) -> Tensor:
    """The inverse of :func:`edges`."""
    order = [1, 0, 2][: low.shape[1]]
    return torch.cat([low[:, order], high[:, order]], dim=1)


def clipped(
    low: Tensor, high: Tensor, classes: Tensor | None, size: Sequence[int], keep: float
) -> tuple[Tensor, Tensor | None]:
    """Boxes and classes within an image of ``size``; a box of which less than ``keep`` (or nothing) stays is dropped."""
    limit = torch.tensor(list(size), dtype=low.dtype, device=low.device)
    inner_low, inner_high = (
        torch.minimum(low.clamp(min=0), limit),
        torch.minimum(high.clamp(min=0), limit),
    )
    inside, whole = (inner_high - inner_low).prod(1), (high - low).prod(1)
    stays = (inside > 0) & (inside >= keep * whole)
    return joined(inner_low[stays], inner_high[stays]), None if classes is None else classes[stays]


def batch_edges(boxes: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """All boxes of a batch at once: lower and upper ends ``[M, d]`` and the image number ``[M]`` of each."""
    low, high = edges(torch.cat(list(boxes)))
    counts = torch.tensor([len(b) for b in boxes])
    return low, high, torch.repeat_interleave(torch.arange(len(boxes)), counts).to(low.device)


def per_image(low: Tensor, high: Tensor, boxes: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The inverse of :func:`batch_edges` for moved ends; ``boxes`` are the batch's old boxes."""
    return torch.split(joined(low, high), [len(b) for b in boxes])
