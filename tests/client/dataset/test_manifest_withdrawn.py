"""A withdrawn patient leaves every part of the data, and nobody else changes part."""

from __future__ import annotations

from pathlib import Path

import pytest

from client.dataset.manifest import Manifest, index
from client.dataset.patient_split import PARTS, split
from client.policy import withdrawals
from common.errors import SiteError
from common.study.sections import Data
from tests.client.dataset.test_manifest import DATA, LABEL, dicom_file, hospital

ROWS = {f"{i:02}.png": f"{i % 2},P{i % 12:03}" for i in range(36)}


def indexed(folder: Path, state: Path, data: Data = DATA) -> Manifest:
    return index(folder, LABEL, data, is_withdrawn=withdrawals.reader(state))


def parts(manifest: Manifest, seed: int) -> dict[str, str]:
    """Each image that takes part, and in which part."""
    chosen = split(manifest, DATA, seed)
    return {manifest.cases[i].image.name: part for part in PARTS for i in chosen[part]}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "leaving", [["P003"], ["P003", "P004"], [f"P{i:03}" for i in range(8)]], ids=len
)
def test_every_other_patient_keeps_its_part(tmp_path: Path, seed: int, leaving: list[str]) -> None:
    hospital(tmp_path / "data", ROWS)
    before = parts(indexed(tmp_path / "data", tmp_path / "state"), seed)
    assert set(before) == set(ROWS)
    for patient in leaving:
        withdrawals.add(tmp_path / "state", patient)
    after = parts(indexed(tmp_path / "data", tmp_path / "state"), seed)
    assert after == {
        name: part for name, part in before.items() if ROWS[name].split(",")[1] not in leaving
    }
    assert len(after) == 36 - 3 * len(leaving)


def test_an_identifier_that_is_nobody_s_changes_nothing(tmp_path: Path) -> None:
    hospital(tmp_path / "data", ROWS)
    before = parts(indexed(tmp_path / "data", tmp_path / "state"), 1)
    for other in ("P03", "p003", "P0030", "00.png x"):
        withdrawals.add(tmp_path / "state", other)
    assert parts(indexed(tmp_path / "data", tmp_path / "state"), 1) == before


def dicoms(folder: Path, rows: str = "") -> Path:
    for number, patient in enumerate(("MUELLER", "MEIER", "MEIER", "ADAMS")):
        dicom_file(folder / "dicom" / f"{number}.dcm", patient)
    header, extra = (
        ("file,dx,patient_id", [f"{n}.dcm,{n % 2},T{n}" for n in range(4)])
        if rows
        else ("file,dx", [])
    )
    (folder / "labels.csv").write_text(
        "\n".join([header, *(extra or [f"{n}.dcm,{n % 2}" for n in range(4)])])
    )
    return folder


def test_a_patient_goes_by_the_identifier_in_the_dicom_files(tmp_path: Path) -> None:
    folder = dicoms(tmp_path / "data")
    withdrawals.add(tmp_path / "state", "MEIER")
    kept = indexed(folder, tmp_path / "state")
    assert (
        set(parts(kept, 1)) == {"0.dcm", "3.dcm"}
        and kept.patients == 3
        and len(kept.withdrawn) == 1
    )


def test_a_patient_goes_by_either_identifier_where_there_are_two(tmp_path: Path) -> None:
    folder = dicoms(tmp_path / "data", "with a table")
    withdrawals.add(tmp_path / "state", "MEIER")
    assert set(parts(indexed(folder, tmp_path / "state"), 1)) == {"0.dcm", "3.dcm"}


def test_a_patient_goes_by_the_table_s_identifier(tmp_path: Path) -> None:
    folder = dicoms(tmp_path / "data", "with a table")
    withdrawals.add(tmp_path / "state", "T3")
    assert set(parts(indexed(folder, tmp_path / "state"), 1)) == {"0.dcm", "1.dcm", "2.dcm"}


def test_a_file_whose_header_cannot_be_read_is_counted_once_and_not_used(tmp_path: Path) -> None:
    """Whose picture it is cannot be told, and the one named in it may have withdrawn."""
    folder = dicoms(tmp_path / "data", "with a table")
    (folder / "dicom" / "1.dcm").write_bytes(b"no header")
    withdrawals.add(tmp_path / "state", "MEIER")
    manifest = indexed(folder, tmp_path / "state", Data(min_patients=1, max_bad_fraction=0.5))
    assert {case.image.name for case in manifest.cases} == {"0.dcm", "2.dcm", "3.dcm"}
    assert manifest.unusable == manifest.left_out.total() == 1
    assert set(parts(manifest, 1)) == {"0.dcm", "3.dcm"}


def test_a_hospital_that_has_too_few_patients_left_takes_no_part(tmp_path: Path) -> None:
    hospital(tmp_path / "data", ROWS)
    data = Data(min_patients=11)
    withdrawals.add(tmp_path / "state", "P000")
    assert indexed(tmp_path / "data", tmp_path / "state", data).patients == 12
    withdrawals.add(tmp_path / "state", "P001")
    with pytest.raises(
        SiteError,
        match=r"Patients with usable images: 10; at least 11 are needed \(data.min_patients\)",
    ):
        indexed(tmp_path / "data", tmp_path / "state", data)


def test_where_everybody_left_nothing_is_left(tmp_path: Path) -> None:
    hospital(tmp_path / "data", ROWS)
    for number in range(12):
        withdrawals.add(tmp_path / "state", f"P{number:03}")
    with pytest.raises(SiteError, match="Patients with usable images: 0; at least 1"):
        indexed(tmp_path / "data", tmp_path / "state")
