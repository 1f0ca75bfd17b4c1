"""Planes to one grid: where voxels lie, and what makes a stack no volume."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from client.readers.dicom.reasons import Reason
from client.readers.dicom.series import Series, read, sort
from tests.client.readers.dicom.dicom_objects import files, normal, ramp, slices

OBLIQUE = (0.6088, 0.7907, 0.0637, -0.1428, 0.1882, -0.9717)


def one(paths: list[Path]) -> Series:
    usable, refused = sort(paths)
    assert not refused, [r.local for r in refused]
    assert len(usable) == 1
    return usable[0]


def reasons(paths: list[Path]) -> list[Reason]:
    return sorted(r.reason for r in sort(paths)[1])


def test_affine_places_every_voxel_where_its_pixel_was(tmp_path: Path) -> None:
    """An oblique stack's affine against DICOM's equation (PS3.3 C.7.6.2.1-1), in RAS."""
    array = ramp()
    cosines = np.array(OBLIQUE)
    cosines[3:] -= cosines[:3] * (cosines[:3] @ cosines[3:]) / (cosines[:3] @ cosines[:3])
    cosines = np.concatenate(
        [cosines[:3] / np.linalg.norm(cosines[:3]), cosines[3:] / np.linalg.norm(cosines[3:])]
    )
    scan = read(one(files(tmp_path, slices(array, step=-2.0, cosines=cosines))))
    assert scan.affine is not None
    for place in np.ndindex(*scan.array.shape[1:]):
        k, row, column = np.argwhere(array == scan.array[0][place])[0]
        lps = (
            np.array([-20, -30, 40])
            - 2.0 * k * normal(cosines)
            + cosines[:3] * 0.5 * column
            + cosines[3:] * 0.75 * row
        )
        np.testing.assert_allclose((scan.affine @ [*place, 1])[:3], lps * (-1, -1, 1), atol=1e-4)
    assert (np.argmax(np.abs(scan.affine[:3, :3]), axis=0) == [0, 1, 2]).all()
    assert (np.diag(scan.affine) > 0).all()


def test_a_missing_slice_is_a_gap(tmp_path: Path) -> None:
    data_sets = slices(ramp(6))
    assert reasons(files(tmp_path / "a", [*data_sets[:2], *data_sets[3:]])) == [Reason.GAP]
    assert one(files(tmp_path / "b", data_sets[1:])).shape == (6, 4, 5)


@pytest.mark.parametrize("angle", [0.3, 0.6])
def test_tilt_is_told_from_rounding(tmp_path: Path, angle: float) -> None:
    shift = np.tan(np.radians(angle)) * 3
    paths = files(
        tmp_path,
        slices(
            ramp(),
            change=lambda k, d: setattr(
                d, "ImagePositionPatient", [-20, -30 + float(f"{k * shift:.5f}"), 40 + 3 * k]
            ),
        ),
    )
    assert reasons(paths) == ([Reason.TILT] if angle > 0.5 else [])


def test_positions_rounded_to_a_tenth_are_even(tmp_path: Path) -> None:
    paths = files(
        tmp_path,
        slices(
            ramp(9),
            change=lambda k, d: setattr(
                d, "ImagePositionPatient", [-20, -30, round(40 + 1.25 * k + 1e-6, 1)]
            ),
        ),
    )
    assert one(paths).spacing[2] == pytest.approx(1.25)
