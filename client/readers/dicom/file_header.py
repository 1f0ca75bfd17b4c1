"""What sorting needs of one file: whose it is, its series, and where its slices lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from client.readers.dicom import codecs, pixels, planes
from client.readers.dicom.element_values import references, whole, word, words
from client.readers.dicom.geometry import Plane
from client.readers.dicom.opening import guarded, open_header
from client.readers.dicom.reasons import DicomError, Reason

_MASKS = {
    "1.2.840.10008.5.1.4.1.1.66.4": "segments",
    "1.2.840.10008.5.1.4.1.1.66.7": "segments",
    "1.2.840.10008.5.1.4.1.1.481.3": "structures",
}
"""SOP classes (PS3.4 B.5) of Segmentation, Label Map Segmentation and RT Structure Set."""


@dataclass(frozen=True)
class FileHeader:
    """What sorting keeps of one header.

    Attributes:
        form: how its pixels make slices: "plain", "frames", "mosaic"; or what it is instead:
            "segments", "structures".
        planes: places of its slices; none without geometry.
        references: SeriesInstanceUIDs that segments or structures were drawn on.
    """

    path: Path
    uid: str
    instance: str
    patient: str
    issuer: str
    modality: str
    form: str
    size: tuple[int, int]
    spacing: tuple[float, float]
    planes: tuple[Plane, ...]
    colour: bool
    frame: str
    references: tuple[str, ...]


def opened(path: Path) -> FileHeader:
    """What sorting needs of a file.

    Raises:
        CaseError: it cannot be opened, or is no image that is read here.
    """
    with guarded(path):
        header = open_header(path)
        form = _form(header)
        slice_planes: tuple[Plane, ...] = ()
        drawn_on: tuple[str, ...] = ()
        if form in ("segments", "structures"):
            drawn_on = references(header)
        else:
            # An image that cannot be decoded is refused now, not in the middle of training.
            pixels.check(header)
            codecs.check(header)
            slice_planes = _planes(header, form)
        return FileHeader(
            path=path,
            uid=word(header, "SeriesInstanceUID"),
            instance=word(header, "SOPInstanceUID"),
            patient=word(header, "PatientID"),
            issuer=word(header, "IssuerOfPatientID"),
            modality=word(header, "Modality"),
            form=form,
            size=(whole(header, "Rows"), whole(header, "Columns")),
            spacing=pixels.spacing(header),
            planes=slice_planes,
            colour=pixels.is_colour(header),
            frame=word(header, "FrameOfReferenceUID"),
            references=drawn_on,
        )


def _form(header: Any) -> str:
    """How the file's pixels make slices."""
    kind = word(header, "SOPClassUID")
    if kind in _MASKS:
        return _MASKS[kind]
    if "LOCALIZER" in words(header, "ImageType"):
        raise DicomError(Reason.LOCALISER)
    if planes.is_mosaic(header):
        return "mosaic"
    many = pixels.frames(header) > 1 or "SharedFunctionalGroupsSequence" in header
    return "frames" if many else "plain"


def _planes(header: Any, form: str) -> tuple[Plane, ...]:
    if form == "mosaic":
        return tuple(planes.unfold(header))
    if form == "frames":
        return tuple(planes.framed(header))
    return (planes.plain(header),) if "ImagePositionPatient" in header else ()
