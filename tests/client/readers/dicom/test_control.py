"""The same files through MONAI's PydicomReader, which stacks a folder by InstanceNumber.

It is wrong or fails where this reader is right or refuses. Each case shows both, so that the other
tests of this folder are seen to be about real faults.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from monai.data import PydicomReader
from pydicom.dataset import Dataset

from client.readers.dicom.reasons import Reason
from client.readers.dicom.series import read, sort
from tests.client.readers.dicom.dicom_objects import axial, base, enhanced, files, ramp, slices


def theirs(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """MONAI's array turned as ours is, ``[1, i, j, k]``, and its affine's slice axis."""
    reader = PydicomReader()
    array, meta = reader.get_data(reader.read(str(folder)))
    assert array.ndim == 3
    return array[::-1, ::-1][None], np.asarray(meta["affine"])[:3, 2]


def test_both_read_a_plain_series(tmp_path: Path) -> None:
    """The control of the controls."""
    array = ramp()
    paths = files(tmp_path, slices(array, RescaleSlope="2", RescaleIntercept="-5"))
    np.testing.assert_array_equal(theirs(tmp_path)[0], axial(array * 2 - 5))
    np.testing.assert_array_equal(read(sort(paths)[0][0]).array, axial(array * 2 - 5))


def test_shuffled_instance_numbers(tmp_path: Path) -> None:
    array, numbers = ramp(), [2, 4, 1, 5, 3]

    def change(k: int, data: Dataset) -> None:
        data.InstanceNumber = numbers[k]

    paths = files(tmp_path, slices(array, change=change))
    scrambled, step = theirs(tmp_path)
    assert (scrambled != axial(array)).any()
    assert abs(step[2]) != 3.0
    scan = read(sort(paths)[0][0])
    np.testing.assert_array_equal(scan.array, axial(array))
    assert scan.spacing[2] == pytest.approx(3.0)


def test_two_series_in_one_folder(tmp_path: Path) -> None:
    paths = files(tmp_path, [*slices(ramp(3)), *slices(ramp(4) + 500, SeriesInstanceUID="1.2.3.9")])
    assert theirs(tmp_path)[0].shape == (1, 6, 4, 7)
    assert sorted(series.shape for series in sort(paths)[0]) == [(6, 4, 3), (6, 4, 4)]


def test_a_missing_slice(tmp_path: Path) -> None:
    data_sets = slices(ramp(5))
    paths = files(tmp_path, [*data_sets[:2], *data_sets[3:]])
    assert abs(theirs(tmp_path)[1][2]) == pytest.approx(4.0)
    assert [refused.reason for refused in sort(paths)[1]] == [Reason.GAP]


def test_monochrome1(tmp_path: Path) -> None:
    array = ramp(dtype=np.uint16)
    paths = files(tmp_path, slices(array, PhotometricInterpretation="MONOCHROME1"))
    np.testing.assert_array_equal(theirs(tmp_path)[0], axial(array))
    np.testing.assert_array_equal(read(sort(paths)[0][0]).array, axial(65535 - array.astype(int)))


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(
            lambda: base(
                ramp(1, 9, 9)[0], InstanceNumber=9, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]
            ),
            id="localiser",
        ),
        pytest.param(lambda: slices(ramp(), InstanceNumber=None)[0], id="no InstanceNumber"),
    ],
)
def test_what_stops_the_other_reader(tmp_path: Path, odd: Any) -> None:
    data_sets = slices(ramp())
    if "InstanceNumber" in odd():
        data_sets.append(odd())
    else:
        data_sets = slices(ramp(), InstanceNumber=None)
    paths = files(tmp_path, data_sets)
    with pytest.raises(ValueError):
        theirs(tmp_path)
    np.testing.assert_array_equal(read(sort(paths)[0][0]).array, axial(ramp()))


def test_multi_frame(tmp_path: Path) -> None:
    array = ramp()
    paths = files(tmp_path, [enhanced(array)])
    with pytest.raises((AssertionError, ValueError)):
        np.testing.assert_array_equal(theirs(paths[0])[0], axial(array))
    np.testing.assert_array_equal(read(sort(paths)[0][0]).array, axial(array))
