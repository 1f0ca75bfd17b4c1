"""What a hospital has, in counts, and what stands in the way: the content of readiness.json.

The document is the hospital's own: it holds no identifier and no file name, but small counts and
the hospital's scanners.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from client.dataset.manifest import Case, Manifest
from client.dataset.patient_split import PARTS, split
from client.ingest.case_facts import BINS, CaseFacts
from client.ingest.intake import Intake
from client.ingest.readiness import duplicates, readiness_findings
from client.ingest.readiness.duplicates import Doubles
from common.study.sections import Data

_MOST = 12
"""Most entries of a list of counts; the rest is one number."""
_SEED = 1


def report(intake: Intake, name: str) -> dict[str, Any]:
    """Everything that the page shows, as JSON."""
    cases = [intake.cases[key] for key in sorted(intake.cases)]
    columns = labels(intake)
    doubles = duplicates.find(cases)
    content = {
        "version": 1,
        "site": name,
        "cases": len(cases),
        "taken_in_now": intake.fresh,
        "patients": len({case.patient for case in cases}),
        "kinds": dict(Counter(case.kind for case in cases)),
        "modalities": dict(Counter(case.modality for case in cases)),
        "scanners": _most(Counter(case.scanner or "not stated" for case in cases)),
        "shapes": _most(Counter(" x ".join(map(str, case.shape[1:])) for case in cases)),
        "channels": dict(Counter(str(case.shape[0]) for case in cases)),
        "spacings": _most(Counter(spacing(case) for case in cases)),
        "labels": {column: _balance(values, cases) for column, values in columns.items()},
        "boxes": dict(
            Counter(item["label"] for entry in intake.boxes.values() for item in entry["objects"])
        ),
        "masks": sum(bool(case.mask) for case in cases),
        "histograms": {
            kind: _histogram(group) for kind, group in sorted(_by_modality(cases).items())
        },
        "split": _parts(cases, columns),
        "doubles": _doubles(doubles, cases, columns),
        "quarantined": dict(Counter(reason for _, reason in intake.refused)),
        "aside": dict(intake.aside),
        "tables": {
            k: {"kept": w.columns, "dropped": w.dropped, "blanked": w.blanked, "rows": len(w.rows)}
            for k, w in intake.tables.items()
        },
    }
    return {
        **content,
        "findings": [
            asdict(finding) for finding in readiness_findings.judge(intake, cases, columns, content)
        ],
    }


def labels(intake: Intake) -> dict[str, dict[int, str]]:
    """For each kept column of labels.csv and cases.csv: value by index among the sorted cases."""
    place = {intake.cases[key].file: i for i, key in enumerate(sorted(intake.cases))}
    columns: dict[str, dict[int, str]] = {}
    for name in ("labels.csv", "cases.csv"):
        written = intake.tables.get(name)
        for column in written.columns if written else ():
            values = (
                {
                    place[row["file"]]: row[column]
                    for row in written.rows
                    if row.get(column) and row["file"] in place
                }
                if written
                else {}
            )
            columns.setdefault(column, {}).update(values)
    return columns


def spacing(case: CaseFacts) -> str:
    """Spacing in words, to a hundredth of a millimetre; a picture states none."""
    return (
        "not stated"
        if case.kind == "image" and set(case.spacing) == {1.0}
        else " x ".join(f"{mm:.2f}" for mm in case.spacing) + " mm"
    )


def _balance(values: Mapping[int, str], cases: Sequence[CaseFacts]) -> dict[str, dict[str, int]]:
    people: dict[str, set[str]] = defaultdict(set)
    for place, value in values.items():
        people[value].add(cases[place].patient)
    images = Counter(values.values())
    return {
        value: {"images": images[value], "patients": len(people[value])} for value in sorted(images)
    }


def _by_modality(cases: Iterable[CaseFacts]) -> dict[str, list[CaseFacts]]:
    groups: dict[str, list[CaseFacts]] = defaultdict(list)
    for case in cases:
        groups[case.modality].append(case)
    return groups


def _histogram(cases: Sequence[CaseFacts]) -> dict[str, Any]:
    """All values of the cases on one axis, which spans all but the most extreme cases.

    Each case weighs the same.
    """
    low = float(np.percentile([case.low for case in cases], 5))
    high = float(np.percentile([case.high for case in cases], 95))
    high = high if high > low else low + 1.0
    total = np.zeros(BINS)
    for case in cases:
        width = (case.high - case.low) or 1.0
        middles = case.low + (np.arange(BINS) + 0.5) * width / BINS
        share = np.asarray(case.histogram) / max(1, sum(case.histogram))
        total += np.histogram(np.clip(middles, low, high), BINS, (low, high), weights=share)[0]
    means = [case.mean for case in cases]
    return {
        "low": low,
        "high": high,
        "share": [round(float(v), 6) for v in total / len(cases)],
        "means": {"lowest": min(means), "median": float(np.median(means)), "highest": max(means)},
    }


def _parts(
    cases: Sequence[CaseFacts], columns: Mapping[str, Mapping[int, str]]
) -> dict[str, dict[str, int]]:
    """How a study with the default shares and seed would part the patients.

    They are spread over the classes of the first label column.
    """
    if not cases:
        return {}
    number = {patient: i for i, patient in enumerate(sorted({case.patient for case in cases}))}
    first = next(iter(columns.values()), {})
    classes = {value: i for i, value in enumerate(sorted(set(first.values())))}
    strata = [classes[first[i]] if i in first else None for i in range(len(cases))]
    pairs = zip(cases, strata, strict=True)
    listed = [Case(Path(), number[case.patient], stratum=stratum) for case, stratum in pairs]
    parts = split(Manifest(tuple(listed), len(number), 0, Counter()), Data(), _SEED)
    return {
        part: {
            "images": len(parts[part]),
            "patients": len({listed[i].patient for i in parts[part]}),
        }
        for part in PARTS
    }


def _doubles(
    doubles: Doubles, cases: Sequence[CaseFacts], columns: Mapping[str, Mapping[int, str]]
) -> dict[str, dict[str, int]]:
    """Counts of doubles; near ones of one patient do not count.

    Neighbouring slices and repeated exposures look alike.
    """
    owners = {i: case.patient for i, case in enumerate(cases)}
    first = next(iter(columns.values()), {})
    shown = {}
    for kind, groups in (
        ("exact", doubles.exact),
        ("near", tuple(g for g in doubles.near if len({owners[i] for i in g}) > 1)),
    ):
        shown[kind] = {
            "groups": len(groups),
            "cases": sum(map(len, groups)),
            "across_patients": duplicates.across(groups, owners),
            "across_labels": duplicates.across(groups, first),
        }
    return shown


def _most(counts: Counter[str]) -> dict[str, int]:
    """The most frequent, and the rest as one number."""
    kept = dict(counts.most_common(_MOST))
    rest = counts.total() - sum(kept.values())
    return {**kept, f"{len(counts) - len(kept)} others": rest} if rest else kept
