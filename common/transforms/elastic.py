"""Smooth random deformation of soft tissue: a cubic B-spline on a coarse grid of control points.

Rueckert et al., IEEE Trans Med Imaging 18(8), 1999. Shifts of a control point stay below 0.4 of the
distance between two of them, within which the map cannot fold in two or three dimensions (Choi,
Lee: Injectivity conditions of 2D and 3D uniform cubic B-spline functions, 2000).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from common.errors import StudyError
from common.sample import Batch
from common.study.config import setting
from common.transforms import Transform
from common.transforms._linear import apply, spline
from common.transforms._options import chosen, column, uniform
from common.transforms._warp import OUTSIDE, Warp, linear_grid


@dataclass(frozen=True)
class Options:
    """How strong and how fine."""

    strength: float = setting(
        0.2, doc="largest shift of a control point, as a share of their distance", low=0.0, high=0.4
    )
    cells: int = setting(
        5, doc="cells of the control grid along each axis: more is finer", low=1, high=64
    )
    outside: str = setting(
        "border", doc="what lies beyond the image, for image and mask alike", choices=OUTSIDE
    )
    probability: float = setting(0.5, doc="share of the images deformed", low=0.0, high=1.0)


def _augment(options: Options, batch: Batch, generator: torch.Generator) -> Batch:
    """Masks follow.

    Raises:
        StudyError: images with boxes.
    """
    size = batch.images.shape[2:]
    device = batch.images.device
    control = uniform(
        (-options.strength, options.strength),
        (len(batch), len(size), *[options.cells + 3] * len(size)),
        generator,
        device,
    )
    control = control * column(chosen(options.probability, len(batch), generator, device), control)
    # Grid coordinates run from -1 to 1, so a cell is 2 / cells wide.
    shift = apply(control * 2 / options.cells, [spline(n, options.cells).to(device) for n in size])
    rest = linear_grid(
        torch.eye(len(size), device=device)[None], torch.zeros(1, len(size), device=device), size
    )
    return batch.follow(Elastic(rest + shift, options.outside))


class Elastic(Warp):
    """A map that is stated backwards only: where a pixel is read, not where a point goes."""

    def points(self, places: Tensor, owner: Tensor) -> Tensor:
        """None goes anywhere.

        Raises:
            StudyError: always; a deformed box is no box.
        """
        raise StudyError("Step 'elastic' cannot move boxes; take affine or flip for detection.")


TRANSFORM = Transform(kind="augment", options=Options, augment=_augment)
