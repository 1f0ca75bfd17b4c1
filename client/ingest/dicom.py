"""Single DICOM images, through pydicom.

Grey images come out as float32 ``[1, H, W]`` in modality units (rescale or modality LUT, PS3.3 C.11.1) with larger always brighter
(MONOCHROME1 is reversed, PS3.3 C.7.6.3.1.2); windowing is not applied, since a window belongs to a screen. Colour comes out as RGB
``[3, H, W]``. The only thing besides pixels and spacing that is ever taken from the file is PatientID, and only to keep one patient's
images together.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom import config
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut
from pydicom.pixels.utils import pixel_array

from client.ingest import Reader, Scan
from common.errors import CaseError

config.settings.reading_validation_mode = config.IGNORE  # pydicom's warnings would quote the values of elements

_LARGEST = 1 << 28
"""Most samples of one image; a header may claim any size."""
_COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT", "PALETTE COLOR")
_SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")


def read(path: Path) -> Scan:
    """One image, see the module's text.

    Raises:
        CaseError: no DICOM, no pixels, several frames, a depth beyond 8 to 16 bit, or a transfer syntax that cannot be decoded here.
    """
    try:
        header = pydicom.dcmread(path)
        _check(header)
        pixels = _decode(header)
        colour = header.PhotometricInterpretation in _COLOUR
        array = np.moveaxis(_rgb(pixels, header), -1, 0) if colour else _grey(pixels, header)[None]
        return Scan(array, _spacing(header))
    except CaseError as error:
        raise CaseError(error.public, f"{path}: {error.local}") from None
    except Exception as error:  # pydicom and its codecs raise nearly anything on a damaged file
        raise CaseError("The DICOM file cannot be read; give an undamaged DICOM image file.", f"{path}: {error!r}") from None


def patient(path: Path) -> str | None:
    """PatientID (0010,0020), or None where it is absent or empty.

    Raises:
        CaseError: no DICOM.
    """
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["PatientID"])
        return str(header.get("PatientID") or "").strip() or None
    except Exception as error:
        raise CaseError("The DICOM file cannot be read; give an undamaged DICOM image file.", f"{path}: {error!r}") from None


def _check(header: Any) -> None:
    if "PixelData" not in header:
        raise CaseError("The DICOM file holds no pixel data; give image objects only.")
    if int(header.get("NumberOfFrames") or 1) > 1 or "SharedFunctionalGroupsSequence" in header:
        raise CaseError("The DICOM file is a multi-frame object; give single images.")
    if header.PhotometricInterpretation not in ("MONOCHROME1", "MONOCHROME2", *_COLOUR):
        raise CaseError("The DICOM file's photometric interpretation is unknown; give grey, RGB, YBR or palette images.")
    if header.SamplesPerPixel != (3 if header.PhotometricInterpretation in _COLOUR[:-1] else 1):
        raise CaseError("The DICOM file's samples per pixel contradict its photometric interpretation; give a valid image object.")
    if header.BitsAllocated not in (8, 16) or not 1 <= header.BitsStored <= header.BitsAllocated:
        raise CaseError("The DICOM file stores neither 8 nor 16 bits a sample; give 8 to 16 bit images.")
    if not 0 < header.Rows * header.Columns * header.SamplesPerPixel <= _LARGEST:
        raise CaseError(f"The DICOM file states an image size that cannot be used; at most {_LARGEST} samples are allowed.")


def _decode(header: Any) -> npt.NDArray[Any]:
    """Stored values ``[H, W]`` or ``[H, W, 3]``; YBR is turned into RGB (PS3.3 C.7.6.3.1.2)."""
    syntax = header.file_meta.TransferSyntaxUID
    name = f"{syntax.name}" if syntax.is_transfer_syntax and not syntax.is_private else "an unknown way"
    refusal = f"The pixels are compressed as {name}, which cannot be decoded here; install a decoder (python-gdcm) or decompress the files."
    try:
        available = get_decoder(syntax).is_available
    except NotImplementedError:
        available = False
    if not available:
        raise CaseError(refusal)
    try:
        pixels: npt.NDArray[Any] = pixel_array(header)
    except Exception as error:  # a codec may take the syntax but not this depth of it
        if not syntax.is_compressed or syntax.is_deflated:
            raise
        raise CaseError(refusal, repr(error)) from None
    return pixels


def _rgb(pixels: npt.NDArray[Any], header: Any) -> npt.NDArray[Any]:
    if header.PhotometricInterpretation == "PALETTE COLOR":
        coloured: npt.NDArray[Any] = apply_color_lut(pixels, header)[..., :3]
        return coloured
    return pixels


def _grey(pixels: npt.NDArray[Any], header: Any) -> npt.NDArray[np.float32]:
    """Modality units; MONOCHROME1 is reversed within the range that the stored bits allow, so 0 and the largest value change places."""
    values = apply_modality_lut(pixels, header)
    if header.PhotometricInterpretation == "MONOCHROME1":
        bits = int(header.BitsStored)
        lowest = -(1 << (bits - 1)) if header.PixelRepresentation else 0
        ends = apply_modality_lut(np.array([lowest, lowest + (1 << bits) - 1], pixels.dtype), header).astype(np.float64)
        values = ends.sum() - values
    return np.asarray(values, np.float32)


def _spacing(header: Any) -> tuple[float, float]:
    """Row spacing (along H) then column spacing (along W), millimetres (PS3.3 10.7.1.3): in the patient, else at the detector."""
    for name in _SPACINGS:
        values = header.get(name)
        if values is not None and len(values) == 2:
            down, right = (float(v) for v in values)
            if math.isfinite(down) and math.isfinite(right) and down > 0 and right > 0:
                return down, right
    return 1.0, 1.0


READER = Reader(suffixes=(".dcm", ".dicom", ""), read=read, patient=patient)
