"""What a header says about the place of each slice: plain images and enhanced multi-frame objects (functional groups, PS3.3 C.7.6.16)."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from pydicom.dataset import Dataset

from client.readers.dicom.geometry import Plane, place
from client.readers.dicom.opening import first_item, numbers, whole, word
from client.readers.dicom.pixels import frames
from client.readers.dicom.reasons import DicomError, Reason

TRAITS = (
    "ImageType",
    "EchoNumbers",
    "EchoTime",
    "InversionTime",
    "TemporalPositionIdentifier",
    "DiffusionBValue",
    "TriggerTime",
    "FrameReferenceTime",
    "ConvolutionKernel",
    "KVP",
    "AcquisitionNumber",
    "AcquisitionTime",
    "AcquisitionDateTime",
)
"""Attributes of plain images that may tell the volumes of one series apart."""
_FRAME_TRAITS = (
    ("MRImageFrameTypeSequence", "FrameType"),
    ("CTImageFrameTypeSequence", "FrameType"),
    ("PETFrameTypeSequence", "FrameType"),
    ("FrameContentSequence", "StackID"),
    ("FrameContentSequence", "TemporalPositionIndex"),
    ("FrameContentSequence", "FrameReferenceDateTime"),
    ("FrameContentSequence", "FrameAcquisitionDateTime"),
    ("MREchoSequence", "EffectiveEchoTime"),
    ("MRDiffusionSequence", "DiffusionBValue"),
    ("CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime"),
    ("CTReconstructionSequence", "ConvolutionKernel"),
)
"""The same of the frames of enhanced objects: functional group and attribute."""


def plain(header: Dataset, source: tuple[int, int] = (0, 0)) -> Plane:
    """The plane of a single-frame image (Image Plane module, PS3.3 C.7.6.2).

    Raises:
        DicomError: its geometry is absent or unusable.
    """
    traits: dict[str, Hashable] = {name: word(header, name) for name in TRAITS if name in header}
    return _plane(header, header, header, header, (source, traits))


def framed(header: Dataset, file: int = 0) -> list[Plane]:
    """The planes of all frames of an enhanced multi-frame object.

    Raises:
        DicomError: there are no functional groups, fewer than frames, or a frame's geometry is absent or unusable.
    """
    if header.get("ConcatenationUID"):
        raise DicomError(Reason.PARTS)
    shared = first_item(header, "SharedFunctionalGroupsSequence")
    each = list(header.get("PerFrameFunctionalGroupsSequence") or ())
    if len(each) != frames(header):
        raise _unplaced(f"{len(each)} functional groups for {frames(header)} frames")
    planes = []
    for number, own in enumerate(each):
        position, orientation, measures = (
            group(own, shared, name)
            for name in (
                "PlanePositionSequence",
                "PlaneOrientationSequence",
                "PixelMeasuresSequence",
            )
        )
        planes.append(
            _plane(
                header,
                position,
                orientation,
                measures,
                ((file, number), dict(_traits(own, shared))),
            )
        )
    return planes


def group(own: Dataset, shared: Dataset, name: str) -> Dataset:
    """A functional group of a frame: the frame's own, else the shared one, else an empty data set."""
    return first_item(own if name in own else shared, name)


def frame_scales(header: Dataset) -> list[tuple[float, float]]:
    """Slope and intercept of each frame of an enhanced object (PS3.3 C.7.6.16.2.9); 1 and 0 where none are stated."""
    shared = first_item(header, "SharedFunctionalGroupsSequence")
    scales = []
    for own in header.get("PerFrameFunctionalGroupsSequence") or ():
        change = group(own, shared, "PixelValueTransformationSequence")
        slope, intercept = (numbers(change, name) for name in ("RescaleSlope", "RescaleIntercept"))
        scales.append((slope[0] if slope else 1.0, intercept[0] if intercept else 0.0))
    return scales


def _plane(
    header: Dataset,
    position: Dataset,
    orientation: Dataset,
    measures: Dataset,
    rest: tuple[tuple[int, int], dict[str, Hashable]],
) -> Plane:
    try:
        origin, across, down, spacing = place(
            numbers(position, "ImagePositionPatient"),
            numbers(orientation, "ImageOrientationPatient"),
            numbers(measures, "PixelSpacing"),
        )
    except DicomError as error:
        raise _unplaced(error.local) if frames(header) > 1 else error from None
    size = (whole(header, "Rows"), whole(header, "Columns"))
    return Plane(
        origin, across, down, spacing, size, rest[0], word(header, "FrameOfReferenceUID"), rest[1]
    )


def _traits(own: Dataset, shared: Dataset) -> Iterator[tuple[str, Hashable]]:
    for name, attribute in _FRAME_TRAITS:
        content = group(own, shared, name)
        if attribute in content:
            yield attribute, word(content, attribute)


def _unplaced(local: str) -> DicomError:
    return DicomError(Reason.GEOMETRY, local, "dicom.frames_geometry")
