"""DICOM Segmentation objects (PS3.3 A.51, C.8.20) as masks on the grid of a series."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from client.readers.dicom import codecs, planes
from client.readers.dicom.element_values import first_item, whole, word
from client.readers.dicom.geometry import Grid, Plane
from client.readers.dicom.opening import guarded, open_header
from client.readers.dicom.pixels import LARGEST_IMAGE, frames
from client.readers.dicom.reasons import DicomError, Reason
from client.readers.dicom.segment_grids import Masks, SlicePixels, check_reference
from client.readers.dicom.series import Series

_OFF_GRID = 0.05
"""Most by which a frame may miss the grid, in voxels."""
_MOST_SEGMENTS = 65535
"""Highest number of a segment; masks are uint16."""


def read(path: Path, series: Series) -> Masks:
    """The segments of a SEG file on the grid of a sorted series.

    Segments are binary, fractional (inside is what is at least half full), or a label map.

    Raises:
        CaseError: damaged; no segmentation; or it was drawn on another grid, frame of reference or
            patient.
    """
    with guarded(path):
        header = open_header(path, pixels=True)
        names = _names(header)
        grid = check_reference(header, series, {word(header, "FrameOfReferenceUID")})
        drawn: dict[int, dict[int, SlicePixels]] = {number: {} for number in names}
        placed = planes.framed(header)
        for plane, numbers, mask in zip(placed, _numbers(header), _frames(header), strict=True):
            for number in numbers or [int(n) for n in np.unique(mask) if n in names]:
                _paint(drawn[number], mask == number if not numbers else mask > 0, plane, grid)
        return Masks(names, grid, drawn)


def _names(header: Dataset) -> dict[int, str]:
    names = {
        whole(item, "SegmentNumber", -1): word(item, "SegmentLabel")
        for item in header.get("SegmentSequence") or ()
    }
    # Segment 0 is the background of a label map.
    names.pop(0, None)
    if not names or min(names) < 0 or max(names) > _MOST_SEGMENTS or "PixelData" not in header:
        raise DicomError(Reason.NO_IMAGE, "no segments")
    size = whole(header, "Rows") * whole(header, "Columns")
    if not 0 < size <= LARGEST_IMAGE:
        raise DicomError(Reason.TOO_LARGE, f"{size} pixels a frame")
    return names


def _numbers(header: Dataset) -> Iterator[list[int]]:
    """The segment of each frame; none for a label map, whose pixels name their segments."""
    shared = first_item(header, "SharedFunctionalGroupsSequence")
    for own in header.PerFrameFunctionalGroupsSequence:
        if word(header, "SegmentationType") == "LABELMAP":
            yield []
        else:
            identification = planes.group(own, shared, "SegmentIdentificationSequence")
            yield [whole(identification, "ReferencedSegmentNumber", -1)]


def _frames(header: Dataset) -> Iterator[npt.NDArray[Any]]:
    """Each frame as ``[rows, columns]``: not 0 inside, or the segment's number in a label map."""
    shape = (whole(header, "Rows"), whole(header, "Columns"))
    bits = whole(header, "BitsAllocated")
    kind = word(header, "SegmentationType")
    half = (whole(header, "MaximumFractionalValue", 255) + 1) // 2 if kind == "FRACTIONAL" else 0
    if kind not in ("BINARY", "FRACTIONAL", "LABELMAP") or bits not in (1, 8, 16):
        raise DicomError(Reason.KIND, f"{kind} with {bits} bits")
    if bits == 1 and header.file_meta.TransferSyntaxUID in codecs.NATIVE:
        yield from _unpacked(header.PixelData, frames(header), shape)
        return
    for frame in codecs.decode(header).reshape(frames(header), *shape):
        yield frame >= half if half else frame


def _unpacked(data: bytes, count: int, shape: tuple[int, int]) -> Iterator[npt.NDArray[Any]]:
    """Frames of single bits, the first lowest, without padding between (PS3.5 8.1.1, 8.2)."""
    size = shape[0] * shape[1]
    if len(data) * 8 < count * size:
        raise DicomError(
            Reason.DAMAGED, "PixelData is shorter than rows, columns and frames ask for"
        )
    for number in range(count):
        first = number * size
        last = first + size
        # Frames need not begin at a whole byte.
        stored = np.frombuffer(data[first // 8 : -(-last // 8)], np.uint8)
        piece = np.unpackbits(stored, bitorder="little")
        yield piece[first % 8 : first % 8 + size].reshape(shape)


def _paint(slices: dict[int, SlicePixels], mask: SlicePixels, plane: Plane, grid: Grid) -> None:
    """Add a frame to its slice of the grid.

    Raises:
        DicomError: its pixels are not voxels of the grid.
    """
    row, column, k = _corner(plane, grid)
    rows, columns = mask.shape
    if (
        min(row, column, k) < 0
        or row + rows > grid.size[0]
        or column + columns > grid.size[1]
        or k >= grid.size[2]
    ):
        raise DicomError(Reason.REFERENCE, "a frame reaches beyond the grid")
    if mask.any():
        whole_slice = slices.setdefault(k, np.zeros(grid.size[:2], np.bool_))
        whole_slice[row : row + rows, column : column + columns] |= mask


def _corner(plane: Plane, grid: Grid) -> tuple[int, int, int]:
    """Row, column and slice of a frame's first pixel."""
    # LPS to RAS.
    flip = np.array([-1.0, -1.0, 1.0])
    inverse = np.linalg.inv(grid.affine)
    down = flip * plane.down * plane.spacing[0]
    across = flip * plane.across * plane.spacing[1]
    steps = inverse[:3, :3] @ np.array([down, across]).T
    corner = inverse[:3, :3] @ (flip * plane.position) + inverse[:3, 3]
    nearest = np.rint(corner)
    stretch = np.abs(steps - np.eye(3)[:, :2]).max() * max(grid.size)
    if np.abs(corner - nearest).max() > _OFF_GRID or stretch > 0.5:
        raise DicomError(Reason.REFERENCE, "a frame lies between the voxels or runs another way")
    return int(nearest[0]), int(nearest[1]), int(nearest[2])
