"""Labels that are missing, rare or all the same, and pictures that are there twice."""

from __future__ import annotations

import numpy as np

from client.ingest import case_facts
from client.ingest.case_facts import CaseFacts
from client.ingest.intake import Intake
from client.ingest.readiness import label_findings
from client.readers import Scan

NONE = {"groups": 0, "cases": 0, "across_patients": 0, "across_labels": 0}


def cases(count: int) -> list[CaseFacts]:
    fields = {"sha256": "", "patient": "p", "modality": "", "scanner": "", "stamp": ""}
    scan = Scan(np.zeros((1, 4, 4)), (1.0, 1.0))
    return [case_facts.of(scan, name=f"images/{i}.png", **fields) for i in range(count)]


def balance(**images: int) -> dict[str, dict[str, int]]:
    return {value: {"images": count, "patients": count} for value, count in images.items()}


def test_nothing_to_learn_from_stops() -> None:
    [finding] = label_findings.judge(Intake(), cases(3), {}, {"masks": 0})
    assert (finding.severity, finding.code, finding.count) == ("stop", "labels", 3)
    assert list(label_findings.judge(Intake(), [], {}, {"masks": 0})) == []


def test_missing_and_rare_values() -> None:
    values = {i: "a" if i < 25 else "b" for i in range(27)}
    content = {"masks": 0, "labels": {"grade": balance(a=25, b=2)}}
    findings = label_findings.judge(Intake(), cases(30), {"grade": values}, content)
    assert [(f.severity, f.count) for f in findings] == [("warn", 3), ("warn", 2), ("info", 1)]


def test_one_value_only() -> None:
    content = {"masks": 0, "labels": {"grade": balance(a=2)}}
    [finding] = label_findings.judge(Intake(), cases(2), {"grade": {0: "a", 1: "a"}}, content)
    assert finding.severity == "info" and "one value only" in finding.what


def test_rows_and_masks_that_fit_nothing() -> None:
    intake = Intake(loose_masks=2)
    intake.unmatched["labels.csv"] = 5
    intake.unmatched["boxes.json"] = 0
    findings = list(label_findings.judge(intake, cases(3), {}, {"masks": 2}))
    assert [finding.count for finding in findings] == [1, 5, 2]


def test_near_doubles_of_one_patient_are_not_told() -> None:
    content = {"exact": {**NONE, "groups": 3, "across_patients": 1}, "near": {**NONE, "groups": 4}}
    findings = list(label_findings.doubles(content))
    assert [(f.severity, f.count) for f in findings] == [("warn", 1), ("info", 2)]
    assert all("nearly" not in finding.what for finding in findings)
