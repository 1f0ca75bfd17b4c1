"""One case to one :class:`~common.sample.Sample` in stored values: decode, convert channels, attach label, mask or boxes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from client.dataset import masks
from client.dataset.manifest import Case
from client.readers import _registry
from client.readers.dicom import series
from common.errors import CaseError
from common.sample import Sample
from common.study.study import Data
from common.tasks import Task

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601-7, 2.5.1


def decode(case: Case, task: Task, data: Data) -> Sample:
    """Open the files of one case.

    Returns:
        Sample whose image is float32 ``[data.channels, H, W[, D]]`` in stored values.

    Raises:
        CaseError: the image or its mask cannot be used; the local text names the file.
    """
    scan = series.read(case.volume) if case.volume else _registry.read(case.image)
    try:
        image = _channels(_tensor(scan.array), data.channels)
        _check(image, data)
        shape = tuple(image.shape[1:])
        sample = Sample(image, scan.spacing, case.patient)
        if case.label is not None:
            kind = torch.float32 if task.multi_label else torch.int64
            sample = sample.with_(label=torch.tensor(case.label, dtype=kind))
        if case.mask is not None:
            sample = sample.with_(
                mask=torch.from_numpy(
                    masks.read_mask(
                        case.mask, case.image, shape, task, scan.affine if case.volume else None
                    )
                )
            )
        if case.boxes is not None:
            sample = sample.with_(
                boxes=torch.from_numpy(case.boxes.on(shape)),
                classes=torch.from_numpy(case.boxes.classes),
            )
        return sample
    except CaseError as error:
        raise error.at(case.image) from None


def _tensor(array: npt.NDArray[np.generic]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))


def _channels(image: Tensor, wanted: int) -> Tensor:
    """Grey to RGB by repetition, RGB to grey by luma."""
    have = int(image.shape[0])
    if have == wanted:
        return image
    if have == 3 and wanted == 1:
        red, green, blue = image
        luma: Tensor = _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue
        return luma[None]
    if have == 1:
        return image.repeat(wanted, *[1] * (image.dim() - 1))
    raise CaseError("case.channels", channels=have, asked=wanted)


def _check(image: Tensor, data: Data) -> None:
    if image.dim() - 1 != data.dimensions:
        raise CaseError("case.dimensions", dimensions=image.dim() - 1, asked=data.dimensions)
    if not bool(torch.isfinite(image).all()):
        raise CaseError("case.not_finite")
