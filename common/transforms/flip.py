"""Mirror images along chosen axes; leave out left and right where the side matters."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from common.errors import StudyError
from common.sample import Batch
from common.study.config import setting
from common.transforms import Transform
from common.transforms._boxes import batch_edges, per_image
from common.transforms._options import chosen, column


@dataclass(frozen=True)
class Options:
    """Which axes, and how often."""

    axes: tuple[int, ...] = setting(
        (1,), doc="axes that may be mirrored: 0 H (up, down), 1 W (left, right), 2 D", low=0, high=2
    )
    probability: float = setting(
        0.5, doc="share of the images mirrored, for each axis by itself", low=0.0, high=1.0
    )


def _augment(options: Options, batch: Batch, generator: torch.Generator) -> Batch:
    """Masks and boxes follow exactly.

    Raises:
        StudyError: axis 2 on two-dimensional images.
    """
    dimensions = batch.images.dim() - 2
    if max(options.axes, default=0) >= dimensions:
        raise StudyError(
            f"axes of step 'flip' is {list(options.axes)}; images with {dimensions} axes allow 0 to {dimensions - 1}."
        )
    for axis in sorted(set(options.axes)):
        batch = _mirrored(
            batch, axis, chosen(options.probability, len(batch), generator, batch.images.device)
        )
    return batch


def _mirrored(batch: Batch, axis: int, which: Tensor) -> Batch:
    def mirror(values: Tensor) -> Tensor:
        return torch.where(column(which, values), values.flip(axis + 2), values)

    boxes = batch.boxes
    if boxes is not None:
        low, high, owner = batch_edges(boxes)
        moved, length = which[owner], batch.images.shape[axis + 2]
        new_low, new_high = low.clone(), high.clone()
        new_low[:, axis] = torch.where(moved, length - high[:, axis], low[:, axis])
        new_high[:, axis] = torch.where(moved, length - low[:, axis], high[:, axis])
        boxes = per_image(new_low, new_high, boxes)
    return batch.with_(
        images=mirror(batch.images),
        masks=None if batch.masks is None else mirror(batch.masks),
        boxes=boxes,
    )


TRANSFORM = Transform(kind="augment", options=Options, augment=_augment)
