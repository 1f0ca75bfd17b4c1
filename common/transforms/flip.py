"""Mirror images along chosen axes; leave out left and right where the side matters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from common.errors import StudyError
from common.sample import Batch
from common.study.config import setting
from common.targets import Geometry
from common.transforms import Transform
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
            f"axes of step 'flip' is {list(options.axes)}; "
            f"images with {dimensions} axes allow 0 to {dimensions - 1}."
        )
    # In the order of the axes: the same draws whatever order the study lists them in.
    for axis in sorted(set(options.axes)):
        mirrored = chosen(options.probability, len(batch), generator, batch.images.device)
        batch = batch.follow(Mirror(batch.images.shape[2:], axis, mirrored))
    return batch


class Mirror(Geometry):
    """Some of the images mirrored along one axis; exact for all that follows."""

    def __init__(self, size: Sequence[int], axis: int, mirrored: Tensor) -> None:
        self.size = tuple(size)
        self._axis = axis
        self._mirrored = mirrored

    def image(self, images: Tensor) -> Tensor:
        """Any values."""
        return torch.where(column(self._mirrored, images), images.flip(self._axis + 2), images)

    def points(self, places: Tensor, owner: Tensor) -> Tensor:
        """Counted from the other end."""
        moved = places.clone()
        along = places[:, self._axis]
        mirrored = self._mirrored[owner]
        moved[:, self._axis] = torch.where(mirrored, self.size[self._axis] - along, along)
        return moved


TRANSFORM = Transform(kind="augment", options=Options, augment=_augment)
