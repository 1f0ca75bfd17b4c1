"""What a header says about the place of each slice: plain images, enhanced objects, mosaics.

Enhanced objects place their frames by functional groups (PS3.3 C.7.6.16). A Siemens mosaic holds
the slices of one volume side by side in one image, described in the private CSA header (0029,1010);
dicom2nifti and nibabel document its layout and the position correction from measurement, Siemens
publishes neither.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Hashable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from client.readers.dicom.element_values import first_item, numbers, whole, word, words
from client.readers.dicom.geometry import Plane, place
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
_CREATOR = "SIEMENS CSA HEADER"
_CREATOR_MR = "SIEMENS MR HEADER"
_MOST_TAGS = 128
_MOST_ITEMS = 128
_MOST_TILES = 1024


def plain(header: Dataset, source: tuple[int, int] = (0, 0)) -> Plane:
    """The plane of a single-frame image (Image Plane module, PS3.3 C.7.6.2).

    Raises:
        DicomError: its geometry is absent or unusable.
    """
    traits: dict[str, Hashable] = {name: word(header, name) for name in TRAITS if name in header}
    return _plane(
        header,
        position=header,
        orientation=header,
        measures=header,
        source=source,
        traits=traits,
    )


def framed(header: Dataset, file: int = 0) -> list[Plane]:
    """The planes of all frames of an enhanced multi-frame object.

    Raises:
        DicomError: there are no functional groups, fewer than frames, or a frame's geometry is
            absent or unusable.
    """
    if header.get("ConcatenationUID"):
        raise DicomError(Reason.PARTS)
    shared = first_item(header, "SharedFunctionalGroupsSequence")
    each = list(header.get("PerFrameFunctionalGroupsSequence") or ())
    if len(each) != frames(header):
        raise _unplaced(f"{len(each)} functional groups for {frames(header)} frames")
    planes = []
    for number, own in enumerate(each):
        planes.append(
            _plane(
                header,
                position=group(own, shared, "PlanePositionSequence"),
                orientation=group(own, shared, "PlaneOrientationSequence"),
                measures=group(own, shared, "PixelMeasuresSequence"),
                source=(file, number),
                traits=dict(_traits(own, shared)),
            )
        )
    return planes


def group(own: Dataset, shared: Dataset, name: str) -> Dataset:
    """A functional group of a frame: its own, else the shared one, else an empty data set."""
    return first_item(own if name in own else shared, name)


def frame_scales(header: Dataset) -> list[tuple[float, float]]:
    """Slope and intercept, else 1 and 0, of each frame of an object (PS3.3 C.7.6.16.2.9)."""
    shared = first_item(header, "SharedFunctionalGroupsSequence")
    scales = []
    for own in header.get("PerFrameFunctionalGroupsSequence") or ():
        change = group(own, shared, "PixelValueTransformationSequence")
        slope, intercept = (numbers(change, name) for name in ("RescaleSlope", "RescaleIntercept"))
        scales.append((slope[0] if slope else 1.0, intercept[0] if intercept else 0.0))
    return scales


def is_mosaic(header: Dataset) -> bool:
    """Whether ImageType has the value MOSAIC."""
    return "MOSAIC" in words(header, "ImageType")


def unfold(header: Dataset, file: int = 0) -> list[Plane]:
    """The planes of the slices of a mosaic, in stored order.

    Raises:
        DicomError: the private header lacks the number of slices, the slice normal or the step
            between slices, or contradicts the image.
    """
    whole_image = plain(header)
    count, normal = _described(header)
    step = numbers(header, "SpacingBetweenSlices")
    tiles = math.ceil(math.sqrt(count))
    rows, columns = (n // tiles for n in whole_image.size)
    if step is None or step[0] <= 0 or whole_image.size != (rows * tiles, columns * tiles):
        raise DicomError(Reason.MOSAIC, f"{count} slices, step {step}, image {whole_image.size}")
    sign = float(np.sign(normal @ whole_image.normal))
    if abs(normal @ whole_image.normal) < 0.99:
        raise DicomError(Reason.MOSAIC, "the slice normal contradicts the orientation")
    down, right = whole_image.spacing
    # The stated corner is that of the whole mosaic, laid around the centre of the slice.
    corner = whole_image.position + whole_image.down * down * (whole_image.size[0] - rows) / 2
    corner = corner + whole_image.across * right * (whole_image.size[1] - columns) / 2
    return [
        replace(
            whole_image,
            position=corner + sign * i * step[0] * whole_image.normal,
            size=(rows, columns),
            source=(file, i),
            traits={},
        )
        for i in range(count)
    ]


def cut(image: npt.NDArray[Any], planes: int, size: tuple[int, int]) -> npt.NDArray[Any]:
    """``[rows * n, columns * n]`` to its first tiles row by row, ``[planes, rows, columns]``."""
    tiles = image.shape[0] // size[0]
    parts: npt.NDArray[Any] = (
        image.reshape(tiles, size[0], tiles, size[1]).swapaxes(1, 2).reshape(-1, *size)
    )
    return parts[:planes]


def _plane(
    header: Dataset,
    position: Dataset,
    orientation: Dataset,
    measures: Dataset,
    source: tuple[int, int],
    traits: dict[str, Hashable],
) -> Plane:
    try:
        origin, across, down, spacing = place(
            numbers(position, "ImagePositionPatient"),
            numbers(orientation, "ImageOrientationPatient"),
            numbers(measures, "PixelSpacing"),
        )
    except DicomError as error:
        raise _unplaced(error.local) if frames(header) > 1 else error from None
    return Plane(
        position=origin,
        across=across,
        down=down,
        spacing=spacing,
        size=(whole(header, "Rows"), whole(header, "Columns")),
        source=source,
        frame=word(header, "FrameOfReferenceUID"),
        traits=traits,
    )


def _traits(own: Dataset, shared: Dataset) -> Iterator[tuple[str, Hashable]]:
    for name, attribute in _FRAME_TRAITS:
        content = group(own, shared, name)
        if attribute in content:
            yield attribute, word(content, attribute)


def _unplaced(local: str) -> DicomError:
    return DicomError(Reason.GEOMETRY, local, "dicom.frames_geometry")


def _described(header: Dataset) -> tuple[int, npt.NDArray[np.float64]]:
    """Number of slices and the direction in which they follow each other."""
    try:
        block = header.private_block(0x0029, _CREATOR)
        csa = {name: values for name, values in _csa(block[0x10].value) if values}
        normal = np.array([float(v) for v in csa["SliceNormalVector"][:3]])
        # The number also stands in an element of its own, for headers whose CSA entry is empty.
        stated = csa.get("NumberOfImagesInMosaic") or [
            str(header.private_block(0x0019, _CREATOR_MR)[0x0A].value)
        ]
        count = int(stated[0])
    except (KeyError, ValueError, IndexError, TypeError, struct.error) as error:
        raise DicomError(Reason.MOSAIC, repr(error)) from None
    if not 1 <= count <= _MOST_TILES or normal.shape != (3,) or not np.isfinite(normal).all():
        raise DicomError(Reason.MOSAIC, f"{count} slices, normal {normal}")
    return count, normal


def _csa(data: bytes) -> Iterator[tuple[str, list[str]]]:
    """Names and values of a CSA header, type 1 or 2."""
    second = data[:4] == b"SV10"
    position = 8 if second else 0
    count = struct.unpack_from("<I", data, position)[0]
    position += 8
    if not 1 <= count <= _MOST_TAGS:
        raise ValueError("tags")
    extra = 0
    for number in range(count):
        name = data[position : position + 64].split(b"\0", 1)[0].decode("latin-1")
        items = struct.unpack_from("<i", data, position + 76)[0]
        position += 84
        # Type 1 states lengths that are too large by the first tag's number of items.
        extra = items if number == 0 else extra
        if not 0 <= items <= _MOST_ITEMS:
            raise ValueError("items")
        values = []
        for _ in range(items):
            head = struct.unpack_from("<4i", data, position)
            length = head[1] if second else head[0] - extra
            position += 16
            if not 0 <= length <= len(data) - position:
                raise ValueError("length")
            values.append(
                data[position : position + length].split(b"\0", 1)[0].decode("latin-1").strip()
            )
            # Values are padded to four bytes.
            position += -(-length // 4) * 4
        yield name, [value for value in values if value]
