"""Pixels of a file laid into place: pictures, slices of a volume, and files that are a volume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from client.readers import Scan
from client.readers.dicom import pixels, planes
from client.readers.dicom.element_values import word
from client.readers.dicom.geometry import Grid
from client.readers.dicom.opening import guarded, open_header
from client.readers.dicom.reasons import DicomError, Reason
from client.readers.dicom.volumes import volumes


def alone(path: Path) -> Scan:
    """One file by itself: an image ``[C, H, W]``, or of several slices a volume ``[C, H, W, D]``.

    Raises:
        CaseError: it cannot be decoded, or its frames are no volume.
    """
    with guarded(path):
        header = open_header(path, pixels=True)
        pixels.check(header)
        if not is_stack(header):
            return _picture(header)
        mosaic = planes.is_mosaic(header)
        grids = volumes(planes.unfold(header) if mosaic else planes.framed(header))
        if len(grids) > 1:
            raise DicomError(Reason.VOLUMES, f"{len(grids)} volumes by {grids[0][0]}")
        grid = grids[0][1]
        stack = _slices(header, grid.size[:2])[[frame for _, frame in grid.order]]
        return Scan(turned(stack, grid), grid.spacing, grid.turned)


def image(path: Path, instance: str = "") -> Scan:
    """One single-frame image as ``[C, H, W]``.

    Raises:
        CaseError: it cannot be decoded; or it is another than ``instance``, where that is given.
    """
    with guarded(path):
        header = open_header(path, pixels=True)
        _check_same(header, instance)
        return _picture(header)


def slices(
    path: Path, instance: str, size: tuple[int, int], into: npt.NDArray[np.float32] | None = None
) -> npt.NDArray[Any]:
    """All slices of one file of a volume, ``[N, rows, columns]``, colour ``[N, rows, columns, 3]``.

    Args:
        path: the file.
        instance: its SOPInstanceUID.
        size: rows, columns.
        into: where the slice of a single-frame grey file may be written, ``[1, rows, columns]``, to
            save a copy.

    Raises:
        CaseError: they cannot be decoded, or the file is another than ``instance``.
    """
    with guarded(path):
        header = open_header(path, pixels=True)
        _check_same(header, instance)
        return _slices(header, size, into)


def turned(stack: Any, grid: Grid) -> npt.NDArray[Any]:
    """``[D, rows, columns]``, colour with a last axis of 3, to a view ``[C, H, W, D]`` in RAS+."""
    volume = grid.apply(np.moveaxis(stack, 0, 2))
    return volume[None] if volume.ndim == 3 else np.moveaxis(volume, 3, 0)


def is_stack(header: Dataset) -> bool:
    """Whether one file holds several slices."""
    return (
        pixels.frames(header) > 1
        or "SharedFunctionalGroupsSequence" in header
        or planes.is_mosaic(header)
    )


def _picture(header: Dataset) -> Scan:
    frames = pixels.values(header)
    if len(frames) != 1:
        raise DicomError(Reason.GEOMETRY, f"{len(frames)} frames")
    array = np.moveaxis(frames[0], -1, 0) if pixels.is_colour(header) else frames
    return Scan(array, pixels.spacing(header))


def _slices(
    header: Dataset, size: tuple[int, int], into: npt.NDArray[np.float32] | None = None
) -> npt.NDArray[Any]:
    stack = pixels.values(header, into)
    if planes.is_mosaic(header):
        stack = planes.cut(stack[0], len(planes.unfold(header)), size)
    elif "PerFrameFunctionalGroupsSequence" in header and not pixels.is_colour(header):
        # Grey frames have one scale each, which the header as a whole does not state.
        scales = np.array(planes.frame_scales(header), np.float32)[:, :, None, None]
        if not (scales == [[[1]], [[0]]]).all():
            stack = stack * scales[:, 0] + scales[:, 1]
    if stack.shape[1:3] != size:
        raise DicomError(Reason.SIZES)
    return stack


def _check_same(header: Dataset, instance: str) -> None:
    if instance and word(header, "SOPInstanceUID") != instance:
        raise DicomError(Reason.DAMAGED, "the file changed after it was sorted")
