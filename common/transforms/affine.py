"""Random rotation, scaling, shift and shear, composed into one map and read in one pass.

Rigid in millimetres, not in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from common.errors import StudyError
from common.sample import Batch
from common.study.config import setting
from common.targets import KEEP
from common.transforms import Transform
from common.transforms._options import chosen, column, interval, ratio, uniform
from common.transforms._warp import OUTSIDE, Warp, linear_grid

_LARGEST_ANGLE_OF_BOXES = 15.0


@dataclass(frozen=True)
class Options:
    """Largest changes; every image draws its own within them.

    With boxes, rotation, tilt and shear may be 15 degrees at most: an upright box of a turned
    object is only known approximately. It is taken as that of the ellipse inscribed in the old box,
    which is exact for scaling and shifts and for round objects.
    """

    rotation: float = setting(
        15.0, doc="largest rotation in the H-W plane, degrees, either way", low=0.0, high=180.0
    )
    tilt: float = setting(
        0.0,
        doc="volumes: largest rotation about the H and W axes, degrees, either way",
        low=0.0,
        high=90.0,
    )
    scale: tuple[float, ...] = setting(
        (0.9, 1.1), doc="smallest and largest magnification", low=0.1, high=10.0
    )
    translation: float = setting(
        0.05, doc="largest shift along each axis, as a share of its length", low=0.0, high=1.0
    )
    shear: float = setting(
        0.0, doc="largest shear in the H-W plane, degrees, either way", low=0.0, high=45.0
    )
    outside: str = setting(
        "border", doc="what lies beyond the image, for image and mask alike", choices=OUTSIDE
    )
    probability: float = setting(1.0, doc="share of the images changed", low=0.0, high=1.0)

    def __post_init__(self) -> None:
        interval("affine", "scale", self.scale)


def _augment(options: Options, batch: Batch, generator: torch.Generator) -> Batch:
    """Boxes are clipped to the image; one of which less than 30 % stays is dropped.

    Raises:
        StudyError: an angle above 15 degrees on images with boxes.
    """
    matrix, shift = (value.to(batch.images.device) for value in _drawn(options, batch, generator))
    return batch.follow(Affine(options, matrix, shift, batch.images.shape[2:]))


class Affine(Warp):
    """A map about the centre, read backwards by images and gone forwards by points."""

    keep = KEEP

    def __init__(
        self, options: Options, matrix: Tensor, shift: Tensor, size: Sequence[int]
    ) -> None:
        lengths = matrix.new_tensor([float(n) for n in size])
        # Images are read backwards: from a new pixel to where it came from.
        inverse = torch.linalg.inv(matrix)
        linear = 2 / lengths[:, None] * inverse * (lengths / 2)
        start = -2 / lengths * (inverse @ shift[..., None])[..., 0]
        super().__init__(linear_grid(linear, start, size), options.outside)
        self._options = options
        self._matrix = matrix
        self._shift = shift

    def points(self, places: Tensor, owner: Tensor) -> Tensor:
        """Turned and scaled about the middle, then shifted."""
        middle = places.new_tensor([n / 2 for n in self.size])
        turned = (self._matrix[owner] @ (places - middle)[..., None])[..., 0]
        return turned + middle + self._shift[owner]

    def boxes(self, low: Tensor, high: Tensor, owner: Tensor) -> tuple[Tensor, Tensor]:
        """The box of the turned ellipse that is inscribed in the old box.

        Raises:
            StudyError: an angle above 15 degrees.
        """
        _check_angles(self._options)
        centre = self.points((low + high) / 2, owner)
        half = (self._matrix[owner] * ((high - low) / 2)[:, None, :]).square().sum(2).sqrt()
        return centre - half, centre + half


def _drawn(options: Options, batch: Batch, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Forward maps about the centre in pixels: ``[B, d, d]`` and shifts ``[B, d]``, H, W[, D]."""
    count = len(batch)
    size = batch.images.shape[2:]
    cpu = torch.device("cpu")
    turn, tilt_h, tilt_w, shear = (
        torch.deg2rad(uniform((-limit, limit), (count,), generator, cpu))
        for limit in (options.rotation, options.tilt, options.tilt, options.shear)
    )
    scale = ratio(options.scale, (count,), generator, cpu)
    shift = uniform((-options.translation, options.translation), (count, len(size)), generator, cpu)
    shift = shift * torch.tensor([float(n) for n in size])
    matrix = _rotation(turn, 0, 1, len(size))
    if len(size) == 3:
        matrix = matrix @ _rotation(tilt_h, 1, 2, 3) @ _rotation(tilt_w, 0, 2, 3)
    matrix = _in_pixels(column(scale, matrix) * (matrix @ _skew(shear, len(size))), batch.spacing)
    used = chosen(options.probability, count, generator, cpu)
    matrix = torch.where(column(used, matrix), matrix, torch.eye(len(size)))
    return matrix, torch.where(used[:, None], shift, 0.0)


def _skew(shear: Tensor, dimensions: int) -> Tensor:
    """``[B, d, d]``: shear by angles ``[B]`` in the H-W plane."""
    matrix = torch.eye(dimensions).repeat(len(shear), 1, 1)
    matrix[:, 1, 0] = shear.tan()
    return matrix


def _in_pixels(matrix: Tensor, spacing: Sequence[float]) -> Tensor:
    """A map of millimetres as one of pixels; of a batch without a spacing, pixels are cubes."""
    size = matrix.shape[-1]
    millimetres = torch.tensor(spacing) if len(spacing) == size else torch.ones(size)
    return matrix * millimetres / millimetres[:, None]


def _rotation(angle: Tensor, first: int, second: int, dimensions: int) -> Tensor:
    """``[B, d, d]``: rotation by ``angle [B]`` in the plane of two axes."""
    matrix = torch.eye(dimensions).repeat(len(angle), 1, 1)
    matrix[:, first, first] = angle.cos()
    matrix[:, second, second] = angle.cos()
    matrix[:, first, second] = -angle.sin()
    matrix[:, second, first] = angle.sin()
    return matrix


def _check_angles(options: Options) -> None:
    for name in ("rotation", "tilt", "shear"):
        degrees = getattr(options, name)
        if degrees > _LARGEST_ANGLE_OF_BOXES:
            raise StudyError(
                f"{name} of step 'affine' is {degrees:g} degrees; for images with boxes at most "
                f"{_LARGEST_ANGLE_OF_BOXES:g} are allowed: take rotate90 for larger turns."
            )


TRANSFORM = Transform(kind="augment", options=Options, augment=_augment)
