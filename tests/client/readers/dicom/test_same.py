"""One image gives one Scan, whatever format it came in."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from client.readers import Scan, dicom, nifti, raster
from client.readers.dicom.geometry import closest
from client.readers.dicom.series import read, sort
from tests.client.readers.dicom.dicom_objects import (
    base,
    enhanced,
    files,
    normal,
    ramp,
    save,
    slices,
)

TURNS = {
    "axial": (1, 0, 0, 0, 1, 0),
    "sagittal": (0, 1, 0, 0, 0, -1),
    "coronal": (1, 0, 0, 0, 0, -1),
    "feet first": (-1, 0, 0, 0, 1, 0),
    "oblique": (0.8, 0.6, 0, 0, 0, -1),
}


def nifti_of(path: Path, array: np.ndarray, cosines: tuple[float, ...], step: float) -> Path:
    """The ``[D, H, W]`` slices as NIfTI, its affine from DICOM's equation (PS3.3 C.7.6.2.1-1)."""
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = np.array(cosines[3:]) * 0.75, np.array(cosines[:3]) * 0.5
    affine[:3, 2], affine[:3, 3] = normal(cosines) * step, (-20, -30, 40)
    affine[:2] *= -1
    nib.save(nib.Nifti1Image(np.moveaxis(array, 0, 2), affine), path)
    return path


def check(ours: Scan, theirs: Scan) -> None:
    assert ours.affine is not None and theirs.affine is not None
    np.testing.assert_array_equal(ours.array, theirs.array)
    np.testing.assert_allclose(ours.affine, theirs.affine, atol=1e-4)
    np.testing.assert_allclose(ours.spacing, theirs.spacing, atol=1e-5)


@pytest.mark.parametrize("step", [3.0, -2.0])
@pytest.mark.parametrize("turn", TURNS)
def test_a_series_and_its_nifti_file_are_one_scan(tmp_path: Path, turn: str, step: float) -> None:
    array = ramp()
    usable, refused = sort(files(tmp_path / "d", slices(array, step, TURNS[turn])))
    assert not refused
    check(read(usable[0]), nifti.read(nifti_of(tmp_path / "x.nii", array, TURNS[turn], step)))


def test_a_multi_frame_object_and_its_nifti_file_are_one_scan(tmp_path: Path) -> None:
    array = ramp()
    check(
        dicom.read(save(tmp_path / "x.dcm", enhanced(array))),
        nifti.read(nifti_of(tmp_path / "x.nii", array, TURNS["axial"], 3.0)),
    )


def test_axes_turn_as_nibabel_turns_them() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        affine = np.eye(4)
        affine[:3, :3] = rotation * rng.uniform(0.5, 5, 3)
        turn, flip = closest(affine)
        theirs = nib.orientations.io_orientation(affine)
        assert [*turn] == [int(axis) for axis in theirs[:, 0]]
        assert [-1 if flipped else 1 for flipped in flip] == [int(sign) for sign in theirs[:, 1]]


def test_a_picture_and_its_dicom_file_are_one_scan(tmp_path: Path) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (6, 8)).astype(np.uint8)
    Image.fromarray(grey).save(tmp_path / "x.png")
    ours, theirs = dicom.read(save(tmp_path / "x.dcm", base(grey))), raster.read(tmp_path / "x.png")
    np.testing.assert_array_equal(ours.array, theirs.array)
    assert ours.spacing == theirs.spacing
    assert ours.affine is theirs.affine is None
