"""One case to one :class:`~common.sample.Sample` in stored values: decode, add its targets."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from client.dataset.manifest import Case
from client.readers import _registry
from client.readers.dicom import series
from client.targets import DecodedImage, source
from common.errors import CaseError
from common.sample import Sample
from common.study.sections import Data
from common.tasks import Task

_LUMA = (0.299, 0.587, 0.114)
"""Shares of red, green and blue (ITU-R BT.601-7, 2.5.1)."""


def decode(case: Case, task: Task, data: Data) -> Sample:
    """Open the files of one case.

    Returns:
        Sample whose image is float32 ``[data.channels, H, W[, D]]`` in stored values.

    Raises:
        CaseError: the image or one of its targets cannot be used; the local text names the file.
    """
    scan = series.read(case.volume) if case.volume else _registry.read(case.image)
    try:
        image = _channels(_tensor(scan.array), data.channels)
        _check(image, data)
        # Other images have no affine here: a NIfTI's mask is compared with it header to header.
        affine = scan.affine if case.volume else None
        decoded = DecodedImage(case.image, tuple(image.shape[1:]), affine)
        targets = {
            name: source(name).load(stated, decoded, task) for name, stated in case.stated.items()
        }
        return Sample(image, scan.spacing, case.patient, targets)
    except CaseError as error:
        raise error.at(case.image) from None


def _tensor(array: npt.NDArray[np.generic]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))


def _channels(image: Tensor, asked: int) -> Tensor:
    """Grey to RGB by repetition, RGB to grey by luma."""
    channels = int(image.shape[0])
    if channels == asked:
        return image
    if channels == 3 and asked == 1:
        red, green, blue = image
        luma: Tensor = _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue
        return luma[None]
    if channels == 1:
        return image.repeat(asked, *[1] * (image.dim() - 1))
    raise CaseError("case.channels", channels=channels, asked=asked)


def _check(image: Tensor, data: Data) -> None:
    if image.dim() - 1 != data.dimensions:
        raise CaseError("case.dimensions", dimensions=image.dim() - 1, asked=data.dimensions)
    if not bool(torch.isfinite(image).all()):
        raise CaseError("case.not_finite")
