"""Text burned into pixels: a picture with any waits for a human (PS3.15 E.3.1).

First the header speaks: a file that says that there is annotation or a recognisable face stays
back, and so does one of a kind that often carries text (ultrasound, secondary capture, angiography,
endoscopy and other photographs, derived or secondary images) if its pixels cannot be looked at.
Then the pixels are looked at (:mod:`client.deidentify.glyphs`). Nothing is read or recognised, and
no picture is changed.

A marker of 1 to 3 letters (L, R, AP) is no identifier and does not keep a picture back. What is
written by hand, or so faint that it stands off its surroundings by less than a tenth of the
picture's range, is not found.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom import Dataset
from pydicom.pixels.utils import iter_pixels
from pydicom.uid import (
    UID,
    RLELossless,
    RTDoseStorage,
    SegmentationStorage,
    SurfaceSegmentationStorage,
)

from client.deidentify import glyphs
from client.readers.dicom import codecs
from common.sentences.table import say

Frame = npt.NDArray[np.generic]

ANNOTATED = say("look.annotated").render()
FACE = say("look.face").render()
OVERLAY = say("look.overlay").render()
UNSEEN = say("look.unseen").render()
PRINTED = say("look.printed").render()

CODES = {
    ANNOTATED: "look.annotated",
    FACE: "look.face",
    OVERLAY: "look.overlay",
    UNSEEN: "look.unseen",
    PRINTED: "look.printed",
}
"""Each of these sentences: its row in the table (``common/sentences/table.py``)."""
_OFTEN = (
    "1.2.840.10008.5.1.4.1.1.6",  # ultrasound
    "1.2.840.10008.5.1.4.1.1.3",  # ultrasound, several frames
    "1.2.840.10008.5.1.4.1.1.7",  # secondary capture
    "1.2.840.10008.5.1.4.1.1.12",  # angiography, fluoroscopy
    "1.2.840.10008.5.1.4.1.1.13.1",  # three-dimensional angiography
    # visible light: endoscopy, microscopy, photography, ophthalmology
    "1.2.840.10008.5.1.4.1.1.77.1",
    "1.2.840.10008.5.1.4.1.1.481.1",  # images of radiotherapy
)
"""Classes, and the beginnings of classes, of images that often carry text (PS3.6 Annex A)."""
_BESIDE = 6
_INNER = (0.2, 0.8)
"""A scanner that writes on the slices it took writes beside the body.

Such slices (CT, MR) are original and have a place in the patient. What lies between these parts of
their height and width is anatomy, of which a volume has hundreds of pictures; outside, a row counts
from so many letters on.
"""
_DERIVED = ("SECONDARY", "DERIVED")
_LABEL_MAP = UID("1.2.840.10008.5.1.4.1.1.66.7")
_NO_PICTURE = (SegmentationStorage, _LABEL_MAP, SurfaceSegmentationStorage, RTDoseStorage)
"""Classes whose pixels are numbers of segments or doses, on which nobody prints."""


def burned_in(dataset: Dataset, pixels: Frame | Iterable[Frame] | None) -> str | None:
    """Why a human must look at an image before it goes on, or None.

    Args:
        dataset: the header.
        pixels: stored values ``[H, W]``, ``[H, W, 3]``, frames of either ``[F, ...]``, or one frame
            after the other; None if there are none or they cannot be decoded.

    Returns:
        A sentence that holds nothing of the header's values and of the pixels.
    """
    if _says_yes(dataset, "BurnedInAnnotation"):
        return ANNOTATED
    if _says_yes(dataset, "RecognizableVisualFeatures"):
        return FACE
    if _hidden_overlay(dataset):
        return OVERLAY
    if pixels is None:
        return UNSEEN if must_be_seen(dataset) else None
    inner = _INNER if "ImageOrientationPatient" in dataset and not must_be_seen(dataset) else None
    return (
        PRINTED
        if any(
            _near_border(row, inner)
            for frame in _frames(dataset, pixels)
            for row in glyphs.rows(frame)
        )
        else None
    )


def must_be_seen(dataset: Dataset) -> bool:
    """Whether the header alone cannot clear an image.

    Its kind often carries text, or it was made from others.
    """
    sop_class = str(dataset.get("SOPClassUID") or "")
    kinds = dataset.get("ImageType") or ()
    often = any(sop_class == uid or sop_class.startswith(f"{uid}.") for uid in _OFTEN)
    return often or any(
        str(kind).strip().upper() in _DERIVED
        for kind in ([kinds] if isinstance(kinds, str) else kinds)
    )


def look(dataset: Dataset) -> str | None:
    """:func:`burned_in` with the file's own pixels; undecodable ones keep an image back."""
    if dataset.get("SOPClassUID") in _NO_PICTURE or "PixelData" not in dataset:
        return burned_in(dataset, [])
    try:
        return burned_in(dataset, _decoded(dataset))
    # a codec raises nearly anything on damaged pixels
    except Exception:
        return UNSEEN


def _decoded(dataset: Dataset) -> Frame | Iterator[Frame]:
    # a damaged stream ends the process in pylibjpeg-rle: its panic is no Exception
    if dataset.file_meta.TransferSyntaxUID == RLELossless:
        return iter_pixels(dataset, raw=True, decoding_plugin="pydicom")
    return codecs.decode(dataset)


def _near_border(row: glyphs.Row, inner: tuple[float, float] | None) -> bool:
    """Whether a row counts: everywhere, or only a longer one outside the inner part."""
    if inner is None:
        return True
    top, left, bottom, right = row.box
    if row.letters < _BESIDE:
        return False
    return bottom <= inner[0] or top >= inner[1] or right <= inner[0] or left >= inner[1]


def _frames(dataset: Dataset, pixels: Frame | Iterable[Frame]) -> Iterator[Frame]:
    if not isinstance(pixels, np.ndarray):
        yield from pixels
    elif pixels.ndim == 2 or (
        pixels.ndim == 3 and int(dataset.get("SamplesPerPixel") or 1) == pixels.shape[-1] > 1
    ):
        yield pixels
    else:
        yield from pixels


def _says_yes(dataset: Dataset, name: str) -> bool:
    return str(dataset.get(name) or "").strip().upper() == "YES"


def _hidden_overlay(dataset: Dataset) -> bool:
    """Whether an overlay's plane is in the high bits of the pixels (PS3.3 C.9.2, until 2004)."""
    # 60xx,0102 is OverlayBitPosition, 60xx,3000 OverlayData of the same group
    for tag in list(dataset.keys()):
        if tag >> 24 == 0x60 and tag & 0xFFFF == 0x0102:
            bit: Any = dataset[tag].value
            if bit and (tag & 0xFFFF0000 | 0x3000) not in dataset:
                return True
    return False
