"""What stands in the way of a study, judged from counts.

Each finding has its severity, how often it occurs, and what to do.

``stop``: the folder cannot serve a study as it is, or something in it may identify a person.
``warn``: results would suffer. ``info``: worth knowing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from client.deidentify import burned_in
from client.ingest import scan_folder
from client.ingest.case_facts import CaseFacts
from client.ingest.intake import Intake

Severity = Literal["stop", "warn", "info"]
_ORDER = ("stop", "warn", "info")
_FEW_PATIENTS, _FEW_OF_CLASS, _UNEVEN = 10, 10, 10
_FAR = 8.0
_FOR_HUMANS = (
    burned_in.ANNOTATED,
    burned_in.FACE,
    burned_in.OVERLAY,
    burned_in.UNSEEN,
    burned_in.PRINTED,
)


@dataclass(frozen=True)
class Finding:
    """One thing that was found: ``code`` for programs, ``what`` and ``do`` for people."""

    severity: Severity
    code: str
    what: str
    count: int
    do: str


def judge(
    intake: Intake,
    cases: Sequence[CaseFacts],
    told: Mapping[str, Mapping[int, str]],
    content: Mapping[str, Any],
) -> list[Finding]:
    """Every finding, the gravest first."""
    found = [
        *_amount(cases),
        *_owners(intake),
        *_refused(intake),
        *_texts(intake),
        *_labels(intake, cases, told, content),
    ]
    found += [*_doubles(content["doubles"]), *_pixels(cases, content), *_aside(intake)]
    return sorted(found, key=lambda finding: _ORDER.index(finding.severity))


def _amount(cases: Sequence[CaseFacts]) -> Iterator[Finding]:
    patients = len({case.patient for case in cases})
    if not cases:
        yield Finding(
            "stop",
            "empty",
            "nothing could be taken in",
            0,
            "look at the quarantine list and at the folder that was given",
        )
    elif patients < 2:
        yield Finding(
            "stop",
            "patients",
            "all images are of one patient",
            patients,
            "add patients: training and test must not share any",
        )
    elif patients < _FEW_PATIENTS:
        yield Finding(
            "warn",
            "patients",
            "very few patients",
            patients,
            "add patients; results on so few say little",
        )


def _owners(intake: Intake) -> Iterator[Finding]:
    if intake.unowned:
        what = "images of which nothing says whose they are; each counts as a patient of its own"
        yield Finding(
            "warn",
            "patients",
            what,
            intake.unowned,
            "add a column patient_id: one patient must not be in training and in test",
        )


def _refused(intake: Intake) -> Iterator[Finding]:
    for reason, count in Counter(reason for _, reason in intake.refused).most_common():
        human = reason in _FOR_HUMANS
        do = (
            "look at them on a screen; take in those without identifiers with --cleared, and leave out the others"
            if human
            else "mend or leave out the files of the quarantine list"
        )
        yield Finding("warn", "quarantine", reason.rstrip("."), count, do)
    for name, fault in intake.faults.items():
        yield Finding(
            "stop", "table", f"{name}: {fault.rstrip('.')}", 1, "mend the table and run again"
        )


def _texts(intake: Intake) -> Iterator[Finding]:
    for name, written in intake.tables.items():
        if written.blanked:
            what = f"{name}: values of kept columns held an identifier and were blanked"
            yield Finding(
                "stop",
                "leak",
                what,
                written.blanked,
                "look at these columns before the folder is used, or do not keep them",
            )
        if written.dropped:
            listed = ", ".join(written.dropped)
            what = f"{name}: columns that do not read like labels were dropped: {listed}"
            yield Finding(
                "info",
                "columns",
                what,
                len(written.dropped),
                f"if a study needs one: --keep {','.join(written.dropped)}",
            )


def _labels(
    intake: Intake,
    cases: Sequence[CaseFacts],
    told: Mapping[str, Mapping[int, str]],
    content: Mapping[str, Any],
) -> Iterator[Finding]:
    if cases and not told and not content["masks"] and not intake.boxes:
        yield Finding(
            "stop",
            "labels",
            "there are no labels, masks or boxes",
            len(cases),
            "add labels.csv, masks/ or boxes.json",
        )
    for column, values in told.items():
        yield from _column(column, len(cases) - len(values), content["labels"][column])
    yield from _drawn(intake, cases, content)


def _column(
    column: str, missing: int, balance: Mapping[str, Mapping[str, int]]
) -> Iterator[Finding]:
    counts = {value: entry["images"] for value, entry in balance.items()}
    if missing:
        yield Finding(
            "warn",
            "labels",
            f"images have no value in column {column}",
            missing,
            "label them, or they are left out",
        )
    if len(counts) == 1:
        yield Finding(
            "info",
            "balance",
            f"column {column} holds one value only",
            sum(counts.values()),
            "nothing can be learnt from it alone",
        )
    elif counts and max(counts.values()) > _UNEVEN * min(counts.values()):
        rare = min(counts, key=lambda value: counts[value])
        yield Finding(
            "warn",
            "balance",
            f"column {column}: value {rare} is rare",
            counts[rare],
            "add such cases, or judge it by AUC",
        )
    few = sum(entry["patients"] < _FEW_OF_CLASS for entry in balance.values())
    if few and len(counts) > 1:
        yield Finding(
            "info",
            "balance",
            f"column {column}: values with under {_FEW_OF_CLASS} patients",
            few,
            "expect wide intervals",
        )


def _drawn(
    intake: Intake, cases: Sequence[CaseFacts], content: Mapping[str, Any]
) -> Iterator[Finding]:
    if 0 < content["masks"] < len(cases):
        yield Finding(
            "warn",
            "labels",
            "images have no mask",
            len(cases) - content["masks"],
            "add masks of their names, or they are left out",
        )
    if intake.boxes and len(intake.boxes) < len(cases):
        yield Finding(
            "warn",
            "labels",
            "images have no entry in boxes.json",
            len(cases) - len(intake.boxes),
            "an image without boxes needs objects: []",
        )
    for name, count in intake.unmatched.items():
        if count:
            yield Finding(
                "warn",
                "labels",
                f"{name}: rows that fit no case, or more than one",
                count,
                "compare its names with the files",
            )
    if intake.loose_masks:
        yield Finding(
            "warn",
            "labels",
            "masks that fit no image",
            intake.loose_masks,
            "give each mask its image's name",
        )


def _doubles(content: Mapping[str, Mapping[str, int]]) -> Iterator[Finding]:
    for kind, words in (("exact", "the same picture"), ("near", "nearly the same picture")):
        counts = content[kind]
        if counts["across_labels"]:
            yield Finding(
                "warn",
                "doubles",
                f"{words} under different labels",
                counts["across_labels"],
                "find out which label is right",
            )
        if counts["across_patients"]:
            do = "merge the patients or drop one: training and test would share a picture"
            yield Finding(
                "warn",
                "doubles",
                f"{words} under different patients",
                counts["across_patients"],
                do,
            )
        rest = counts["groups"] - max(counts["across_labels"], counts["across_patients"])
        if rest > 0 and kind == "exact":
            yield Finding(
                "info",
                "doubles",
                f"{words} more than once for one patient",
                rest,
                "drop the copies: they count twice",
            )


def _pixels(cases: Sequence[CaseFacts], content: Mapping[str, Any]) -> Iterator[Finding]:
    flat = sum(case.low == case.high for case in cases)
    if flat:
        yield Finding("warn", "pixels", "images of a single grey", flat, "leave them out")
    if len(content["spacings"]) > 1 and "volume" in content["kinds"]:
        yield Finding(
            "info",
            "spacing",
            "volumes differ in spacing",
            len(content["spacings"]),
            "studies need a resample step",
        )
    for kind, group in content["histograms"].items():
        means = group["means"]
        if means["lowest"] * _FAR < means["highest"] and means["lowest"] > 0:
            what = f"{kind}: mean intensities differ by more than {_FAR:.0f} times"
            yield Finding(
                "info",
                "intensity",
                what,
                content["modalities"][kind],
                "studies need a standardise step; look whether scanners or units mix",
            )


def _aside(intake: Intake) -> Iterator[Finding]:
    for reason, count in intake.aside.items():
        if reason == scan_folder.UNREADABLE:
            yield Finding(
                "warn",
                "aside",
                f"passed over: {reason}",
                count,
                "let this user read them and run again",
            )
            continue
        yield Finding(
            "info", "aside", f"passed over: {reason}", count, "nothing, if they are no images"
        )
    if intake.changed:
        do = "to take them in anew, remove their files from the hospital's folder first"
        yield Finding(
            "warn",
            "changed",
            "sources changed since they were taken in; the first version stands",
            intake.changed,
            do,
        )
