"""SEG objects that a test draws, and where they lie on their series."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import SegmentationStorage

from tests.client.readers.dicom.dicom_objects import AXIAL, base, item, put

SHAPE = (5, 10, 12)


def balls() -> np.ndarray:
    """Two overlapping segments, bool ``[S, D, H, W]``."""
    k, row, column = np.indices(SHAPE)
    return np.array(
        [
            (k - 2) ** 2 + (row - 4) ** 2 + (column - 4) ** 2 < 9,
            (k - 2) ** 2 + (row - 5) ** 2 + (column - 7) ** 2 < 9,
        ]
    )


def turned(mask: np.ndarray) -> np.ndarray:
    """``[D, H, W]`` as the axial scan lies, ``[1, i, j, k]``."""
    return np.moveaxis(mask, 0, 2)[::-1, ::-1].swapaxes(0, 1)[None]


def seg(
    masks: np.ndarray, kind: str = "BINARY", crop: int = 0, order: Any = None, **elements: Any
) -> Dataset:
    """A SEG object of ``[S, D, H, W]`` masks with a frame for each slice that is not empty."""
    frames = [(s, k) for s in range(len(masks)) for k in range(masks.shape[1]) if masks[s, k].any()]
    frames = [frames[i] for i in order] if order is not None else frames
    pictures = np.array([masks[s, k, crop:, crop:] for s, k in frames], np.uint8)
    data = base(
        pictures * (255 if kind == "FRACTIONAL" else 1),
        SegmentationStorage,
        Modality="SEG",
        SeriesInstanceUID="1.2.3.8",
    )
    if kind == "BINARY":
        data.BitsAllocated, data.BitsStored, data.HighBit = 1, 1, 0
        packed = np.packbits(pictures.ravel(), bitorder="little").tobytes()
        data.PixelData = packed + b"\0" * (len(packed) % 2)
    data.SegmentationType, data.MaximumFractionalValue = kind, 255
    data.SegmentSequence = [
        item(SegmentNumber=s + 1, SegmentLabel=f"part {s + 1}") for s in range(len(masks))
    ]
    data.ReferencedSeriesSequence = [item(SeriesInstanceUID="1.2.3.4")]
    data.SharedFunctionalGroupsSequence = [
        item(
            PlaneOrientationSequence=[item(ImageOrientationPatient=list(AXIAL))],
            PixelMeasuresSequence=[item(PixelSpacing=[0.75, 0.5])],
        )
    ]
    data.PerFrameFunctionalGroupsSequence = [
        item(
            PlanePositionSequence=[
                item(ImagePositionPatient=[-20 + 0.5 * crop, -30 + 0.75 * crop, 40.0 + 3 * k])
            ],
            SegmentIdentificationSequence=[item(ReferencedSegmentNumber=s + 1)],
        )
        for s, k in frames
    ]
    put(data, elements)
    return data
