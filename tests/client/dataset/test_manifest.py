"""The index of a folder: who is whose, what is left out, and what is refused."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

from client.dataset import manifest as manifests
from client.dataset.manifest import index
from common.errors import SiteError
from common.sentences.table import say
from common.study.sections import Data
from tests.client.dataset.labelled_folders import LABEL, hospital, picture

DATA = Data(min_patients=1)
MASK: Any = SimpleNamespace(
    needs=frozenset({"mask"}), columns=(), classes=("x",), multi_label=False, mask_values=None
)
BOXES: Any = SimpleNamespace(
    needs=frozenset({"boxes"}), columns=(), classes=("x",), multi_label=False, mask_values=None
)


def dicom_file(path: Path, patient: str) -> None:
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID, data.SOPInstanceUID, data.PatientID = (
        SecondaryCaptureImageStorage,
        generate_uid(),
        patient,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(path, enforce_file_format=True)


def test_cases_are_sorted_by_name_and_patients_grouped(tmp_path: Path) -> None:
    manifest = index(
        hospital(tmp_path, {"c.png": "1,p", "a.png": "0,q", "b.png": "1.0,p"}), LABEL, DATA
    )
    assert [c.image.name for c in manifest.cases] == ["a.png", "b.png", "c.png"]
    assert [c.stated["label"] for c in manifest.cases] == [0, 1, 1]
    assert manifest.patients == 2
    assert manifest.cases[1].patient == manifest.cases[2].patient != manifest.cases[0].patient


def test_patient_numbers_do_not_follow_the_identifiers(tmp_path: Path) -> None:
    rows = {f"{i:02}.png": f"0,{i:02}" for i in range(20)}
    numbers = [c.patient for c in index(hospital(tmp_path, rows), LABEL, DATA).cases]
    assert sorted(numbers) == list(range(20)) != numbers


def test_repr_of_a_case_holds_no_path(tmp_path: Path) -> None:
    case = index(hospital(tmp_path, {"smith.png": "0,p"}), LABEL, DATA).cases[0]
    assert "smith" not in repr(case)


def test_without_identifiers_each_file_is_a_patient(tmp_path: Path) -> None:
    assert (
        index(hospital(tmp_path, {"a.png": "0", "b.png": "1"}, "file,dx"), LABEL, DATA).patients
        == 2
    )


def test_dicom_patient_id_stands_in_for_the_column(tmp_path: Path) -> None:
    for name, patient in (("1.2.3", "p"), ("sub/1.2.4.dcm", "p"), ("IM5", "q"), ("IM6", "")):
        dicom_file(tmp_path / "dicom" / name, patient)
    (tmp_path / "dicom" / "DICOMDIR").touch()
    (tmp_path / "labels.csv").write_text(
        "file,dx,patient_id\n1.2.3,0,\nsub/1.2.4.dcm,1,\nIM5,0,p\nIM6,1,\n"
    )
    manifest = index(tmp_path, LABEL, DATA)
    assert [c.patient == manifest.cases[0].patient for c in manifest.cases] == [
        True,
        True,
        False,
        True,
    ]  # 1.2.3, IM5 (column), IM6, sub
    assert manifest.patients == 2


def test_what_is_left_out_is_counted_by_reason(tmp_path: Path) -> None:
    rows = {f"{i}.png": f"{i % 2},{i}" for i in range(8)} | {"smith.png": "7,x", "empty.png": ",y"}
    folder = hospital(tmp_path, rows)
    picture(folder / "images" / "unlisted.png")
    lines: list[str] = []
    manifest = index(folder, LABEL, DATA, lines.append)
    assert len(manifest.cases) == 8
    assert manifest.unusable == 1
    assert sorted(manifest.left_out.values()) == [1, 2]
    assert manifest.left_out[say("case.unlabelled")] == 2
    assert "smith" not in repr(manifest.left_out)
    assert len(lines) == 1
    assert "smith.png" in lines[0]


def test_contradicting_rows_leave_the_image_out(tmp_path: Path) -> None:
    folder = hospital(tmp_path, {f"{i}.png": f"0,{i}" for i in range(9)})
    with (folder / "labels.csv").open("a") as file:
        file.write("\n8.png,1,8\n")
    assert len(index(folder, LABEL, DATA).cases) == 8


def test_masks_and_boxes_are_matched_by_name(tmp_path: Path) -> None:
    for name in ("a.png", "b.jpg", "c.png"):
        picture(tmp_path / "images" / name)
    picture(tmp_path / "masks" / "a.png")
    picture(tmp_path / "masks" / "b.tif")
    manifest = index(tmp_path, MASK, DATA)
    assert [c.stated["mask"].name for c in manifest.cases] == ["a.png", "b.tif"]
    assert manifest.left_out.total() == 1
    good = {"width": 5, "height": 4, "objects": [{"label": "x", "box_xyxy": [0, 0, 2, 2]}]}
    (tmp_path / "boxes.json").write_text(
        json.dumps({"a.png": good, "c.png": good | {"objects": []}})
    )
    assert [len(c.stated["boxes"].corners) for c in index(tmp_path, BOXES, DATA).cases] == [1, 0]


@pytest.mark.parametrize(
    ("rows", "task", "data", "reason"),
    [
        ({}, LABEL, DATA, "no images; expected"),
        ({"a.png": "1,p"}, MASK, DATA, "no masks/"),
        ({"a.png": "1,p"}, BOXES, DATA, r"no boxes\.json"),
        ({"a.png": ",p"}, LABEL, DATA, r"None of the 1 images can be used.*no label"),
        (
            {"a.png": "1,p", "b.png": "0,p"},
            LABEL,
            Data(min_patients=2),
            "usable images: 1; at least 2",
        ),
        (
            {"a.png": "1,p", "b.png": "9,q"},
            LABEL,
            DATA,
            r"1 of 2 images are unusable and at most 20 %.*\(1 times\)",
        ),
    ],
)
def test_a_hospital_that_cannot_take_part_hears_why(
    tmp_path: Path, rows: dict[str, str], task: Any, data: Data, reason: str
) -> None:
    with pytest.raises(SiteError, match=reason) as caught:
        index(hospital(tmp_path, rows), task, data)
    assert str(tmp_path) not in caught.value.public


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(SiteError, match="no images"):
        index(tmp_path / "nowhere", LABEL, DATA)


@pytest.mark.parametrize("locked", ["images", "sub"])
def test_a_folder_that_cannot_be_listed_is_not_empty(
    tmp_path: Path, locked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for a folder of mode 000; tests may run as root, whom no mode stops."""
    picture(tmp_path / "images" / "sub" / "a.png")
    scan = os.scandir

    def refuse(path: Any) -> Any:
        if Path(path).name == locked:
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(
        SiteError, match="cannot be listed; let the software's user read it"
    ) as caught:
        index(tmp_path, LABEL, DATA)
    assert str(tmp_path) not in caught.value.public
    assert locked in caught.value.local


def test_check_share_allows_the_limit_itself() -> None:
    manifests.check_share(2, 10, Counter({say("mask.size"): 2}), Data(max_bad_fraction=0.2))
    with pytest.raises(SiteError):
        manifests.check_share(3, 10, Counter({say("mask.size"): 3}), Data(max_bad_fraction=0.2))
