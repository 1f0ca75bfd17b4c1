"""Phantom hospitals.

Valid DICOM, labels that agree with each other, plausible Hounsfield units, nothing left to chance.
"""

from __future__ import annotations

import csv
import hashlib
import json
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom import config

from client.readers import dicom as reader
from common.errors import ArgumentError
from common.simulation.phantoms import write

HOSPITALS, PATIENTS, SIZE = 4, 4, 96
# PS3.3 table A.3-1: modules Patient, General Study, General Series, Frame of Reference, General
# Equipment, General Image, Image Plane, Image Pixel, CT Image and SOP Common, as numbers of
# attributes that must have a value (type 1) or may be empty (type 2).
TYPE_1 = (
    "StudyInstanceUID Modality SeriesInstanceUID FrameOfReferenceUID PixelSpacing"
    " ImageOrientationPatient ImagePositionPatient "
    "SamplesPerPixel PhotometricInterpretation Rows Columns BitsAllocated BitsStored HighBit"
    " PixelRepresentation PixelData ImageType "
    "RescaleIntercept RescaleSlope RescaleType SOPClassUID SOPInstanceUID PatientPosition"
    " WindowCenter WindowWidth"
)
TYPE_2 = (
    "PatientName PatientID PatientBirthDate PatientSex StudyDate StudyTime ReferringPhysicianName"
    " StudyID AccessionNumber SeriesNumber "
    "PositionReferenceIndicator Manufacturer InstanceNumber SliceThickness KVP AcquisitionNumber"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("phantoms")
    write.write(path, hospitals=HOSPITALS, patients=PATIENTS, size=SIZE, seed=3)
    return path


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/dicom/*.dcm"))


def _read(path: Path) -> pydicom.Dataset:
    """The file, with every warning and every value of a wrong form as an error."""
    before, config.settings.reading_validation_mode = (
        config.settings.reading_validation_mode,
        config.RAISE,
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            header = pydicom.dcmread(path)
            for element in header.iterall():
                assert element.value is not None or element.VM == 0
            _ = header.pixel_array
            return header
    finally:
        config.settings.reading_validation_mode = before


def _hounsfield(header: pydicom.Dataset) -> np.ndarray:
    return header.pixel_array * float(header.RescaleSlope) + float(header.RescaleIntercept)


def _mask(path: Path) -> np.ndarray:
    with Image.open(path.parents[1] / "masks" / f"{path.stem}.png") as image:
        assert image.mode == "L"
        return np.array(image)


def _digest(folder: Path) -> dict[str, str]:
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in folder.rglob("*")
        if p.is_file()
    }


def test_the_folder_holds_what_the_software_takes(folder):
    hospitals = sorted(p.name for p in folder.iterdir())
    assert hospitals == sorted(write.NAMES[:HOSPITALS])
    for name in hospitals:
        assert sorted(p.name for p in (folder / name).iterdir()) == [
            "PHANTOM",
            "boxes.json",
            "dicom",
            "labels.csv",
            "masks",
        ]
        assert "no image" in (folder / name / "PHANTOM").read_text("utf-8")


def test_every_file_is_a_valid_ct_image(folder):
    for path in _files(folder):
        header = _read(path)
        assert all(name in header and header[name].VM > 0 for name in TYPE_1.split())
        assert all(name in header for name in TYPE_2.split())
        assert (
            header.SOPClassUID
            == pydicom.uid.CTImageStorage
            == header.file_meta.MediaStorageSOPClassUID
        )
        assert header.SOPInstanceUID == header.file_meta.MediaStorageSOPInstanceUID
        assert len(header.PixelData) == SIZE * SIZE * 2 and header.HighBit == header.BitsStored - 1
        assert header.QualityControlImage == "YES" and str(header.PatientName).startswith(
            "Phantom^"
        )
        stored = header.pixel_array.astype(np.int64)
        low = -(1 << (header.BitsStored - 1)) if header.PixelRepresentation else 0
        assert stored.min() >= low and stored.max() < low + (1 << header.BitsStored)


def test_uids_are_unique_and_derived(folder):
    headers = [_read(path) for path in _files(folder)]
    instances = [h.SOPInstanceUID for h in headers]
    assert len(set(instances)) == len(instances)
    for header in headers:
        for uid in (
            header.SOPInstanceUID,
            header.StudyInstanceUID,
            header.SeriesInstanceUID,
            header.FrameOfReferenceUID,
        ):
            assert uid.is_valid and uid.startswith("2.25.") and int(uid[5:]) < 2**128
    assert (
        len({h.SeriesInstanceUID for h in headers})
        == HOSPITALS * PATIENTS
        == len({h.PatientID for h in headers})
    )


def test_slices_of_a_patient_are_evenly_spaced(folder):
    series: dict[str, list[pydicom.Dataset]] = {}
    for path in _files(folder):
        header = _read(path)
        series.setdefault(header.SeriesInstanceUID, []).append(header)
    assert max(len(s) for s in series.values()) == 3
    for headers in series.values():
        heights = [
            float(h.ImagePositionPatient[2])
            for h in sorted(headers, key=lambda h: int(h.InstanceNumber))
        ]
        steps = np.diff(heights)
        assert np.all(steps < -5) and np.allclose(steps, steps[:1], atol=0.01)
        assert (
            len(
                {
                    (h.PatientID, h.StudyInstanceUID, str(h.PatientName), h.PatientBirthDate)
                    for h in headers
                }
            )
            == 1
        )


def test_labels_masks_and_boxes_agree(folder):
    compared = 0
    for hospital in folder.iterdir():
        with (hospital / "labels.csv").open(encoding="utf-8", newline="") as file:
            rows = {row["file"]: row for row in csv.DictReader(file)}
        boxes = json.loads((hospital / "boxes.json").read_text("utf-8"))
        files = sorted((hospital / "dicom").iterdir())
        assert set(rows) == set(boxes) == {p.name for p in files}
        for path in files:
            mask, row, entry = _mask(path), rows[path.name], boxes[path.name]
            assert mask.shape == (SIZE, SIZE) == (entry["height"], entry["width"]) and set(
                np.unique(mask)
            ) <= {0, 255}
            assert (
                int(row["lesion"]) == int(mask.any()) == int(bool(entry["objects"]))
                and row["patient_id"] == _read(path).PatientID
            )
            covered = np.zeros_like(mask)
            for item in entry["objects"]:
                x0, y0, x1, y1 = item["box_xyxy"]
                assert item["label"] == "lesion"
                inside = mask[y0:y1, x0:x1] > 0
                assert (
                    inside[0].any()
                    and inside[-1].any()
                    and inside[:, 0].any()
                    and inside[:, -1].any()
                )
                covered[y0:y1, x0:x1] = 255
                compared += 1
            assert np.all(covered[mask > 0])
    assert compared > HOSPITALS * PATIENTS / 2


def test_hounsfield_units_are_plausible(folder):
    for path in _files(folder):
        values = _hounsfield(_read(path))
        assert np.median(values[:4]) in (-1024, -2000) or abs(np.median(values[:4]) + 1000) < 30
        tissue = ((values > -160) & (values < 260)).mean()
        assert 0.2 < tissue < 0.7
        assert 0.003 < (values > 300).mean() < 0.12
        assert 0.01 < ((values > -150) & (values < -60)).mean() < 0.35


def test_lesions_stand_out_from_the_liver_around_them(folder):
    differences = []
    for path in _files(folder):
        mask, values = _mask(path) > 0, _hounsfield(_read(path))
        near = mask.copy()
        for _ in range(4):
            near |= (
                np.roll(near, 1, 0)
                | np.roll(near, -1, 0)
                | np.roll(near, 1, 1)
                | np.roll(near, -1, 1)
            )
        core = mask.copy()
        for _ in range(2):
            core &= (
                np.roll(core, 1, 0)
                & np.roll(core, -1, 0)
                & np.roll(core, 1, 1)
                & np.roll(core, -1, 1)
            )
        if core.sum() > 8:
            differences.append(np.median(values[core]) - np.median(values[near & ~mask]))
    assert len(differences) > 5 and np.median(differences) < -12


def test_hospitals_differ(folder):
    first = {h.name: _read(min((h / "dicom").iterdir())) for h in folder.iterdir()}
    assert len({float(h.PixelSpacing[0]) for h in first.values()}) == HOSPITALS
    assert {h.BitsStored for h in first.values()} == {12, 16} and {
        h.PixelRepresentation for h in first.values()
    } == {0, 1}
    assert (
        len({h.file_meta.TransferSyntaxUID for h in first.values()}) == 2
        and len({h.RescaleIntercept for h in first.values()}) == 3
    )
    assert len({h.ConvolutionKernel for h in first.values()}) == HOSPITALS


def test_the_hospitals_reader_gets_the_same_image(folder):
    for path in _files(folder)[::5]:
        header, scan = _read(path), reader.read(path)
        assert np.array_equal(scan.array[0], _hounsfield(header)) and scan.spacing == tuple(
            float(v) for v in header.PixelSpacing
        )
        assert reader.patient(path) == header.PatientID


def test_the_same_arguments_give_the_same_bytes(folder, tmp_path):
    write.write(tmp_path / "again", hospitals=2, patients=PATIENTS, size=SIZE, seed=3)
    write.write(tmp_path / "other", hospitals=1, patients=2, size=SIZE, seed=4)
    here, again, other = _digest(folder), _digest(tmp_path / "again"), _digest(tmp_path / "other")
    assert again == {
        name: digest for name, digest in here.items() if name.split("/")[0] in write.NAMES[:2]
    }
    assert other["north/dicom/p001_s1.dcm"] != here["north/dicom/p001_s1.dcm"]


def test_names_do_not_run_out(tmp_path):
    count = len(write.NAMES) + 2
    write.write(tmp_path, hospitals=count, patients=1, size=32)
    assert len(list(tmp_path.iterdir())) == count


@pytest.mark.parametrize("wrong", [{"hospitals": 0}, {"patients": 0}, {"size": 8}, {"size": 5000}])
def test_numbers_out_of_range_are_refused(wrong, tmp_path):
    with pytest.raises(ArgumentError, match="allowed"):
        write.write(tmp_path / "new", **wrong)
    assert not (tmp_path / "new").exists()


def test_an_existing_hospital_is_not_overwritten(tmp_path):
    (tmp_path / "harbour").mkdir()
    with pytest.raises(ArgumentError, match="exists already"):
        write.write(tmp_path, patients=1, size=32)
    assert [p.name for p in tmp_path.iterdir()] == ["harbour"]
