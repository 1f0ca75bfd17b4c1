"""What tables and boxes say of a case: whose row is whose, and what is said in the new names."""

from __future__ import annotations

import json
from pathlib import Path

from client.ingest import case_annotations
from client.ingest.case_annotations import Records
from client.ingest.cases import CaseSource, Finder
from client.ingest.table_files import Identifiers

SOURCES = [
    CaseSource("picture", (), "file a.png", frozenset(("a.png", "a")), number="7"),
    CaseSource("picture", (), "file b.png", frozenset(("b.png", "b")), number="7"),
]
FIND = Finder(SOURCES)


def read(folder: Path, **tables: str) -> tuple[Records, Identifiers]:
    paths = {}
    for name, content in tables.items():
        paths[f"{name}.csv"] = folder / f"{name}.csv"
        paths[f"{name}.csv"].write_text(content)
    identifiers = Identifiers()
    return case_annotations.read(paths, SOURCES, FIND, identifiers), identifiers


def test_a_row_belongs_to_its_file_else_to_all_of_its_patient(tmp_path: Path) -> None:
    records, _ = read(tmp_path, labels="file,patient_id,grade\nb.png,8,0\n,7,1\nc.png,7,1\n")
    assert records.places["labels.csv"] == [[1], [0, 1], []]
    assert records.numbers == {0: "7", 1: "8"}
    assert records.unmatched == {"labels.csv": 1}


def test_patients_of_a_table_are_identifiers(tmp_path: Path) -> None:
    _, identifiers = read(tmp_path, labels="file,patient_id\na.png,MRN4711889\n")
    assert identifiers.within("seen with mrn4711889 before")


def test_a_table_that_cannot_be_read_is_a_fault(tmp_path: Path) -> None:
    records, _ = read(tmp_path, labels="file\n" + "a" * 200_000)
    assert set(records.faults) == {"labels.csv"}
    assert not records.sheets


def test_a_table_in_the_new_names(tmp_path: Path) -> None:
    records, identifiers = read(tmp_path, labels="file,grade,Name\na.png,1,Erika\nb.png,0,Max\n")
    table = case_annotations.table(
        "labels.csv", records, {0: ("P-1_x.png", "P-1")}, keep=[], identifiers=identifiers
    )
    assert table.rows == [{"file": "P-1_x.png", "patient_id": "P-1", "grade": "1"}]
    assert table.dropped == ["Name"]


def test_boxes_keep_numbers_and_labels_only(tmp_path: Path) -> None:
    box = {"label": "x", "box_xyxy": [0, 1, 2, 3], "reader": "Dr. Q"}
    entries = {
        "a.png": {"width": 9, "height": 9, "objects": [box], "reader": "Dr. Q"},
        "b.png": {"width": "wide", "height": 9, "objects": []},
    }
    (tmp_path / "boxes.json").write_text(json.dumps(entries))
    cases = {0: ("P-1_x.png", "P-1"), 1: ("P-1_y.png", "P-1")}
    kept, unmatched = case_annotations.box_entries(tmp_path, FIND, cases, Identifiers())
    objects = [{"label": "x", "box_xyxy": [0.0, 1.0, 2.0, 3.0]}]
    assert kept == {"P-1_x.png": {"width": 9.0, "height": 9.0, "objects": objects}}
    assert unmatched == 1


def test_every_name_that_tables_and_masks_use(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("file\nset/one.png\n")
    names = case_annotations.mentioned(
        {"labels.csv": tmp_path / "labels.csv"}, ["masks/two.nii.gz"]
    )
    assert {"set/one", "masks/two"} <= names or {"set/one", "two"} <= names
