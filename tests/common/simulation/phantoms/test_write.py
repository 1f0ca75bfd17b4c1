"""The folders of phantom hospitals: labels that agree with each other, nothing left to chance."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from client.readers import dicom as reader
from common.errors import ArgumentError
from common.simulation.phantoms import write
from tests.common.simulation.phantoms.slices import (
    HOSPITALS,
    PATIENTS,
    SIZE,
    dicom_files,
    hounsfield,
    mask_of,
    read_strictly,
)


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


def test_labels_masks_and_boxes_agree(folder):
    compared = 0
    for hospital in folder.iterdir():
        with (hospital / "labels.csv").open(encoding="utf-8", newline="") as file:
            rows = {row["file"]: row for row in csv.DictReader(file)}
        boxes = json.loads((hospital / "boxes.json").read_text("utf-8"))
        files = sorted((hospital / "dicom").iterdir())
        assert set(rows) == set(boxes) == {p.name for p in files}
        for path in files:
            mask, row, entry = mask_of(path), rows[path.name], boxes[path.name]
            assert mask.shape == (SIZE, SIZE) == (entry["height"], entry["width"]) and set(
                np.unique(mask)
            ) <= {0, 255}
            assert (
                int(row["lesion"]) == int(mask.any()) == int(bool(entry["objects"]))
                and row["patient_id"] == read_strictly(path).PatientID
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


def test_the_hospitals_reader_gets_the_same_image(folder):
    for path in dicom_files(folder)[::5]:
        header, scan = read_strictly(path), reader.read(path)
        assert np.array_equal(scan.array[0], hounsfield(header)) and scan.spacing == tuple(
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
