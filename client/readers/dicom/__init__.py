"""Single DICOM files, through :mod:`client.readers.dicom`.

An image comes out as ``[C, H, W]``: grey as float32 in modality units, colour as RGB, without
windowing (see :mod:`client.readers.dicom.pixels`). A multi-frame object is a volume by itself,
``[C, H, W, D]`` in RAS+ orientation. The only thing besides pixels and their place that is ever
taken from the file is PatientID, and only to keep one patient's images together.
"""

from __future__ import annotations

from pathlib import Path

from client.readers import Reader, Scan
from client.readers.dicom import scans
from client.readers.dicom.element_values import word
from client.readers.dicom.opening import guarded, open_header


def read(path: Path) -> Scan:
    """One image, or the volume of a multi-frame object.

    Raises:
        CaseError: no DICOM, no pixels, frames that are no volume, a depth beyond 8 to 16 bit, or a
            transfer syntax that cannot be decoded here.
    """
    return scans.alone(path)


def patient(path: Path) -> str | None:
    """PatientID (0010,0020), or None where it is absent or empty.

    Raises:
        CaseError: no DICOM.
    """
    with guarded(path):
        return word(open_header(path), "PatientID") or None


READER = Reader(suffixes=(".dcm", ".dicom", ""), read=read, patient=patient)
