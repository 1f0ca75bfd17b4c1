"""Synthetic DICOM images for twins: secondary capture objects (PS3.3 A.8) with the elements that an image needs and no others."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, SecondaryCaptureImageStorage

_ROOT = "2.25.1"
"""UIDs below it are this program's own invention; twins of different hospitals may share them."""


def image(array: npt.NDArray[np.float64], spacing: tuple[float, ...], number: int) -> bytes:
    """A DICOM file of whole numbers ``[C, H, W]``: one channel of 16 bit, or three of 8 bit."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = SecondaryCaptureImageStorage
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID = UID(f"{_ROOT}.{number + 1}")
    made.StudyInstanceUID = made.SeriesInstanceUID = f"{_ROOT}.{number + 1}.1"
    made.PatientID = made.PatientName = None
    made.Modality, made.ConversionType, made.ImageType = "OT", "SYN", ["DERIVED", "SECONDARY"]
    made.PixelSpacing = [f"{mm:.6g}" for mm in spacing[:2]]
    _add_pixels(made, array)
    out = BytesIO()
    made.save_as(out, enforce_file_format=True)
    return out.getvalue()


def _add_pixels(made: Dataset, array: npt.NDArray[np.float64]) -> None:
    colour, low = len(array) == 3, min(0.0, float(array.min()))
    made.Rows, made.Columns = array.shape[1:3]
    made.SamplesPerPixel, made.PhotometricInterpretation = (
        (3, "RGB") if colour else (1, "MONOCHROME2")
    )
    made.BitsAllocated = made.BitsStored = 8 if colour else 16
    made.HighBit, made.PixelRepresentation = made.BitsStored - 1, 0
    if colour:
        made.PlanarConfiguration = 0
        made.PixelData = np.moveaxis(np.clip(array, 0, 255), 0, -1).astype(np.uint8).tobytes()
    else:
        made.RescaleIntercept, made.RescaleSlope = f"{low:.0f}", "1"
        made.PixelData = np.clip(array[0] - low, 0, 65535).astype("<u2").tobytes()
    made["PixelData"].VR = "OB" if colour else "OW"
