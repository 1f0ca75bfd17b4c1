"""NIfTI volumes: axes, scale, spacing, slices, place and damage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

from client.readers import nifti
from common.errors import CaseError

VOLUME = np.arange(2 * 3 * 4, dtype=np.int16).reshape(2, 3, 4)
AFFINE = np.array([[1.5, 0, 0, -10], [0, 2.5, 0, 20], [0, 0, 4.0, 30], [0, 0, 0, 1]])


def save(path: Path, array: np.ndarray, affine: np.ndarray = AFFINE, units: str = "mm") -> Path:
    image = nib.Nifti1Image(array, affine)
    image.header.set_xyzt_units(units)
    nib.save(image, path)
    return path


@pytest.mark.parametrize("ending", ["nii", "nii.gz"])
def test_ras_volume_keeps_its_axes(tmp_path: Path, ending: str) -> None:
    scan = nifti.read(save(tmp_path / f"v.{ending}", VOLUME))
    np.testing.assert_array_equal(scan.array, VOLUME[None])
    assert scan.spacing == (1.5, 2.5, 4.0)


@pytest.mark.parametrize("codes", ["LPS", "PIR", "SAL", "ILA"])
def test_every_orientation_is_turned_to_the_same_volume(tmp_path: Path, codes: str) -> None:
    image = nib.Nifti1Image(VOLUME, AFFINE)
    turned = image.as_reoriented(ornt_transform(io_orientation(AFFINE), axcodes2ornt(tuple(codes))))
    assert turned.shape != VOLUME.shape or not np.array_equal(
        turned.dataobj, VOLUME
    )  # the file does store something else
    nib.save(turned, tmp_path / "t.nii")
    scan = nifti.read(tmp_path / "t.nii")
    np.testing.assert_array_equal(scan.array, VOLUME[None])
    assert scan.spacing == (1.5, 2.5, 4.0)
    assert nifti.aligned(tmp_path / "t.nii", save(tmp_path / "v.nii", VOLUME))


def test_scale_is_applied(tmp_path: Path) -> None:
    image = nib.Nifti1Image(VOLUME, AFFINE)
    image.header.set_slope_inter(0.5, -3.0)
    nib.save(image, tmp_path / "s.nii")
    stored: Any = nib.load(tmp_path / "s.nii")
    np.testing.assert_allclose(
        nifti.read(tmp_path / "s.nii").array[0], np.asarray(stored.dataobj), rtol=0
    )
    assert (stored.dataobj.slope, stored.dataobj.inter) == (0.5, -3.0)


def test_flat_files_give_two_dimensions(tmp_path: Path) -> None:
    for array in (VOLUME[:, :, 0], VOLUME[:, :, :1]):
        scan = nifti.read(save(tmp_path / "f.nii", array))
        np.testing.assert_array_equal(scan.array, VOLUME[None, :, :, 0])
        assert scan.spacing == (1.5, 2.5)


def test_single_sagittal_slice(tmp_path: Path) -> None:
    sagittal = np.array(
        [[0, 0, 9.0, 0], [2.0, 0, 0, 0], [0, 3.0, 0, 0], [0, 0, 0, 1]]
    )  # i to the front, j to the head, k to the right
    scan = nifti.read(save(tmp_path / "s.nii", VOLUME[0][:, :, None], sagittal))
    np.testing.assert_array_equal(scan.array, VOLUME[:1])
    assert scan.spacing == (2.0, 3.0)


def test_fourth_axis_becomes_channels(tmp_path: Path) -> None:
    series = np.stack([VOLUME, VOLUME + 100], axis=-1)
    np.testing.assert_array_equal(
        nifti.read(save(tmp_path / "c.nii", series)).array, np.moveaxis(series, -1, 0)
    )
    with pytest.raises(CaseError, match="one axis beyond space"):
        nifti.read(save(tmp_path / "d.nii", np.stack([series, series], axis=-1)))


def test_rgb_voxels_become_three_channels(tmp_path: Path) -> None:
    rgb = np.zeros((2, 3, 4), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    rgb["G"] = VOLUME
    array = nifti.read(save(tmp_path / "r.nii", rgb)).array
    assert array.shape == (3, 2, 3, 4)
    np.testing.assert_array_equal(array[1], VOLUME)


def test_spacing_is_in_millimetres(tmp_path: Path) -> None:
    scan = nifti.read(
        save(tmp_path / "u.nii", VOLUME, AFFINE * [[1000], [1000], [1000], [1]], "micron")
    )
    assert scan.spacing == pytest.approx((1.5, 2.5, 4.0))


def test_complex_numbers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match="complex"):
        nifti.read(save(tmp_path / "c.nii", VOLUME.astype(np.complex64)))


def test_no_orientation_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "o.nii", VOLUME)
    content = bytearray(path.read_bytes())
    content[252:256] = (0).to_bytes(2, "little") + (1).to_bytes(
        2, "little"
    )  # qform_code 0, sform_code 1
    content[280:328] = bytes(48)  # srow_x, srow_y, srow_z
    path.write_bytes(content)
    with pytest.raises(CaseError, match="orientation"):
        nifti.read(path)


def test_header_that_claims_too_much_is_refused_unread(tmp_path: Path) -> None:
    path = save(tmp_path / "h.nii", VOLUME)
    content = bytearray(path.read_bytes())
    content[42:48] = (30_000).to_bytes(2, "little") * 3  # dim[1..3]
    path.write_bytes(content)
    with pytest.raises(CaseError, match="voxels"):
        nifti.read(path)


def test_place_of_a_mask_is_compared_to_half_a_voxel(tmp_path: Path) -> None:
    image = save(tmp_path / "i.nii", VOLUME)
    for shift, same in ((0.7, True), (0.8, False)):  # half of the smallest voxel side is 0.75 mm
        moved = AFFINE.copy()
        moved[0, 3] += shift
        assert nifti.aligned(image, save(tmp_path / "m.nii", VOLUME, moved)) is same


@pytest.mark.parametrize("ending", ["nii", "nii.gz"])
def test_any_damage_gives_a_volume_or_a_case_error(tmp_path: Path, ending: str) -> None:
    good = save(tmp_path / f"g.{ending}", VOLUME).read_bytes()
    rng = np.random.default_rng(0)
    path = tmp_path / f"smith.{ending}"
    failed: list[CaseError] = []
    for _ in range(200):
        bad = bytearray(good[: rng.integers(1, len(good) + 1)])
        for place in rng.integers(0, len(bad), 3):
            bad[place] = rng.integers(256)
        path.write_bytes(bad)
        try:
            assert nifti.read(path).array.ndim in (3, 4)
        except CaseError as error:
            failed.append(error)
    assert failed
    assert all("smith" in error.local and "smith" not in error.public for error in failed)
