"""Bring every image to the same number of pixels, stretched or with its aspect kept."""

from __future__ import annotations

from dataclasses import dataclass

from common.sample import Sample
from common.study.config import setting
from common.transforms import Transform
from common.transforms._options import axes, per_axis
from common.transforms._resampled import resampled
from common.transforms._window import centred


@dataclass(frozen=True)
class Options:
    """The size to reach."""

    size: tuple[int, ...] = setting(
        doc="pixels along H, W[, D]; one number for all axes", low=1, high=4096
    )
    keep_aspect: bool = setting(
        False,
        doc="scale all axes alike and pad the rest evenly on both sides instead of stretching",
    )
    fill: float = setting(0.0, doc="grey value of the padding")

    def __post_init__(self) -> None:
        axes("resize", "size", len(self.size))


def _prepare(options: Options, sample: Sample) -> Sample:
    before = sample.image.shape[1:]
    size = per_axis("resize", "size", options.size, sample.dimensions)
    steps = [n / m for n, m in zip(before, size, strict=True)]
    if not options.keep_aspect:
        return resampled(sample, size, steps)
    step = max(steps)
    inner = [min(m, max(1, round(n / step))) for n, m in zip(before, size, strict=True)]
    return centred(resampled(sample, inner, [step] * len(inner)), size, options.fill)


TRANSFORM = Transform(kind="prepare", options=Options, prepare=_prepare)
