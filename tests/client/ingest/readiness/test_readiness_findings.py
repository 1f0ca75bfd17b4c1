"""Findings are ordered by severity, and each says what to do."""

from __future__ import annotations

from typing import Any

from client.deidentify import burned_in
from client.ingest import scan_folder
from client.ingest.case_annotations import WrittenTable
from client.ingest.intake import Intake
from client.ingest.readiness import readiness_findings
from client.ingest.readiness.finding import SEVERITIES, Finding

NONE = {"groups": 0, "cases": 0, "across_patients": 0, "across_labels": 0}
EMPTY: dict[str, Any] = {
    "masks": 0,
    "labels": {},
    "doubles": {"exact": NONE, "near": NONE},
    "spacings": {},
    "kinds": {},
    "histograms": {},
    "modalities": {},
}


def judge(intake: Intake, **content: Any) -> list[Finding]:
    return readiness_findings.judge(intake, [], {}, {**EMPTY, **content})


def test_an_empty_folder_is_stopped() -> None:
    [finding] = judge(Intake())
    assert (finding.severity, finding.code) == ("stop", "empty")


def test_a_file_that_a_human_must_see_gets_other_advice_than_a_damaged_one() -> None:
    refused = [
        ("a", burned_in.PRINTED),
        ("b", "The file is damaged."),
        ("c", "The file is damaged."),
    ]
    findings = [f for f in judge(Intake(refused=refused)) if f.code == "quarantine"]
    assert [(f.count, "--cleared" in f.do) for f in findings] == [(2, False), (1, True)]


def test_an_identifier_in_a_kept_column_stops() -> None:
    table = WrittenTable(["note"], [], ["Name", "birth date"], blanked=4)
    findings = {f.code: f for f in judge(Intake(tables={"labels.csv": table}))}
    assert (findings["leak"].severity, findings["leak"].count) == ("stop", 4)
    assert findings["columns"].do.endswith("--keep Name,birth date")


def test_mixed_units_are_noticed() -> None:
    group = {"means": {"lowest": 1.0, "median": 2.0, "highest": 9.0}}
    findings = judge(Intake(), histograms={"CT": group}, modalities={"CT": 7})
    assert [(f.code, f.count) for f in findings if f.code == "intensity"] == [("intensity", 7)]
    group["means"]["highest"] = 7.0
    assert not [f for f in judge(Intake(), histograms={"CT": group}) if f.code == "intensity"]


def test_the_gravest_come_first() -> None:
    intake = Intake(unowned=1, changed=2)
    intake.aside[scan_folder.UNREADABLE] = 1
    intake.aside["archives, which are not opened"] = 1
    severities = [finding.severity for finding in judge(intake)]
    assert severities == sorted(severities, key=SEVERITIES.index)
    assert severities == ["stop", "warn", "warn", "warn", "info"]
