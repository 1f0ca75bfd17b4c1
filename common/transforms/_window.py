"""Cut a window out of an image, padding where it reaches beyond; targets follow."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional

from common.sample import Sample
from common.targets import Geometry


class Window(Geometry):
    """Pixels beyond the image become ``fill`` in the image and 0 in what is never mixed."""

    def __init__(
        self,
        before: Sequence[int],
        starts: Sequence[int],
        sizes: Sequence[int],
        fill: float,
        keep: float,
    ) -> None:
        self.size = tuple(sizes)
        self.keep = keep
        self._starts = list(starts)
        self._fill = fill
        pads = [(-s, s + m - n) for n, s, m in zip(before, starts, sizes, strict=True)]
        # torch's pad takes the last axis first; a negative padding cuts.
        self._pads = [p for ends in reversed(pads) for p in ends]

    def image(self, images: Tensor) -> Tensor:
        """The window of grey values."""
        return functional.pad(images, self._pads, value=self._fill)

    def nearest(self, values: Tensor) -> Tensor:
        """The window of class numbers."""
        return functional.pad(values, self._pads)

    def points(self, places: Tensor, owner: Tensor) -> Tensor:
        """Counted from the window's beginning."""
        return places - places.new_tensor(self._starts)


def window(
    sample: Sample, starts: Sequence[int], sizes: Sequence[int], fill: float, keep: float = 0.0
) -> Sample:
    """The window of ``sizes`` pixels that begins at ``starts`` (H, W[, D]).

    A start is negative where the window begins before the image. Boxes are clipped; one of which
    less than the share ``keep``, or nothing, lies in it goes.
    """
    before = sample.image.shape[1:]
    return sample.follow(Window(before, starts, sizes, fill=fill, keep=keep))


def centred(sample: Sample, sizes: Sequence[int], fill: float) -> Sample:
    """The image in the middle of a window of ``sizes`` pixels (H, W[, D])."""
    starts = [-((m - n) // 2) for n, m in zip(sample.image.shape[1:], sizes, strict=True)]
    return window(sample, starts, sizes, fill)
