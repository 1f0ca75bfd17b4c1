"""Bring every image to the same pixel spacing in millimetres.

One pixel then means the same size at every hospital.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from common.errors import CaseError
from common.sample import Sample
from common.study.config import setting
from common.transforms import Transform
from common.transforms._options import axes, per_axis
from common.transforms._resampled import resampled

_LARGEST = 1 << 28
"""Pixels: a GiB of float32."""


@dataclass(frozen=True)
class Options:
    """The spacing to reach."""

    spacing: tuple[float, ...] = setting(
        doc="millimetres per pixel along H, W[, D]; one number for all axes", low=0.01, high=100.0
    )

    def __post_init__(self) -> None:
        axes("resample", "spacing", len(self.spacing))


def _prepare(options: Options, sample: Sample) -> Sample:
    """The field of view keeps its centre and, to half a pixel, its extent.

    Raises:
        CaseError: the image would become absurdly large, as with a broken spacing in the file.
    """
    target = per_axis("resample", "spacing", options.spacing, sample.dimensions)
    steps = [new / old for new, old in zip(target, sample.spacing, strict=True)]
    sizes = [max(1, round(n / step)) for n, step in zip(sample.image.shape[1:], steps, strict=True)]
    if (pixels := math.prod(sizes)) > _LARGEST:
        raise CaseError("case.resampled_size", f"{pixels} voxels; at most {_LARGEST} are allowed")
    return resampled(sample, sizes, steps).with_(spacing=target)


TRANSFORM = Transform(kind="prepare", options=Options, prepare=_prepare)
