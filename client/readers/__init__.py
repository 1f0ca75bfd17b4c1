"""From files to scans: a hospital's image formats decoded, within limits no file can pass.

A file ``client/readers/<name>.py`` that exports ``READER`` (a :class:`Reader`) reads one family of
formats. Taking in an export of that family besides needs a converter of its own in
``client/ingest`` (``convert_*.py``, chosen in ``convert.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Scan:
    """One decoded image without anything that identifies.

    Attributes:
        array: ``[C, H, W[, D]]``, stored values after the format's own rescale (DICOM modality LUT,
            NIfTI scl_slope), any real dtype.
        spacing: millimetres per pixel along H, W[, D]; 1.0 where the file states none.
        affine: float64 ``[4, 4]`` from the array's axes (H, W, D) of a volume to millimetres in the
            patient's RAS+ coordinates; else None.
    """

    array: npt.NDArray[np.generic]
    spacing: tuple[float, ...]
    affine: npt.NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Reader:
    """One family of formats.

    Attributes:
        suffixes: lower-case endings, e.g. ``(".nii", ".nii.gz")``; "" takes files without an
            ending.
        read: path to Scan; raises :class:`common.errors.CaseError` with a public sentence that
            names no file.
        patient: path to the patient identifier that the file itself holds, or None (DICOM:
            PatientID); never leaves the hospital.
    """

    suffixes: tuple[str, ...]
    read: Callable[[Path], Scan]
    patient: Callable[[Path], str | None] = lambda path: None
