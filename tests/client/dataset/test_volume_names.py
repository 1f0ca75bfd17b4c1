"""Hospitals whose volumes are DICOM series: names, patients, and training as on NIfTI."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from client.dataset import volume_names
from client.dataset.decode import decode
from client.dataset.manifest import Manifest, index
from client.dataset.patient_split import split
from common import networks
from common.errors import CaseError, SiteError
from common.study import study as studies
from tests import small
from tests.targets import Seen

SPACING = (2.0, 1.5, 3.0)
"""Along columns (patient's left), rows (back), slices (head), mm."""
STUDY = studies.parse(
    {**small.TABLE, "data": {**small.TABLE["data"], "dimensions": 3, "min_patients": 1}}
)  # type: ignore[dict-item]
TASK = networks.task(STUDY)


def written(
    folder: Path,
    volume: np.ndarray,
    name: Callable[[int], str] = "{:03}.dcm".format,
    **changed: Any,
) -> str:
    """A CT series of ``[D, rows, columns]`` in any order of names; its SeriesInstanceUID."""
    uid, study = changed.pop("uid", None) or generate_uid(), generate_uid()
    folder.mkdir(parents=True, exist_ok=True)
    for k in range(len(volume)):
        image = Dataset()
        image.file_meta = FileMetaDataset()
        image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        image.SOPClassUID = image.file_meta.MediaStorageSOPClassUID = CTImageStorage
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        image.SeriesInstanceUID, image.StudyInstanceUID, image.FrameOfReferenceUID = (
            uid,
            study,
            study,
        )
        image.Modality, image.PatientID, image.InstanceNumber = (
            "CT",
            changed.get("patient", "P1"),
            len(volume) - k,
        )
        image.ImageType = changed.get("kind", ["ORIGINAL", "PRIMARY", "AXIAL"])
        image.Rows, image.Columns = volume.shape[1:]
        image.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        image.ImagePositionPatient = [
            -10.0,
            -20.0,
            5.0 + SPACING[2] * (k + (k >= changed.get("gap", 99))),
        ]
        image.PixelSpacing = [SPACING[1], SPACING[0]]
        image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
        image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = (
            16,
            16,
            15,
            1,
        )
        image.RescaleSlope, image.RescaleIntercept = 1, 0
        image.PixelData = volume[k].astype("<i2").tobytes()
        image.save_as(folder / name((k * 7) % 100), enforce_file_format=True)
    return str(uid)


def nifti(path: Path, volume: np.ndarray, dtype: type = np.int16, shift: float = 0.0) -> None:
    """The same as NIfTI: axes to the patient's left and back, as a converter writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    affine = np.diag([-SPACING[0], -SPACING[1], SPACING[2], 1.0])
    affine[:3, 3] = 10.0 + shift, 20.0, 5.0
    nib.save(nib.Nifti1Image(np.transpose(volume, (2, 1, 0)).astype(dtype), affine), path)


@pytest.fixture
def volume() -> np.ndarray:
    return np.random.default_rng(0).integers(-1000, 1000, (6, 12, 10))


def mask_of(volume: np.ndarray) -> np.ndarray:
    mask: np.ndarray = (volume > 500) * 255
    return mask


def listed(folder: Path) -> Manifest:
    return index(folder, TASK, STUDY.data, lambda line: None)


def test_a_series_trains_like_the_same_volume_as_nifti(tmp_path: Path, volume: np.ndarray) -> None:
    written(tmp_path / "a" / "dicom" / "case1", volume)
    nifti(tmp_path / "b" / "images" / "case1.nii.gz", volume)
    for site in "ab":
        nifti(tmp_path / site / "masks" / "case1.nii.gz", mask_of(volume), np.uint8)
    one, two = (decode(listed(tmp_path / site).cases[0], TASK, STUDY.data) for site in "ab")
    assert one.image.shape == (1, 10, 12, 6) and bool((one.image == two.image).all())
    assert (
        Seen(one).mask is not None
        and Seen(two).mask is not None
        and bool((Seen(one).mask == Seen(two).mask).all())
        and int(Seen(one).mask.sum()) > 100
    )
    assert one.spacing == pytest.approx(two.spacing) and one.spacing == pytest.approx(SPACING)


@pytest.mark.parametrize("named", ["folder", "file", "uid"])
def test_a_mask_is_found_by_folder_file_or_uid(
    tmp_path: Path, volume: np.ndarray, named: str
) -> None:
    uid = written(tmp_path / "dicom" / "p" / "ct", volume)
    nifti(
        tmp_path
        / "masks"
        / f"{ {'folder': 'p/ct', 'file': 'p/ct/007', 'uid': uid}[named] }.nii.gz",
        mask_of(volume),
        np.uint8,
    )
    manifest = listed(tmp_path)
    assert len(manifest.cases) == 1 and manifest.cases[0].stated["mask"] is not None


def test_series_are_told_apart_in_one_folder_and_the_folder_is_nobody_s_name(
    tmp_path: Path, volume: np.ndarray
) -> None:
    written(tmp_path / "dicom" / "all", volume, "one{:03}".format)
    written(tmp_path / "dicom" / "all", volume[:4], "two{:03}".format)
    listed, refused = volume_names.images(
        {
            p.relative_to(tmp_path / "dicom").as_posix(): p
            for p in sorted((tmp_path / "dicom").rglob("*"))
            if p.is_file()
        },
        3,
    )
    assert [len(image.volume.files) for image in listed if image.volume] == [6, 4] and not refused
    assert all("all" not in image.names for image in listed)


def test_what_is_no_volume_is_left_out_with_its_reason(tmp_path: Path, volume: np.ndarray) -> None:
    for number in range(4):
        written(tmp_path / "dicom" / f"good{number}", volume, patient=f"P{number}")
        nifti(tmp_path / "masks" / f"good{number}.nii.gz", mask_of(volume), np.uint8)
    written(tmp_path / "dicom" / "holed", volume, gap=3)
    written(tmp_path / "dicom" / "scout", volume[:1], kind=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    data = studies.parse(
        {**STUDY.to_table(), "data": {**STUDY.to_table()["data"], "max_bad_fraction": 0.2}}
    ).data
    lines: list[str] = []
    manifest = index(tmp_path, TASK, data, lines.append)
    assert len(manifest.cases) == 4 and manifest.unusable == 1 and manifest.left_out.total() == 2
    assert any("gap" in line and "holed" in line for line in lines)
    assert not any(
        "holed" in reason.render() or "dcm" in reason.render() for reason in manifest.left_out
    )


def test_a_mask_that_lies_elsewhere_is_refused(tmp_path: Path, volume: np.ndarray) -> None:
    written(tmp_path / "dicom" / "case1", volume)
    nifti(tmp_path / "masks" / "case1.nii.gz", mask_of(volume), np.uint8, shift=4.0)
    with pytest.raises(CaseError, match="The mask lies elsewhere"):
        decode(listed(tmp_path).cases[0], TASK, STUDY.data)


def test_patients_come_from_the_header_or_the_table_and_stay_together(
    tmp_path: Path, volume: np.ndarray
) -> None:
    for number in range(6):
        written(tmp_path / "dicom" / f"s{number}", volume[:3], patient=f"P{number % 3}")
        nifti(tmp_path / "masks" / f"s{number}.nii.gz", mask_of(volume[:3]), np.uint8)
    assert listed(tmp_path).patients == 3
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [["file", "patient_id"], *((f"s{number}", f"Q{number // 3}") for number in range(6))]
        )
    manifest = listed(tmp_path)
    assert manifest.patients == 2
    parts = split(manifest, STUDY.data, 1)
    assert sorted(i for part in parts.values() for i in part) == list(range(6))


def test_pictures_are_no_volumes(tmp_path: Path, volume: np.ndarray) -> None:
    written(tmp_path / "dicom" / "one", volume[:1])
    (tmp_path / "masks").mkdir()
    with pytest.raises(SiteError, match="single picture"):
        listed(tmp_path)


def test_in_two_dimensions_each_file_is_an_image(tmp_path: Path, volume: np.ndarray) -> None:
    written(tmp_path / "dicom" / "case1", volume)
    files = {
        p.relative_to(tmp_path / "dicom").as_posix(): p
        for p in sorted((tmp_path / "dicom").rglob("*.dcm"))
    }
    listed, refused = volume_names.images(files, 2)
    assert [image.names for image in listed] == [(name,) for name in sorted(files)] and not refused
