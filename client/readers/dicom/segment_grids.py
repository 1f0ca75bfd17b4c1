"""Segments on the grid of a series, whatever object drew them; they may overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from client.readers.dicom.element_values import references, word
from client.readers.dicom.geometry import Grid
from client.readers.dicom.reasons import DicomError, Reason
from client.readers.dicom.series import Series

SlicePixels = npt.NDArray[np.bool_]
"""Bool ``[rows, columns]`` of one slice."""


@dataclass(frozen=True)
class Masks:
    """What a SEG or RTSTRUCT object drew.

    Attributes:
        names: SegmentLabel or ROIName by number, in stored order; free text of the hospital, so it
            is kept out of repr.
        grid: of the series.
        drawn: for each number, bool ``[rows, columns]`` by slice (in the order of ``grid``) where
            anything was drawn.
    """

    names: dict[int, str] = field(repr=False)
    grid: Grid = field(repr=False)
    drawn: dict[int, dict[int, SlicePixels]] = field(repr=False)

    def one(self, number: int) -> npt.NDArray[np.bool_]:
        """One segment as bool ``[1, H, W, D]`` beside the scan of the series."""
        return np.asarray(self._painted([number]) > 0)

    def flat(self, order: Sequence[int] | None = None) -> npt.NDArray[np.uint16]:
        """Numbers of the segments as uint16 ``[1, H, W, D]``, 0 where none was drawn.

        Args:
            order: the numbers to paint; later ones cover earlier ones. All in stored order if
                absent, and then no two may overlap.

        Raises:
            DicomError: without an order, two segments share a voxel.
        """
        if order is None and self.overlap():
            raise DicomError(Reason.OVERLAP, f"{self.overlap()} voxels")
        return self._painted(list(self.names) if order is None else list(order))

    def overlap(self) -> int:
        """Voxels that more than one segment covers."""
        total = 0
        for k in {k for slices in self.drawn.values() for k in slices}:
            covers = np.zeros(self.grid.size[:2], np.uint16)
            for slices in self.drawn.values():
                if k in slices:
                    covers += slices[k]
            total += int((covers > 1).sum())
        return total

    def _painted(self, order: Sequence[int]) -> npt.NDArray[np.uint16]:
        stack = np.zeros(self.grid.size, np.uint16)
        for number in order:
            for k, pixels in self.drawn.get(number, {}).items():
                stack[:, :, k][pixels] = number
        painted: npt.NDArray[Any] = self.grid.apply(stack)[None]
        return painted


def check_reference(header: Dataset, series: Series, frames: set[str]) -> Grid:
    """The grid of the series that an object was drawn on, or shares its frame of reference with.

    Args:
        frames: FrameOfReferenceUIDs that the object names.

    Raises:
        DicomError: the series is no volume, or another patient's or place's.
    """
    if series.grid is None:
        raise DicomError(Reason.REFERENCE, "the series is no volume")
    # Asked first: a frame of reference is no proof that the patient is the same.
    if word(header, "PatientID") != (series.patient or ""):
        raise DicomError(Reason.PATIENTS)
    if series.uid not in references(header) and series.frame not in frames - {""}:
        raise DicomError(Reason.REFERENCE, "neither the series nor its frame of reference is named")
    return series.grid
