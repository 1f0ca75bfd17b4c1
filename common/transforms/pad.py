"""Pad every image evenly on both sides: to a smallest size, to a multiple, or to both.

A network's poolings ask for the multiple.
"""

from __future__ import annotations

from dataclasses import dataclass

from common.sample import Sample
from common.study.config import setting
from common.transforms import Transform
from common.transforms._options import axes, per_axis
from common.transforms._window import centred


@dataclass(frozen=True)
class Options:
    """Both hold: at least ``size``, then up to the next ``multiple``. Nothing is ever cut off."""

    size: tuple[int, ...] = setting(
        (1,),
        doc="smallest number of pixels along H, W[, D]; one number for all axes",
        low=1,
        high=4096,
    )
    multiple: int = setting(
        16, doc="each axis becomes a multiple of this; 1 for any length", low=1, high=1024
    )
    fill: float = setting(0.0, doc="grey value of the padding")

    def __post_init__(self) -> None:
        axes("pad", "size", len(self.size))


def _prepare(options: Options, sample: Sample) -> Sample:
    least = per_axis("pad", "size", options.size, sample.dimensions)
    size = [
        -(-max(n, m) // options.multiple) * options.multiple
        for n, m in zip(sample.image.shape[1:], least, strict=True)
    ]
    return centred(sample, size, options.fill)


TRANSFORM = Transform(kind="prepare", options=Options, prepare=_prepare)
