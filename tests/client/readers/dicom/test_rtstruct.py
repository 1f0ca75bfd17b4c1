"""RTSTRUCT objects: closed contours as masks on the grid of their series."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import RTStructureSetStorage

from client.readers.dicom import rtstruct
from client.readers.dicom.reasons import DicomError, Reason
from client.readers.dicom.series import Series, sort
from tests.client.readers.dicom.dicom_objects import base, item, put, save
from tests.client.readers.dicom.segment_objects import SHAPE, turned


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
    segments = rtstruct.read(path, series)
    expected = np.zeros(SHAPE, bool)
    expected[1, 2:6, 3:7] = expected[3, 2:6, 3:7] = True
    expected[1, 3, 4] = False
    np.testing.assert_array_equal(segments.one(1), turned(expected))
    hole = np.zeros(SHAPE, bool)
    hole[1, 3, 4] = True
    np.testing.assert_array_equal(segments.one(7), turned(hole))
    np.testing.assert_array_equal(segments.flat(), turned(expected + 7 * hole))
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
