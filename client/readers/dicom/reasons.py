"""Why a DICOM file or series is refused: one code and one public sentence each."""

from __future__ import annotations

from enum import StrEnum

from common.errors import CaseError


class Reason(StrEnum):
    """Codes of refusals; :data:`SENTENCES` has what each says."""

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


SENTENCES = {
    Reason.DAMAGED: "The DICOM file cannot be read; give an undamaged DICOM image file.",
    Reason.TOO_LARGE: "The DICOM file is larger than the limits for one file allow; split or export it again.",
    Reason.NESTED: "The DICOM file nests sequences deeper than 32 levels; export it again from its source.",
    Reason.NO_IMAGE: "The DICOM file holds no pixel data; give image objects only.",
    Reason.KIND: "The DICOM file holds pixels of a kind that is not read; give 8 to 16 bit grey or colour images.",
    Reason.CODEC: "The pixels of the DICOM file cannot be decompressed; export the file uncompressed.",
    Reason.GEOMETRY: "The series or multi-frame object states no usable position and orientation of its slices; export it with its geometry.",
    Reason.LOCALISER: "The image is a localiser (scout), which shows where other images were planned; leave localisers out.",
    Reason.ORIENTATIONS: "The slices of the series have several orientations; give one orientation a series.",
    Reason.FRAMES: "The slices of the series lie in several frames of reference; give one frame of reference a series.",
    Reason.PATIENTS: "The files of one series name several patients; repair the export.",
    Reason.SIZES: "The slices of the series have several sizes or kinds of pixels; give one size a series.",
    Reason.SPACINGS: "The slices of the series are not evenly spaced or have several pixel spacings; give an evenly spaced series.",
    Reason.GAP: "Slices are missing inside the series (a step is a multiple of the others); export the whole series.",
    Reason.DUPLICATE: "Several different slices of the series lie at one position; export the series again without duplicates.",
    Reason.TILT: "The slices of the series are sheared against each other (tilted gantry); resample the series to a straight volume.",
    Reason.VOLUMES: "The series holds several volumes that no single attribute tells apart; export each volume as a series of its own.",
    Reason.MOSAIC: "The mosaic image lacks the private header that says how many slices it holds and in which order; keep the private header.",
    Reason.PARTS: "The file is one part of a multi-frame object that was cut into several files; export the object whole.",
    Reason.REFERENCE: "The segmentation does not lie on the grid of the series that it is read for; give the series on which it was drawn.",
    Reason.OVERLAP: "Segments overlap and no order says which of them a voxel belongs to; name the segments in the order in which to paint them.",
}


class DicomError(CaseError):
    """A file or series that cannot be used.

    Args:
        reason: the code.
        local: further detail for the hospital's own log.
        public: a sentence other than that of the code; like those it holds no name, path or value of the file.
    """

    def __init__(self, reason: Reason, local: str = "", public: str = "") -> None:
        super().__init__(public or SENTENCES[reason], local)
        self.reason = reason
