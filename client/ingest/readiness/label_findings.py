"""What stands in the way of learning from a hospital's labels, masks and boxes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from client.ingest.case_facts import CaseFacts
from client.ingest.intake import Intake
from client.ingest.readiness.finding import Finding, info, stop, warn

_FEW_PATIENTS = 10
"""A value of fewer patients gives wide intervals."""
_UNEVEN = 10
"""A value is rare if another one has this many times its images."""


def judge(
    intake: Intake,
    cases: Sequence[CaseFacts],
    columns: Mapping[str, Mapping[int, str]],
    content: Mapping[str, Any],
) -> Iterator[Finding]:
    """Findings about labels, masks and boxes.

    Args:
        intake: of the hospital.
        cases: all of them.
        columns: for each column of labels, the value of each case that has one.
        content: the counts of readiness.json.
    """
    if cases and not columns and not content["masks"] and not intake.boxes:
        what = "there are no labels, masks or boxes"
        yield stop("labels", what, len(cases), "add labels.csv, masks/ or boxes.json")
    for column, values in columns.items():
        yield from _column(column, len(cases) - len(values), content["labels"][column])
    yield from _missing(intake, cases, content)
    yield from _unmatched(intake)


def _column(
    column: str, missing: int, balance: Mapping[str, Mapping[str, int]]
) -> Iterator[Finding]:
    counts = {value: entry["images"] for value, entry in balance.items()}
    if missing:
        what = f"images have no value in column {column}"
        yield warn("labels", what, missing, "label them, or they are left out")
    if len(counts) == 1:
        what = f"column {column} holds one value only"
        yield info("balance", what, sum(counts.values()), "nothing can be learnt from it alone")
    elif counts and max(counts.values()) > _UNEVEN * min(counts.values()):
        rare = min(counts, key=lambda value: counts[value])
        what = f"column {column}: value {rare} is rare"
        yield warn("balance", what, counts[rare], "add such cases, or judge it by AUC")
    few = sum(entry["patients"] < _FEW_PATIENTS for entry in balance.values())
    if few and len(counts) > 1:
        what = f"column {column}: values with under {_FEW_PATIENTS} patients"
        yield info("balance", what, few, "expect wide intervals")


def _missing(
    intake: Intake, cases: Sequence[CaseFacts], content: Mapping[str, Any]
) -> Iterator[Finding]:
    if 0 < content["masks"] < len(cases):
        yield warn(
            "labels",
            "images have no mask",
            len(cases) - content["masks"],
            "add masks of their names, or they are left out",
        )
    if intake.boxes and len(intake.boxes) < len(cases):
        yield warn(
            "labels",
            "images have no entry in boxes.json",
            len(cases) - len(intake.boxes),
            "an image without boxes needs objects: []",
        )


def _unmatched(intake: Intake) -> Iterator[Finding]:
    for name, count in intake.unmatched.items():
        if count:
            what = f"{name}: rows that fit no case, or more than one"
            yield warn("labels", what, count, "compare its names with the files")
    if intake.loose_masks:
        do = "give each mask its image's name"
        yield warn("labels", "masks that fit no image", intake.loose_masks, do)


def doubles(content: Mapping[str, Mapping[str, int]]) -> Iterator[Finding]:
    """Findings about the same picture more than once.

    Args:
        content: counts of exact and of near doubles.
    """
    for kind, words in (("exact", "the same picture"), ("near", "nearly the same picture")):
        counts = content[kind]
        if counts["across_labels"]:
            what = f"{words} under different labels"
            yield warn("doubles", what, counts["across_labels"], "find out which label is right")
        if counts["across_patients"]:
            what = f"{words} under different patients"
            do = "merge the patients or drop one: training and test would share a picture"
            yield warn("doubles", what, counts["across_patients"], do)
        rest = counts["groups"] - max(counts["across_labels"], counts["across_patients"])
        # near doubles of one patient are what neighbouring slices are like
        if rest > 0 and kind == "exact":
            what = f"{words} more than once for one patient"
            yield info("doubles", what, rest, "drop the copies: they count twice")
