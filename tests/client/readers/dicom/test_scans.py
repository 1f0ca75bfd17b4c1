"""One file by itself as an image or a volume, or the reason why it is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from client.readers import dicom
from client.readers.dicom import scans
from common.errors import CaseError
from tests.client.readers.dicom.dicom_objects import axial, enhanced, picture, save

GREY = np.array([[0, 100, 200], [255, 7, 9]], np.uint8)


@pytest.mark.parametrize(
    "syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian]
)
def test_stored_values_come_through(tmp_path: Path, syntax: UID) -> None:
    data = picture(GREY)
    data.file_meta.TransferSyntaxUID = syntax
    array = dicom.read(save(tmp_path / "x.dcm", data)).array
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, GREY[None])


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"NumberOfFrames": 2, "PixelData": GREY.tobytes() * 2}, "multi-frame"),
        ({"SharedFunctionalGroupsSequence": [Dataset()]}, "multi-frame"),
        ({"BitsAllocated": 32, "BitsStored": 32, "HighBit": 31}, "8 to 16 bit"),
        ({"BitsStored": 12}, "8 to 16 bit"),
        ({"PhotometricInterpretation": "SMITH"}, "photometric"),
        ({"SamplesPerPixel": 3, "PlanarConfiguration": 0}, "contradict"),
        ({"Rows": 60_000, "Columns": 60_000}, "image size"),
        ({"Rows": 40}, "cannot be read"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_reason(
    tmp_path: Path, elements: dict[str, Any], reason: str
) -> None:
    with pytest.raises(CaseError, match=reason) as caught:
        dicom.read(save(tmp_path / "smith.dcm", picture(GREY, **elements)))
    assert "smith" not in caught.value.public.lower()
    assert "smith.dcm" in caught.value.local


def test_object_without_pixels(tmp_path: Path) -> None:
    data = picture(GREY)
    del data.PixelData
    with pytest.raises(CaseError, match="no pixel data"):
        dicom.read(save(tmp_path / "x.dcm", data))


NOISE = np.random.default_rng(0).integers(0, 4096, (4, 32, 40)).astype(np.uint16)


def test_multi_frame_compressed(tmp_path: Path) -> None:
    data = enhanced(NOISE)
    data.compress(RLELossless, generate_instance_uid=False)
    np.testing.assert_array_equal(scans.alone(save(tmp_path / "x", data)).array, axial(NOISE))
