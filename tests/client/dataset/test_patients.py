"""Whose images a folder holds: by its tables and by its DICOM headers."""

from __future__ import annotations

from pathlib import Path

import pytest

from client.dataset import patients
from common.errors import SiteError
from tests.client.readers.dicom.dicom_objects import base, ramp, save


def test_identifiers_of_tables_and_headers_are_joined(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("file,patient_id\na.png,A\nb.png,\n")
    (tmp_path / "cases.csv").write_text("file;patient_id\nc.png;C\na.png;A\n")
    (tmp_path / "dicom").mkdir()
    save(tmp_path / "dicom" / "x", base(ramp(1)[0], PatientID="D"))
    save(tmp_path / "dicom" / "y", base(ramp(1)[0], PatientID=""))
    (tmp_path / "dicom" / "notes.txt").write_text("no DICOM")
    assert patients.listed(tmp_path) == {"A", "C", "D"}


def test_a_folder_without_either_names_nobody(tmp_path: Path) -> None:
    assert patients.listed(tmp_path) == frozenset()


def test_a_table_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_bytes(b"\0\0")
    with pytest.raises(SiteError, match=r"labels\.csv"):
        patients.listed(tmp_path)
