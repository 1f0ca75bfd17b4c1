"""SEG objects: binary, fractional and label maps as masks on the grid of their series."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.uid import RLELossless

from client.readers.dicom import dicom_seg
from client.readers.dicom.reasons import DicomError, Reason
from client.readers.dicom.segment_grids import Masks
from client.readers.dicom.series import Series, read, sort
from tests.client.readers.dicom.dicom_objects import item, save
from tests.client.readers.dicom.segment_objects import SHAPE, balls, seg, turned


def check(segments: Masks, masks: np.ndarray) -> None:
    for s, mask in enumerate(masks):
        np.testing.assert_array_equal(segments.one(s + 1), turned(mask))


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL"])
@pytest.mark.parametrize("crop", [0, 1])
def test_segments_lie_on_the_series(tmp_path: Path, series: Series, kind: str, crop: int) -> None:
    masks = balls()
    path = save(
        tmp_path / "seg",
        seg(masks, kind, crop, order=[3, 0, 2, 1, *range(4, 10)][: int(masks.any((2, 3)).sum())]),
    )
    segments = dicom_seg.read(path, series)
    check(segments, masks)
    assert segments.names == {1: "part 1", 2: "part 2"}
    assert "part" not in repr(segments)
    assert read(series).array.shape == segments.one(1).shape
    (listed,), _ = sort([path])
    assert (listed.kind, listed.references, listed.shape) == ("segments", ("1.2.3.4",), ())


def test_a_label_map(tmp_path: Path, series: Series) -> None:
    masks = balls()
    numbers = np.where(masks[1], 2, masks[0]).astype(np.uint8)
    data = seg(
        np.ones((1, *SHAPE), bool),
        "FRACTIONAL",
        SegmentationType="LABELMAP",
        PixelData=numbers.tobytes(),
    )
    data.SegmentSequence = [item(SegmentNumber=s, SegmentLabel="x") for s in range(3)]
    data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.66.7"
    np.testing.assert_array_equal(
        dicom_seg.read(save(tmp_path / "seg", data), series).flat(), turned(numbers)
    )


def test_compressed_fractions_count_from_one_half(tmp_path: Path, series: Series) -> None:
    data = seg(np.ones((1, *SHAPE), bool), "FRACTIONAL")
    shares = np.linspace(0, 200, int(np.prod(SHAPE))).astype(np.uint8).reshape(SHAPE)
    data.PixelData, data.MaximumFractionalValue = shares.tobytes(), 200
    data.compress(RLELossless, generate_instance_uid=False)
    np.testing.assert_array_equal(
        dicom_seg.read(save(tmp_path / "seg", data), series).one(1), turned(shares >= 100)
    )


@pytest.mark.parametrize(
    ("reason", "change"),
    [
        (Reason.REFERENCE, {"ReferencedSeriesSequence": None, "FrameOfReferenceUID": "1.9"}),
        (Reason.PATIENTS, {"PatientID": "P-4712"}),
        (Reason.NO_IMAGE, {"SegmentSequence": None}),
        (Reason.KIND, {"SegmentationType": "OTHER"}),
        (Reason.DAMAGED, {"PixelData": b"\0\0"}),
        (Reason.DAMAGED, {"SegmentSequence": [item(SegmentNumber=1)]}),
        (Reason.GEOMETRY, {"PerFrameFunctionalGroupsSequence": None}),
    ],
)
def test_segments_of_something_else_are_refused(
    tmp_path: Path, series: Series, reason: Reason, change: dict[str, Any]
) -> None:
    with pytest.raises(DicomError) as caught:
        dicom_seg.read(save(tmp_path / "seg", seg(balls(), **change)), series)
    assert caught.value.reason is reason
    assert str(tmp_path) not in caught.value.public


@pytest.mark.parametrize("shift", [(0.25, 0, 0), (0, 0.3, 0), (0, 0, 1.5), (0, 0, 300), (-5, 0, 0)])
def test_segments_beside_the_grid_are_refused(
    tmp_path: Path, series: Series, shift: tuple[float, ...]
) -> None:
    data = seg(balls())
    place = data.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0]
    place.ImagePositionPatient = [
        a + b for a, b in zip(place.ImagePositionPatient, shift, strict=True)
    ]
    with pytest.raises(DicomError) as caught:
        dicom_seg.read(save(tmp_path / "seg", data), series)
    assert caught.value.reason is Reason.REFERENCE
