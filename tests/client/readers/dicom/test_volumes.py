"""Series of several volumes: split where one attribute tells them apart, else refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from client.readers.dicom.reasons import Reason
from client.readers.dicom.series import read, sort
from tests.client.readers.dicom.dicom_objects import axial, files, ramp, slices


def reasons(paths: list[Path]) -> list[Reason]:
    return sorted(r.reason for r in sort(paths)[1])


def four_d(name: str, values: list[Any], also: dict[str, list[Any]] | None = None) -> list[Dataset]:
    data_sets = []
    for i, value in enumerate(values):
        part = slices(
            ramp() + 1000 * i, **{name: value}, **{n: v[i] for n, v in (also or {}).items()}
        )
        data_sets += part
    return data_sets


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("EchoTime", ["4.5", "12"]),
        ("TemporalPositionIdentifier", [1, 2]),
        ("DiffusionBValue", [0.0, 1000.0]),
        ("AcquisitionTime", ["101010", "101020.5"]),
        ("ImageType", [["ORIGINAL", "PRIMARY", "M"], ["ORIGINAL", "PRIMARY", "P"]]),
    ],
)
def test_a_series_of_volumes_is_split_where_one_attribute_tells_them_apart(
    tmp_path: Path, name: str, values: list[Any]
) -> None:
    usable, refused = sort(files(tmp_path, four_d(name, values)))
    assert not refused
    assert [(s.part, s.by) for s in usable] == [(0, name), (1, name)]
    for i, series in enumerate(usable):
        np.testing.assert_array_equal(read(series).array, axial(ramp() + 1000 * i))


def test_attributes_that_agree_may_both_tell_volumes_apart(tmp_path: Path) -> None:
    usable, _ = sort(
        files(tmp_path, four_d("EchoTime", ["4", "12", "20"], {"EchoNumbers": [1, 2, 3]}))
    )
    assert len(usable) == 3


def test_attributes_that_disagree_are_no_reason_to_guess(tmp_path: Path) -> None:
    def change(k: int, data: Dataset) -> None:
        data.AcquisitionNumber = (k + int(data.EchoTime > 5)) % 2

    data_sets = [
        d
        for i, t in enumerate(["4", "12"])
        for d in slices(ramp() + 1000 * i, EchoTime=t, change=change)
    ]
    assert reasons(files(tmp_path, data_sets)) == [Reason.VOLUMES]


def test_volumes_that_nothing_tells_apart_are_refused(tmp_path: Path) -> None:
    assert reasons(files(tmp_path, four_d("EchoTime", ["4", "4"]))) == [Reason.VOLUMES]
    assert reasons(files(tmp_path, four_d("EchoTime", ["4", "12"])[:-1])) == [Reason.DUPLICATE]
