"""PixelData to numbers: stored values, modality units, colour.

Grey comes out as float32 in modality units (rescale or modality LUT, PS3.3 C.11.1) with larger
always brighter (MONOCHROME1 is reversed, PS3.3 C.7.6.3.1.2); windowing is not applied, since a
window belongs to a screen. Colour comes out as RGB.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut
from pydicom.uid import ExplicitVRBigEndian

from client.readers.dicom import codecs
from client.readers.dicom.element_values import numbers, whole, word
from client.readers.dicom.reasons import DicomError, Reason
from common.errors import CaseError

Pixels = npt.NDArray[Any]

LARGEST_IMAGE = 1 << 28
"""Most samples of one image; a header may claim any size."""
LARGEST_VOLUME = 1 << 29
"""Most samples of all frames or slices together."""
_GREY = ("MONOCHROME1", "MONOCHROME2")
_COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT", "PALETTE COLOR")
_SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")


def check(header: Dataset) -> None:
    """Refuse a header whose image cannot be read, before any pixel is decoded.

    Raises:
        CaseError: no pixels, an unknown photometric interpretation, a depth beyond 8 to 16 bit, or
            an unusable size.
    """
    if "Rows" not in header or (
        "PixelData" not in header
        and ("FloatPixelData" in header or "DoubleFloatPixelData" in header)
    ):
        raise DicomError(Reason.NO_IMAGE if "Rows" not in header else Reason.KIND)
    kind = word(header, "PhotometricInterpretation")
    samples = whole(header, "SamplesPerPixel", 1)
    if kind not in (*_GREY, *_COLOUR):
        raise DicomError(Reason.KIND, kind, "dicom.photometric")
    if samples != (3 if kind in _COLOUR[:-1] else 1):
        raise DicomError(Reason.KIND, f"{samples} samples, {kind}", "dicom.samples")
    allocated = whole(header, "BitsAllocated")
    stored = whole(header, "BitsStored")
    if allocated not in (8, 16) or not 1 <= stored <= allocated:
        raise DicomError(Reason.KIND, f"{stored} of {allocated} bits", "dicom.bits")
    if not 0 < whole(header, "Rows") * whole(header, "Columns") * samples <= LARGEST_IMAGE:
        raise DicomError(Reason.TOO_LARGE, "", "dicom.size")
    if frames(header) * whole(header, "Rows") * whole(header, "Columns") * samples > LARGEST_VOLUME:
        raise DicomError(Reason.TOO_LARGE, f"{frames(header)} frames")


def frames(header: Dataset) -> int:
    """NumberOfFrames (0028,0008); 1 where it is absent."""
    return max(1, whole(header, "NumberOfFrames", 1))


def is_colour(header: Dataset) -> bool:
    """Whether the image comes out with three channels."""
    return word(header, "PhotometricInterpretation") in _COLOUR


def values(header: Dataset, into: npt.NDArray[np.float32] | None = None) -> Pixels:
    """All frames in modality units (float32) or as RGB, ``[N, H, W]`` or ``[N, H, W, 3]``.

    Args:
        header: opened with its pixels.
        into: where grey frames may be written, ``[N, H, W]``, to save a copy.

    Raises:
        CaseError: see :func:`check`; or the pixels cannot be decoded.
    """
    check(header)
    if "PixelData" not in header:
        raise DicomError(Reason.NO_IMAGE)
    stored = _stored(header)
    if is_colour(header):
        return _rgb(stored, header)
    fits = into is not None and into.shape == stored.shape
    return _grey(stored, header, into if fits else None)


def spacing(header: Dataset) -> tuple[float, float]:
    """Spacing of rows (along H), then of columns (along W), in millimetres (PS3.3 10.7.1.3).

    In the patient, else at the detector, else 1.
    """
    for name in _SPACINGS:
        values = numbers(header, name) or []
        if len(values) == 2 and all(math.isfinite(v) and v > 0 for v in values):
            return values[0], values[1]
    return 1.0, 1.0


def rescaled(
    stored: Pixels, slope: float, intercept: float, into: npt.NDArray[np.float32] | None = None
) -> npt.NDArray[np.float32]:
    """``stored * slope + intercept`` as float32.

    Raises:
        DicomError: a factor is not finite, or the slope is 0.
    """
    if not (math.isfinite(slope) and math.isfinite(intercept)) or slope == 0:
        raise DicomError(Reason.DAMAGED, f"rescale by {slope} and {intercept}")
    if slope == 1:
        return np.add(stored, np.float32(intercept), out=into, dtype=np.float32)
    result: npt.NDArray[np.float32] = np.multiply(
        stored, np.float32(slope), out=into, dtype=np.float32
    )
    if intercept:
        result += np.float32(intercept)
    return result


def _stored(header: Dataset) -> Pixels:
    """Stored values, ``[N, H, W]`` or ``[N, H, W, 3]``, of the bits that BitsStored names only."""
    rows = whole(header, "Rows")
    columns = whole(header, "Columns")
    samples = whole(header, "SamplesPerPixel", 1)
    syntax = header.file_meta.TransferSyntaxUID
    if samples == 1 and syntax in codecs.NATIVE and syntax != ExplicitVRBigEndian:
        stored = _native(header, frames(header) * rows * columns)
    else:
        stored = codecs.decode(header)
    stored = stored.reshape(frames(header), rows, columns, *([samples] if samples > 1 else []))
    return stored if is_colour(header) else _used_bits(stored, header)


def _native(header: Dataset, count: int) -> Pixels:
    """Uncompressed samples, without a copy (PS3.5 A.1, A.2)."""
    sign = "i" if whole(header, "PixelRepresentation") else "u"
    kind = np.dtype(f"<{sign}{whole(header, 'BitsAllocated') // 8}")
    data = header.PixelData
    if not isinstance(data, bytes) or len(data) < count * kind.itemsize:
        raise DicomError(
            Reason.DAMAGED, "PixelData is shorter than rows, columns and frames ask for"
        )
    native: Pixels = np.frombuffer(data, kind, count)
    return native


def _used_bits(stored: Pixels, header: Dataset) -> Pixels:
    """Drop what lies above and below the stored bits, and extend the sign (PS3.5 8.1.1).

    Overlays were kept there once.
    """
    allocated = whole(header, "BitsAllocated")
    used = whole(header, "BitsStored")
    high = whole(header, "HighBit", used - 1)
    width = stored.dtype.itemsize * 8
    if used == width or width != allocated or stored.dtype.kind not in "iu":
        return stored
    # A decoder puts the stored bits lowest, wherever HighBit says that they were.
    compressed = header.file_meta.TransferSyntaxUID not in codecs.NATIVE
    above = width - 1 - (used - 1 if compressed or not used - 1 <= high < width else high)
    shifted: Pixels = (stored << above) >> (width - used)
    return shifted


def _rgb(stored: Pixels, header: Dataset) -> Pixels:
    if word(header, "PhotometricInterpretation") == "PALETTE COLOR":
        coloured: Pixels = apply_color_lut(stored, header)[..., :3]
        return coloured
    return stored


def _grey(
    stored: Pixels, header: Dataset, into: npt.NDArray[np.float32] | None
) -> npt.NDArray[np.float32]:
    """Modality units; MONOCHROME1 is reversed within the range that the stored bits allow.

    So the least and the largest stored value change places.
    """
    result = _modality(stored, header, into)
    if word(header, "PhotometricInterpretation") == "MONOCHROME1":
        bits = whole(header, "BitsStored")
        lowest = -(1 << (bits - 1)) if whole(header, "PixelRepresentation") else 0
        ends = _modality(np.array([lowest, lowest + (1 << bits) - 1], stored.dtype), header)
        result = np.subtract(np.float32(ends.sum(dtype=np.float64)), result, out=into)
    return result


def _modality(
    stored: Pixels, header: Dataset, into: npt.NDArray[np.float32] | None = None
) -> npt.NDArray[np.float32]:
    """Stored values through the image's modality LUT, or its slope and intercept."""
    if header.get("ModalityLUTSequence"):
        return np.asarray(apply_modality_lut(stored, header), np.float32)
    return rescaled(stored, *scale(header), into)


def scale(header: Dataset) -> tuple[float, float]:
    """Rescale slope and intercept; 1 and 0 where they are absent.

    Raises:
        CaseError: stated, but no number.
    """
    factors = []
    for keyword, default in (("RescaleSlope", 1.0), ("RescaleIntercept", 0.0)):
        values = numbers(header, keyword)
        if values is None and header.get(keyword) not in (None, ""):
            raise CaseError("dicom.rescale")
        factors.append(values[0] if values else default)
    return factors[0], factors[1]
