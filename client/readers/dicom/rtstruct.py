"""RT Structure Sets (PS3.3 A.19, C.8.8.5, C.8.8.6) as masks on the grid of a series."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from client.readers.dicom.element_values import whole, word, words
from client.readers.dicom.geometry import Array, Grid
from client.readers.dicom.opening import guarded, open_header
from client.readers.dicom.reasons import DicomError, Reason
from client.readers.dicom.segment_grids import Masks, SlicePixels, check_reference
from client.readers.dicom.series import Series

_CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
_OFF_SLICE = 0.25
"""Most by which a contour may miss its slice, in steps."""


def read(path: Path, series: Series) -> Masks:
    """The regions of an RTSTRUCT file, closed planar contours, on the grid of a sorted series.

    A voxel belongs to a region if its centre lies inside an odd number of the region's contours on
    its slice, so that inner contours are holes. Points and open contours have no inside and are
    left out.

    Raises:
        CaseError: damaged; no structure set; or it was drawn on other slices, another frame of
            reference or patient.
    """
    with guarded(path):
        header = open_header(path, pixels=True)
        regions = list(header.get("StructureSetROISequence") or ())
        if not regions:
            raise DicomError(Reason.NO_IMAGE, "no regions")
        frames = {word(item, "ReferencedFrameOfReferenceUID") for item in regions}
        grid = check_reference(header, series, frames)
        names = {whole(item, "ROINumber", -1): word(item, "ROIName") for item in regions}
        if min(names) < 0 or max(names) > np.iinfo(np.uint16).max:
            raise DicomError(Reason.KIND, "numbers of regions", "dicom.regions")
        drawn: dict[int, dict[int, SlicePixels]] = {number: {} for number in names}
        inverse: Array = np.asarray(np.linalg.inv(grid.affine), np.float64)
        for item in header.get("ROIContourSequence") or ():
            slices = drawn[whole(item, "ReferencedROINumber", -1)]
            for points in _contours(item):
                _draw(slices, points, inverse, grid)
        return Masks(names, grid, drawn)


def _contours(region: Dataset) -> Iterator[Array]:
    """LPS millimetres ``[N, 3]`` of each closed contour."""
    for contour in region.get("ContourSequence") or ():
        if word(contour, "ContourGeometricType") not in _CLOSED:
            continue
        raw = contour.get_item("ContourData")
        # A structure set holds millions of coordinates: they are parsed by numpy, from the bytes.
        if isinstance(raw, RawDataElement) and isinstance(raw.value, bytes):
            points: Array = np.array(raw.value.split(b"\\"), dtype=np.float64).reshape(-1, 3)
        else:
            points = np.array(words(contour, "ContourData"), dtype=np.float64).reshape(-1, 3)
        if not np.isfinite(points).all():
            raise DicomError(Reason.DAMAGED, "a contour's coordinates are not finite")
        yield points


def _draw(slices: dict[int, SlicePixels], points: Array, inverse: Array, grid: Grid) -> None:
    places = (points * (-1.0, -1.0, 1.0)) @ inverse[:3, :3].T + inverse[:3, 3]
    k = int(np.rint(places[0, 2]).clip(-1, grid.size[2]))
    if not 0 <= k < grid.size[2] or np.abs(places[:, 2] - k).max() > _OFF_SLICE:
        raise DicomError(Reason.REFERENCE, "a contour does not lie on a slice")
    # Even and odd: what lies in two contours of a region is a hole.
    before = slices.get(k, np.zeros(grid.size[:2], np.bool_))
    slices[k] = before ^ inside(places[:, :2], grid.size[:2])


def inside(corners: Array, size: tuple[int, int]) -> SlicePixels:
    """Whether each pixel centre lies inside a polygon (even-odd rule).

    Args:
        corners: row and column of each corner, ``[N, 2]``, pixel centres at whole numbers; the last
            is joined to the first.
        size: rows, columns.

    Returns:
        Bool ``[rows, columns]``; a centre on an edge belongs to the polygon to its right or below
        it, so neighbours share no pixel.
    """
    rows, columns = size
    crossings = np.zeros((rows, columns + 1), np.int64)
    following = np.roll(corners, -1, axis=0)
    for (row, column), (next_row, next_column) in zip(corners, following, strict=True):
        first, last = np.ceil(np.clip(sorted((row, next_row)), 0, rows)).astype(int)
        if first < last:
            hit = np.arange(first, last)
            at = column + (hit - row) * (next_column - column) / (next_row - row)
            np.add.at(crossings, (hit, np.ceil(np.clip(at, 0, columns)).astype(int)), 1)
    odd: SlicePixels = (np.cumsum(crossings, axis=1)[:, :columns] & 1).astype(np.bool_)
    return odd
