"""Index and split: who is whose, what is left out, and how patients are parted."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

from client.dataset import manifest as manifests
from client.dataset.manifest import Case, Manifest, index, split
from common.errors import SiteError
from common.sentences.table import say
from common.study.sections import Data

DATA = Data(min_patients=1)
LABEL: Any = SimpleNamespace(
    needs=frozenset({"label"}),
    columns=("dx",),
    classes=("0", "1"),
    multi_label=False,
    mask_values=None,
)
MASK: Any = SimpleNamespace(
    needs=frozenset({"mask"}), columns=(), classes=("x",), multi_label=False, mask_values=None
)
BOXES: Any = SimpleNamespace(
    needs=frozenset({"boxes"}), columns=(), classes=("x",), multi_label=False, mask_values=None
)


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((4, 5), np.uint8)).save(path)
    return path


def hospital(folder: Path, rows: dict[str, str], header: str = "file,dx,patient_id") -> Path:
    for name in rows:
        picture(folder / "images" / name)
    (folder / "labels.csv").write_text(
        "\n".join([header, *(f"{name},{row}" for name, row in rows.items())])
    )
    return folder


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
    found = index(
        hospital(tmp_path, {"c.png": "1,p", "a.png": "0,q", "b.png": "1.0,p"}), LABEL, DATA
    )
    assert [c.image.name for c in found.cases] == ["a.png", "b.png", "c.png"]
    assert [c.stated["label"] for c in found.cases] == [0, 1, 1]
    assert found.patients == 2
    assert found.cases[1].patient == found.cases[2].patient != found.cases[0].patient


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
    found = index(tmp_path, LABEL, DATA)
    assert [c.patient == found.cases[0].patient for c in found.cases] == [
        True,
        True,
        False,
        True,
    ]  # 1.2.3, IM5 (column), IM6, sub
    assert found.patients == 2


def test_what_is_left_out_is_counted_by_reason(tmp_path: Path) -> None:
    rows = {f"{i}.png": f"{i % 2},{i}" for i in range(8)} | {"smith.png": "7,x", "empty.png": ",y"}
    folder = hospital(tmp_path, rows)
    picture(folder / "images" / "unlisted.png")
    lines: list[str] = []
    found = index(folder, LABEL, DATA, lines.append)
    assert len(found.cases) == 8
    assert found.unusable == 1
    assert sorted(found.left_out.values()) == [1, 2]
    assert found.left_out[say("case.unlabelled")] == 2
    assert "smith" not in repr(found.left_out)
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
    found = index(tmp_path, MASK, DATA)
    assert [c.stated["mask"].name for c in found.cases] == ["a.png", "b.tif"]
    assert found.left_out.total() == 1
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


def made(labels: Sequence[Sequence[int | None]]) -> Manifest:
    """A manifest with one patient for each inner list of class numbers."""
    cases = tuple(
        Case(Path("x"), patient, stratum=label)
        for patient, group in enumerate(labels)
        for label in group
    )
    return Manifest(cases, len(labels), 0, Counter())


def patients(found: Manifest, parts: dict[str, tuple[int, ...]]) -> dict[str, set[int]]:
    return {part: {found.cases[i].patient for i in indices} for part, indices in parts.items()}


@pytest.mark.parametrize("labels", [[[0], [1]] * 30, [[None] * 3] * 25, [[0, 1]] * 17])
def test_parts_are_disjoint_in_patients_and_complete(
    labels: Sequence[Sequence[int | None]],
) -> None:
    found = made(labels)
    parts = split(found, DATA, 3)
    assert list(parts) == ["train", "validation", "test"]
    assert sorted(i for part in parts.values() for i in part) == list(range(len(found.cases)))
    groups = patients(found, parts)
    assert sum(map(len, groups.values())) == found.patients
    assert len(groups["test"]) == round(0.2 * found.patients)


def test_split_depends_on_the_seed_alone() -> None:
    found = made([[0]] * 50)
    assert split(found, DATA, 1) == split(found, DATA, 1)
    assert split(found, DATA, 1) != split(found, DATA, 2)


def test_split_does_not_depend_on_where_the_files_lie(tmp_path: Path) -> None:
    rows = {f"{i}.png": f"{i % 2},{i % 13}" for i in range(26)}
    first = index(hospital(tmp_path / "a", rows), LABEL, DATA)
    second = index(hospital(tmp_path / "b", dict(reversed(rows.items()))), LABEL, DATA)
    assert split(first, DATA, 5) == split(second, DATA, 5)


@pytest.mark.parametrize(
    ("count", "sizes"),
    [(1, (1, 0, 0)), (2, (1, 0, 1)), (3, (1, 1, 1)), (4, (2, 1, 1)), (10, (7, 1, 2))],
)
def test_few_patients_train_first_then_test_then_validation(
    count: int, sizes: tuple[int, ...]
) -> None:
    for labels in ([[0]] * count, [[i] for i in range(count)]):
        assert tuple(map(len, split(made(labels), DATA, 1).values())) == sizes


@pytest.mark.parametrize(
    ("test", "validation", "sizes"),
    [(0.0, 0.0, (9, 0, 0)), (0.0, 0.1, (8, 1, 0)), (0.9, 0.05, (1, 1, 7)), (0.5, 0.49, (1, 4, 4))],
)
def test_fractions(test: float, validation: float, sizes: tuple[int, ...]) -> None:
    data = Data(test_fraction=test, validation_fraction=validation)
    assert tuple(map(len, split(made([[0]] * 9), data, 1).values())) == sizes


@pytest.mark.parametrize("seed", range(5))
def test_small_classes_reach_every_part(seed: int) -> None:
    labels = [[0]] * 60 + [[1]] * 5 + [[2]] * 3 + [[3]]
    found = made(labels)
    classes = {
        part: {found.cases[i].stratum for i in indices}
        for part, indices in split(found, DATA, seed).items()
    }
    assert classes == {"train": {0, 1, 2, 3}, "validation": {0, 1, 2}, "test": {0, 1, 2}}


def test_large_classes_keep_their_share() -> None:
    found = made([[0]] * 80 + [[1]] * 20)
    counts = Counter(found.cases[i].stratum for i in split(found, DATA, 1)["test"])
    assert counts == {0: 16, 1: 4}


def test_a_patient_counts_for_the_rarest_of_their_classes() -> None:
    found = made([[0, 0, 1]] * 3 + [[0]] * 60)
    parts = split(found, DATA, 1)
    assert all(1 in {found.cases[i].stratum for i in indices} for indices in parts.values())


def test_check_share_allows_the_limit_itself() -> None:
    manifests.check_share(2, 10, Counter({say("mask.size"): 2}), Data(max_bad_fraction=0.2))
    with pytest.raises(SiteError):
        manifests.check_share(3, 10, Counter({say("mask.size"): 3}), Data(max_bad_fraction=0.2))
