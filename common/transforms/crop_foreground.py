"""Cut away the empty surroundings: keep the smallest window with every pixel above a threshold."""

from __future__ import annotations

from dataclasses import dataclass

from common.sample import Sample
from common.study.config import setting
from common.transforms import Transform
from common.transforms._window import window


@dataclass(frozen=True)
class Options:
    """What counts as foreground, on the grey values that the steps before this one have left."""

    threshold: float = setting(
        0.0, doc="a pixel is foreground if a channel is above this grey value"
    )
    margin: int = setting(
        0,
        doc="pixels kept around the foreground on every side, as far as the image goes",
        low=0,
        high=4096,
    )


def _prepare(options: Options, sample: Sample) -> Sample:
    """An image without foreground stays whole."""
    foreground = (sample.image > options.threshold).any(0)
    if not bool(foreground.any()):
        return sample
    starts = []
    sizes = []
    for axis, length in enumerate(foreground.shape):
        others = [a for a in range(foreground.dim()) if a != axis]
        places = foreground.any(dim=others).nonzero()
        start = max(0, int(places[0]) - options.margin)
        end = min(length, int(places[-1]) + 1 + options.margin)
        starts.append(start)
        sizes.append(end - start)
    return window(sample, starts, sizes, fill=0.0)


TRANSFORM = Transform(kind="prepare", options=Options, prepare=_prepare)
