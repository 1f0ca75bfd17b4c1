"""DICOM series that a test makes itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    EnhancedMRImageStorage,
    ExplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
    generate_uid,
)

ORIGIN = (-20.0, -30.0, 40.0)
"""Position of the first slice, LPS millimetres."""
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
Change = Callable[[int, Dataset], None]


def base(array: np.ndarray, kind: str = CTImageStorage, **elements: Any) -> Dataset:
    """An image object around ``[H, W]`` or ``[N, H, W]`` integers.

    ``elements`` replace, add, or (None) take away.
    """
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID, data.SOPInstanceUID = kind, generate_uid()
    data.PatientID, data.PatientName, data.Modality = "P-4711", "Smith^Ann", "CT"
    data.SeriesInstanceUID, data.FrameOfReferenceUID = "1.2.3.4", "1.2.3.5"
    data.Rows, data.Columns = array.shape[-2:]
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = array.dtype.itemsize * 8
    data.HighBit = data.BitsAllocated - 1
    data.PixelRepresentation = int(array.dtype.kind == "i")
    data.PixelData = array.tobytes() + b"\0" * (array.nbytes % 2)
    data["PixelData"].VR = "OW"
    if array.ndim == 3:
        data.NumberOfFrames = len(array)
    put(data, elements)
    return data


def put(data: Dataset, elements: dict[str, Any]) -> None:
    for name, value in elements.items():
        if value is None:
            del data[name]
        else:
            setattr(data, name, value)


def save(path: Path, data: Dataset) -> Path:
    data.save_as(path, enforce_file_format=True)
    return path


def normal(cosines: Sequence[float]) -> np.ndarray:
    return np.cross(cosines[:3], cosines[3:])


def slices(
    array: np.ndarray,
    step: float = 3.0,
    cosines: Sequence[float] = AXIAL,
    change: Change | None = None,
    **elements: Any,
) -> list[Dataset]:
    """Slices of ``[D, H, W]`` integers, ``step`` mm apart along their normal from ORIGIN on."""
    data_sets = []
    for k, plane in enumerate(array):
        position = np.array(ORIGIN) + k * step * normal(cosines)
        data = base(
            plane,
            InstanceNumber=k + 1,
            PixelSpacing=[0.75, 0.5],
            ImageOrientationPatient=list(cosines),
        )
        data.ImagePositionPatient = [float(f"{x:.6f}") for x in position]
        put(data, elements)
        if change:
            change(k, data)
        data_sets.append(data)
    return data_sets


def files(folder: Path, data_sets: Sequence[Dataset], seed: int = 0) -> list[Path]:
    """Save under names whose order says nothing."""
    order = np.random.default_rng(seed).permutation(len(data_sets))
    folder.mkdir(exist_ok=True)
    return sorted(
        save(folder / f"{place:04}.dcm", data) for place, data in zip(order, data_sets, strict=True)
    )


def ramp(depth: int = 5, rows: int = 4, columns: int = 6, dtype: Any = np.int16) -> np.ndarray:
    """``[D, H, W]`` integers that are all different."""
    return np.arange(depth * rows * columns, dtype=dtype).reshape(depth, rows, columns)


def axial(array: np.ndarray) -> np.ndarray:
    """What an axial ``[D, H, W]`` stack is in RAS+ order, ``[1, i, j, k]``.

    In DICOM rows run to the back and columns to the left.
    """
    return np.moveaxis(array, 0, 2)[::-1, ::-1].swapaxes(0, 1)[None].astype(np.float32)


def item(**elements: Any) -> Dataset:
    data = Dataset()
    put(data, elements)
    return data


def enhanced(
    array: np.ndarray, step: float = 3.0, order: Sequence[int] | None = None, **elements: Any
) -> Dataset:
    """An enhanced multi-frame object whose frame ``i`` is slice ``order[i]`` of ``[D, H, W]``."""
    order = range(len(array)) if order is None else order
    shared = item(
        PlaneOrientationSequence=[item(ImageOrientationPatient=list(AXIAL))],
        PixelMeasuresSequence=[item(PixelSpacing=[0.75, 0.5])],
    )
    each = [
        item(PlanePositionSequence=[item(ImagePositionPatient=[-20.0, -30.0, 40.0 + k * step])])
        for k in order
    ]
    data = base(array[list(order)], EnhancedMRImageStorage, Modality="MR")
    data.SharedFunctionalGroupsSequence, data.PerFrameFunctionalGroupsSequence = [shared], each
    put(data, elements)
    return data


def picture(array: np.ndarray, **elements: Any) -> Dataset:
    """A small image object around ``[H, W]`` or ``[H, W, 3]``; ``elements`` replace or add."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID, data.SOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
    data.PatientID, data.PatientName = "P-4711", "Smith^Ann"
    data.Rows, data.Columns = array.shape[:2]
    data.SamplesPerPixel = 3 if array.ndim == 3 else 1
    if array.ndim == 3:
        data.PlanarConfiguration = 0
    data.PhotometricInterpretation = "RGB" if array.ndim == 3 else "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = array.dtype.itemsize * 8
    data.HighBit = data.BitsAllocated - 1
    data.PixelRepresentation = int(array.dtype.kind == "i")
    data.PixelData = array.tobytes()
    data["PixelData"].VR = "OW"
    for name, value in elements.items():
        setattr(data, name, value)
    return data
