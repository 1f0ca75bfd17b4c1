"""Which columns stay: labels do, names, numbers, dates and free texts do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from client.ingest import table_files
from client.ingest.table_files import Identifiers, Sheet
from common.errors import SiteError

OWNERS = [f"P{i // 2}" for i in range(40)]


def kept(name: str, values: list[str], *asked: str) -> bool:
    sheet = Sheet(
        ("file", name), tuple({"file": f"{i}.png", name: value} for i, value in enumerate(values))
    )
    return table_files.stays(sheet, OWNERS[: len(values)], asked, Identifiers()) == [name]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("pneumonia", ["0", "1"] * 20),
        ("dx", ["nv", "mel", "bcc", "nv"] * 10),
        ("body part", ["lower extremity", "face"] * 20),
        ("grade", ["1.0", "2.0", "3.5", "4"] * 10),
        ("malignant", ["yes", "no"]),
    ],
)
def test_labels_stay(name: str, values: list[str]) -> None:
    assert kept(name, values)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("Patient Name", ["A", "B"] * 20),
        ("finding", [f"Name{i // 2}" for i in range(40)]),  # one value a patient
        ("who", ["Huber", "Maier"] * 20),
        ("read by", ["HK", "GM"] * 20),
        ("seen", ["2021-04-05", "2021-04-06"] * 20),
        ("number", ["4711889", "4711890"] * 20),
        ("place", ["Riccione, Italy", "Rome, Italy"] * 20),
        ("hospitalName", ["0", "1"] * 20),
        ("DOB", ["1", "2"] * 20),
        ("remark", ["x" * 60, "y" * 60] * 20),
        ("mail", ["a@b", "c@d"] * 20),
        ("weight", [str(40 + i) for i in range(40)]),
    ],
)
def test_everything_else_goes_unless_it_is_asked_for(name: str, values: list[str]) -> None:
    assert not kept(name, values)
    assert kept(name, values, name)


def test_known_identifiers_are_found_inside_other_texts() -> None:
    identifiers = Identifiers()
    identifiers.add(["MRN4711889", "MUSTERMANN^ERIKA", "42", "ab"])
    assert (
        identifiers.within("prior of mrn4711889.")
        and identifiers.within("Frau Mustermann")
        and not identifiers.within("42 a")
    )
    rows, blanked = table_files.cleaned(
        [{"file": "MRN4711889", "patient_id": "x", "stage": "see MRN4711889", "dx": "nv"}],
        identifiers,
    )
    assert (
        rows == [{"file": "MRN4711889", "patient_id": "x", "stage": "", "dx": "nv"}]
        and blanked == 1
    )


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_tables_are_read_with_any_separator(tmp_path: Path, separator: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(
        separator.join(["PatientID", "SOP Instance UID", "dx"])
        + "\n"
        + separator.join(["1", "2.3", "nv"])
        + "\n\n"
    )
    sheet = table_files.read(path)
    assert (sheet.column("patient"), sheet.column("sop"), sheet.column("file"), sheet.others) == (
        "PatientID",
        "SOP Instance UID",
        None,
        ["dx"],
    )


def test_unreadable_tables_are_one_kind_of_error(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes(b'"never ends')
    with pytest.raises(SiteError):
        table_files.read(path)
    with pytest.raises(SiteError):
        table_files.read(tmp_path / "nothing.csv")


def test_what_is_written_reads_back() -> None:
    rows = [{"file": "a", "dx": 'quote " and, comma'}, {"file": "b"}]
    assert (
        table_files.text(["file", "dx"], rows).decode() == 'file,dx\na,"quote "" and, comma"\nb,\n'
    )
