"""SEG and RTSTRUCT objects: masks on the grid of the series that they were drawn on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import RLELossless, RTStructureSetStorage, SegmentationStorage

from client.readers.dicom import dicom_seg, rtstruct
from client.readers.dicom.reasons import DicomError, Reason
from client.readers.dicom.segment_grids import Masks
from client.readers.dicom.series import Series, read, sort
from tests.client.readers.dicom.made import AXIAL, base, files, item, put, ramp, save, slices

SHAPE = (5, 10, 12)


@pytest.fixture
def series(tmp_path: Path) -> Series:
    found, refused = sort(files(tmp_path / "ct", slices(ramp(*SHAPE))))
    assert not refused
    return found[0]


def balls() -> np.ndarray:
    """Two overlapping segments, bool ``[S, D, H, W]``."""
    k, row, column = np.indices(SHAPE)
    return np.array(
        [
            (k - 2) ** 2 + (row - 4) ** 2 + (column - 4) ** 2 < 9,
            (k - 2) ** 2 + (row - 5) ** 2 + (column - 7) ** 2 < 9,
        ]
    )


def turned(mask: np.ndarray) -> np.ndarray:
    """``[D, H, W]`` as the axial scan lies, ``[1, i, j, k]``."""
    return np.moveaxis(mask, 0, 2)[::-1, ::-1].swapaxes(0, 1)[None]


def seg(
    masks: np.ndarray, kind: str = "BINARY", crop: int = 0, order: Any = None, **elements: Any
) -> Dataset:
    """A SEG object of ``[S, D, H, W]`` masks with a frame for each slice that is not empty."""
    frames = [(s, k) for s in range(len(masks)) for k in range(masks.shape[1]) if masks[s, k].any()]
    frames = [frames[i] for i in order] if order is not None else frames
    pictures = np.array([masks[s, k, crop:, crop:] for s, k in frames], np.uint8)
    data = base(
        pictures * (255 if kind == "FRACTIONAL" else 1),
        SegmentationStorage,
        Modality="SEG",
        SeriesInstanceUID="1.2.3.8",
    )
    if kind == "BINARY":
        data.BitsAllocated, data.BitsStored, data.HighBit = 1, 1, 0
        packed = np.packbits(pictures.ravel(), bitorder="little").tobytes()
        data.PixelData = packed + b"\0" * (len(packed) % 2)
    data.SegmentationType, data.MaximumFractionalValue = kind, 255
    data.SegmentSequence = [
        item(SegmentNumber=s + 1, SegmentLabel=f"part {s + 1}") for s in range(len(masks))
    ]
    data.ReferencedSeriesSequence = [item(SeriesInstanceUID="1.2.3.4")]
    data.SharedFunctionalGroupsSequence = [
        item(
            PlaneOrientationSequence=[item(ImageOrientationPatient=list(AXIAL))],
            PixelMeasuresSequence=[item(PixelSpacing=[0.75, 0.5])],
        )
    ]
    data.PerFrameFunctionalGroupsSequence = [
        item(
            PlanePositionSequence=[
                item(ImagePositionPatient=[-20 + 0.5 * crop, -30 + 0.75 * crop, 40.0 + 3 * k])
            ],
            SegmentIdentificationSequence=[item(ReferencedSegmentNumber=s + 1)],
        )
        for s, k in frames
    ]
    put(data, elements)
    return data


def check(found: Masks, masks: np.ndarray) -> None:
    for s, mask in enumerate(masks):
        np.testing.assert_array_equal(found.one(s + 1), turned(mask))


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL"])
@pytest.mark.parametrize("crop", [0, 1])
def test_segments_lie_on_the_series(tmp_path: Path, series: Series, kind: str, crop: int) -> None:
    masks = balls()
    path = save(
        tmp_path / "seg",
        seg(masks, kind, crop, order=[3, 0, 2, 1, *range(4, 10)][: int(masks.any((2, 3)).sum())]),
    )
    found = dicom_seg.read(path, series)
    check(found, masks)
    assert found.names == {1: "part 1", 2: "part 2"}
    assert "part" not in repr(found)
    assert read(series).array.shape == found.one(1).shape
    (listed,), _ = sort([path])
    assert (listed.kind, listed.references, listed.shape) == ("segments", ("1.2.3.4",), ())


def test_overlap_needs_an_order(tmp_path: Path, series: Series) -> None:
    masks = balls()
    found = dicom_seg.read(save(tmp_path / "seg", seg(masks)), series)
    assert found.overlap() == int(masks.all(axis=0).sum()) > 0
    with pytest.raises(DicomError, match="overlap") as caught:
        found.flat()
    assert caught.value.reason is Reason.OVERLAP
    first = np.where(masks[0], 1, np.where(masks[1], 2, 0))
    np.testing.assert_array_equal(found.flat([2, 1]), turned(first))
    np.testing.assert_array_equal(found.flat([1, 2]), turned(np.where(masks[1], 2, first)))
    np.testing.assert_array_equal(found.flat([2]), turned(masks[1] * 2))


def test_parts_that_do_not_overlap_need_none(tmp_path: Path, series: Series) -> None:
    masks = balls()
    masks[1] &= ~masks[0]
    found = dicom_seg.read(save(tmp_path / "seg", seg(masks)), series)
    np.testing.assert_array_equal(found.flat(), turned(masks[0] + 2 * masks[1]))


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


def moved(data: Dataset, **elements: Any) -> Dataset:
    put(data, elements)
    return data


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


def contour(corners: Any, k: float, kind: str = "CLOSED_PLANAR") -> Dataset:
    """Row and column of each corner to an item of ContourSequence."""
    points = [(-20 + 0.5 * column, -30 + 0.75 * row, 40 + 3 * k) for row, column in corners]
    return item(
        ContourGeometricType=kind,
        NumberOfContourPoints=len(points),
        ContourData=[f"{x:.4f}" for p in points for x in p],
    )


def structure(contours: dict[int, list[Dataset]], **elements: Any) -> Dataset:
    data = base(
        np.zeros((1, 1), np.uint8),
        RTStructureSetStorage,
        Modality="RTSTRUCT",
        SeriesInstanceUID="1.2.3.7",
    )
    for name in ("Rows", "Columns", "PixelData", "FrameOfReferenceUID"):
        delattr(data, name)
    data.StructureSetROISequence = [
        item(ROINumber=n, ROIName=f"part {n}", ReferencedFrameOfReferenceUID="1.2.3.5")
        for n in contours
    ]
    data.ROIContourSequence = [
        item(ReferencedROINumber=n, ContourSequence=c) for n, c in contours.items()
    ]
    put(data, elements)
    return data


SQUARE = [(1.5, 2.5), (1.5, 6.5), (5.5, 6.5), (5.5, 2.5)]
HOLE = [(2.5, 3.5), (2.5, 4.5), (3.5, 4.5), (3.5, 3.5)]


def test_contours_fill_what_lies_inside(tmp_path: Path, series: Series) -> None:
    path = save(
        tmp_path / "rs",
        structure(
            {
                1: [contour(SQUARE, 1), contour(HOLE, 1), contour(SQUARE[::-1], 3)],
                7: [contour(HOLE, 1), contour(HOLE, 0, "OPEN_PLANAR")],
            }
        ),
    )
    found = rtstruct.read(path, series)
    expected = np.zeros(SHAPE, bool)
    expected[1, 2:6, 3:7] = expected[3, 2:6, 3:7] = True
    expected[1, 3, 4] = False
    np.testing.assert_array_equal(found.one(1), turned(expected))
    hole = np.zeros(SHAPE, bool)
    hole[1, 3, 4] = True
    np.testing.assert_array_equal(found.one(7), turned(hole))
    np.testing.assert_array_equal(found.flat(), turned(expected + 7 * hole))
    (listed,), _ = sort([path])
    assert listed.kind == "structures"


def test_polygons_agree_with_a_point_by_point_check() -> None:
    """The winding of each centre around random polygons, by angles."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        angles = np.sort(rng.uniform(0, 2 * np.pi, 9))
        corners = (
            np.array([10.03, 9.17])
            + (rng.uniform(2, 14, 9) * np.array([np.sin(angles), np.cos(angles)])).T
        )
        if np.diff([*angles, angles[0] + 2 * np.pi]).max() > np.pi:
            continue  # not star-shaped about the middle
        rows, columns = np.indices((21, 19))
        towards = np.arctan2(corners[:, 0, None, None] - rows, corners[:, 1, None, None] - columns)
        turns = (np.diff(np.concatenate([towards, towards[:1]]), axis=0) + np.pi) % (
            2 * np.pi
        ) - np.pi
        np.testing.assert_array_equal(
            rtstruct.inside(corners, (21, 19)), np.abs(turns.sum(axis=0)) > np.pi
        )


def test_neighbouring_contours_share_no_pixel() -> None:
    left = rtstruct.inside(np.array([(0, 0), (0, 3), (4, 3), (4, 0)], float), (6, 8))
    right = rtstruct.inside(np.array([(0, 3), (0, 7), (4, 7), (4, 3)], float), (6, 8))
    assert not (left & right).any()
    assert (left | right).sum() == 28


@pytest.mark.parametrize(
    ("reason", "data"),
    [
        (Reason.REFERENCE, structure({1: [contour(SQUARE, 1.5)]})),
        (Reason.REFERENCE, structure({1: [contour(SQUARE, 9)]})),
        (
            Reason.DAMAGED,
            structure({1: [item(ContourGeometricType="CLOSED_PLANAR", ContourData=["1", "2"])]}),
        ),
        (Reason.PATIENTS, structure({1: []}, PatientID="x")),
        (Reason.NO_IMAGE, structure({1: []}, StructureSetROISequence=None)),
        (
            Reason.REFERENCE,
            structure(
                {1: []},
                StructureSetROISequence=[item(ROINumber=1, ReferencedFrameOfReferenceUID="1.9")],
            ),
        ),
        (Reason.DAMAGED, structure({1: []}, ROIContourSequence=[item(ReferencedROINumber=4)])),
    ],
)
def test_structures_of_something_else_are_refused(
    tmp_path: Path, series: Series, reason: Reason, data: Dataset
) -> None:
    with pytest.raises(DicomError) as caught:
        rtstruct.read(save(tmp_path / "rs", data), series)
    assert caught.value.reason is reason
