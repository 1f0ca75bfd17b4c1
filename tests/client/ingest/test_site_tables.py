"""Tables of the hospital's folder hold this run's rows and those of earlier runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from client.deidentify.pseudonyms import Names, Pseudonyms
from client.ingest import case_annotations
from client.ingest.cases import CaseSource, Finder
from client.ingest.intake import Intake
from client.ingest.layout import Places
from client.ingest.site_tables import SiteTables
from client.ingest.table_files import Identifiers

CASES = {0: ("P-1_a.png", "P-1")}
FIND = Finder([CaseSource("picture", (), "file a.png", frozenset(("a.png", "a")))])


@pytest.fixture
def places(tmp_path: Path) -> Places:
    (tmp_path / "export").mkdir()
    return Places.of(tmp_path / "export", tmp_path / "sites" / "north", None)


def write_labels(places: Places, content: str) -> Intake:
    path = places.source / "labels.csv"
    path.write_text(content)
    intake = Intake()
    source = CaseSource("picture", (), "file a.png", frozenset(("a.png", "a")))
    identifiers = Identifiers()
    records = case_annotations.read({"labels.csv": path}, [source], FIND, identifiers)
    names = Names(Pseudonyms(bytes(32)))
    SiteTables(places, intake, identifiers).write(records, CASES, names, [])
    return intake


def test_rows_get_new_names_and_those_of_earlier_runs_stay(places: Places) -> None:
    earlier = "file,patient_id,grade\nP-1_a.png,P-1,0\nP-9_z.png,P-9,1\n"
    (places.site / "labels.csv").write_text(earlier)
    write_labels(places, "file,grade\na.png,1\n")
    assert (places.site / "labels.csv").read_text() == (
        "file,patient_id,grade\nP-1_a.png,P-1,1\nP-9_z.png,P-9,1\n"
    )


def test_there_is_a_list_of_cases_even_if_the_source_has_none(places: Places) -> None:
    intake = write_labels(places, "file,grade\nb.png,1\n")
    assert (places.site / "cases.csv").read_text() == "file,patient_id\n"
    assert intake.tables["labels.csv"].rows == []


def test_boxes_that_cannot_be_read_are_a_fault(places: Places) -> None:
    intake = Intake()
    (places.source / "boxes.json").write_text("[")
    SiteTables(places, intake, Identifiers()).write_boxes(FIND, CASES)
    assert "boxes.json" in intake.faults
    assert not (places.site / "boxes.json").exists()


def test_boxes_of_earlier_runs_stay(places: Places) -> None:
    box = {"width": 9, "height": 9, "objects": [{"label": "x", "box_xyxy": [0, 0, 1, 1]}]}
    (places.site / "boxes.json").write_text(json.dumps({"P-9_z.png": box}))
    (places.source / "boxes.json").write_text(json.dumps({"a.png": box, "nowhere.png": box}))
    intake = Intake()
    SiteTables(places, intake, Identifiers()).write_boxes(FIND, CASES)
    assert set(json.loads((places.site / "boxes.json").read_text())) == {"P-9_z.png", "P-1_a.png"}
    assert intake.unmatched["boxes.json"] == 1


def test_label_names_that_hold_an_identifier_stay_behind(places: Places) -> None:
    (places.source / "labels.toml").write_text('[labels]\nMustermann = "1"\n')
    intake = Intake()
    identifiers = Identifiers()
    tables = SiteTables(places, intake, identifiers)
    identifiers.add(["Mustermann"])
    tables.write_label_names()
    assert intake.faults == {"labels.toml": "it holds an identifier"}
    assert not (places.site / "labels.toml").exists()
