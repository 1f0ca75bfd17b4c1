"""Why a DICOM file or series is refused: one code and one public sentence each."""

from __future__ import annotations

from enum import StrEnum

from common.errors import CaseError


class Reason(StrEnum):
    """Codes of refusals; :data:`CODES` has the sentence of each."""

    DAMAGED = "damaged"
    TOO_LARGE = "too large"
    NESTED = "nested too deep"
    NO_IMAGE = "not an image"
    KIND = "kind of pixels"
    CODEC = "codec"
    GEOMETRY = "no geometry"
    LOCALISER = "localiser"
    ORIENTATIONS = "several orientations"
    FRAMES = "several frames of reference"
    PATIENTS = "several patients"
    SIZES = "mixed size"
    SPACINGS = "mixed spacing"
    GAP = "gap"
    DUPLICATE = "duplicate"
    TILT = "tilt"
    VOLUMES = "several volumes"
    MOSAIC = "mosaic"
    PARTS = "parts"
    REFERENCE = "reference"
    OVERLAP = "overlap"


CODES = {
    Reason.DAMAGED: "dicom.damaged",
    Reason.TOO_LARGE: "dicom.too_large",
    Reason.NESTED: "dicom.nested",
    Reason.NO_IMAGE: "dicom.no_image",
    Reason.KIND: "dicom.kind",
    Reason.CODEC: "dicom.codec",
    Reason.GEOMETRY: "dicom.geometry",
    Reason.LOCALISER: "dicom.localiser",
    Reason.ORIENTATIONS: "dicom.orientations",
    Reason.FRAMES: "dicom.frames",
    Reason.PATIENTS: "dicom.patients",
    Reason.SIZES: "dicom.sizes",
    Reason.SPACINGS: "dicom.spacings",
    Reason.GAP: "dicom.gap",
    Reason.DUPLICATE: "dicom.duplicate",
    Reason.TILT: "dicom.tilt",
    Reason.VOLUMES: "dicom.volumes",
    Reason.MOSAIC: "dicom.mosaic",
    Reason.PARTS: "dicom.parts",
    Reason.REFERENCE: "dicom.reference",
    Reason.OVERLAP: "dicom.overlap",
}
"""Rows of the table of sentences (``common/sentences/table.py``)."""


class DicomError(CaseError):
    """A file or series that cannot be used.

    Args:
        reason: why.
        local: further detail for the hospital's own log.
        code: of a row other than that of the reason.
        arguments: those of the row.
    """

    def __init__(
        self, reason: Reason, local: str = "", code: str = "", **arguments: object
    ) -> None:
        super().__init__(code or CODES[reason], local, **arguments)
        self.reason = reason
