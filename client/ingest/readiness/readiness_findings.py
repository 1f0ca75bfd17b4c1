"""What stands in the way of a study, judged from counts.

Each finding has its severity, how often it occurs, and what to do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from client.deidentify import burned_in
from client.ingest import scan_folder
from client.ingest.case_facts import CaseFacts
from client.ingest.intake import Intake
from client.ingest.readiness import label_findings
from client.ingest.readiness.finding import SEVERITIES, Finding, info, stop, warn

_FEW_PATIENTS = 10
_FAR = 8.0
"""Mean intensities that differ by more than this hint at mixed units or scanners."""
_FOR_HUMANS = (
    burned_in.ANNOTATED,
    burned_in.FACE,
    burned_in.OVERLAY,
    burned_in.UNSEEN,
    burned_in.PRINTED,
)


def judge(
    intake: Intake,
    cases: Sequence[CaseFacts],
    columns: Mapping[str, Mapping[int, str]],
    content: Mapping[str, Any],
) -> list[Finding]:
    """Every finding, the gravest first.

    Args:
        intake: of the hospital.
        cases: all of them.
        columns: for each column of labels, the value of each case that has one.
        content: the counts of readiness.json.
    """
    findings = [
        *_amount(cases),
        *_owners(intake),
        *_refused(intake),
        *_texts(intake),
        *label_findings.judge(intake, cases, columns, content),
        *label_findings.doubles(content["doubles"]),
        *_pixels(cases, content),
        *_aside(intake),
        *_changed(intake),
    ]
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))


def _amount(cases: Sequence[CaseFacts]) -> Iterator[Finding]:
    patients = len({case.patient for case in cases})
    if not cases:
        do = "look at the quarantine list and at the folder that was given"
        yield stop("empty", "nothing could be taken in", 0, do)
    elif patients < 2:
        do = "add patients: training and test must not share any"
        yield stop("patients", "all images are of one patient", patients, do)
    elif patients < _FEW_PATIENTS:
        do = "add patients; results on so few say little"
        yield warn("patients", "very few patients", patients, do)


def _owners(intake: Intake) -> Iterator[Finding]:
    if intake.unowned:
        what = "images of which nothing says whose they are; each counts as a patient of its own"
        do = "add a column patient_id: one patient must not be in training and in test"
        yield warn("patients", what, intake.unowned, do)


def _refused(intake: Intake) -> Iterator[Finding]:
    for reason, count in Counter(reason for _, reason in intake.refused).most_common():
        do = (
            "look at them on a screen; take in those without identifiers with --cleared, "
            "and leave out the others"
            if reason in _FOR_HUMANS
            else "mend or leave out the files of the quarantine list"
        )
        yield warn("quarantine", reason.rstrip("."), count, do)
    for name, fault in intake.faults.items():
        yield stop("table", f"{name}: {fault.rstrip('.')}", 1, "mend the table and run again")


def _texts(intake: Intake) -> Iterator[Finding]:
    for name, table in intake.tables.items():
        if table.blanked:
            what = f"{name}: values of kept columns held an identifier and were blanked"
            do = "look at these columns before the folder is used, or do not keep them"
            yield stop("leak", what, table.blanked, do)
        if table.dropped:
            columns = ", ".join(table.dropped)
            what = f"{name}: columns that do not read like labels were dropped: {columns}"
            do = f"if a study needs one: --keep {','.join(table.dropped)}"
            yield info("columns", what, len(table.dropped), do)


def _pixels(cases: Sequence[CaseFacts], content: Mapping[str, Any]) -> Iterator[Finding]:
    flat = sum(case.low == case.high for case in cases)
    if flat:
        yield warn("pixels", "images of a single grey", flat, "leave them out")
    spacings = len(content["spacings"])
    if spacings > 1 and "volume" in content["kinds"]:
        yield info("spacing", "volumes differ in spacing", spacings, "studies need a resample step")
    for kind, group in content["histograms"].items():
        means = group["means"]
        if means["lowest"] * _FAR < means["highest"] and means["lowest"] > 0:
            what = f"{kind}: mean intensities differ by more than {_FAR:.0f} times"
            do = "studies need a standardise step; look whether scanners or units mix"
            yield info("intensity", what, content["modalities"][kind], do)


def _aside(intake: Intake) -> Iterator[Finding]:
    for reason, count in intake.aside.items():
        what = f"passed over: {reason}"
        if reason == scan_folder.UNREADABLE:
            yield warn("aside", what, count, "let this user read them and run again")
        else:
            yield info("aside", what, count, "nothing, if they are no images")


def _changed(intake: Intake) -> Iterator[Finding]:
    if intake.changed:
        what = "sources changed since they were taken in; the first version stands"
        do = "to take them in anew, remove their files from the hospital's folder first"
        yield warn("changed", what, intake.changed, do)
