"""What tables and boxes of the source say about its cases, and the same in the new names."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from client.dataset import box_files, label_names
from client.deidentify.pseudonyms import Names
from client.ingest import table_files
from client.ingest.cases import CaseSource, Finder
from client.ingest.table_files import Identifiers, Row, Sheet
from client.readers import _registry
from common.errors import SiteError

_NUMBERS = ("width", "height", "depth")
_CORNERS = {"box_xyxy": 4, "box_xyzxyz": 6}
_TABLES = ("labels.csv", "cases.csv")


@dataclass
class Records:
    """What tables say about the cases.

    Attributes:
        sheets: readable tables by file name.
        places: for each table, index of the case of each row's cases; several where a row names a
            patient.
        numbers: the patient of each case as a table states it.
        faults: tables that cannot be read, and what is wrong with them.
        unmatched: rows that fit no case, by table.
        listed: the hospital's own words for labels, as its labels.toml has them.
    """

    sheets: dict[str, Sheet] = field(default_factory=dict)
    places: dict[str, list[list[int]]] = field(default_factory=dict)
    numbers: dict[int, str] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    unmatched: Counter[str] = field(default_factory=Counter)
    listed: frozenset[str] = frozenset()


@dataclass
class WrittenTable:
    """What stands in a table of the hospital's folder, and what was left out on the way.

    Attributes:
        columns: kept ones beside file and patient_id.
        rows: by column.
        dropped: columns left out.
        blanked: values that held an identifier.
    """

    columns: list[str]
    rows: list[Row]
    dropped: list[str]
    blanked: int


def read(
    tables: Mapping[str, Path],
    sources: Sequence[CaseSource],
    find: Finder,
    identifiers: Identifiers,
) -> Records:
    """Read the tables and tell whose row is whose; identifiers in them are noted."""
    records = Records()
    _read_files(tables, records)
    for sheet in records.sheets.values():
        number = sheet.column("patient")
        identifiers.add(row.get(number, "") for row in sheet.rows if number)
    for name in _TABLES:
        if name in records.sheets:
            _match(name, records, sources, find)
    return records


def _read_files(tables: Mapping[str, Path], records: Records) -> None:
    try:
        if label_names.FILE in tables:
            names = label_names.read(tables[label_names.FILE].parent)
            records.listed = frozenset(names.labels)
    except SiteError as error:
        records.faults[label_names.FILE] = error.public
    for name in (*_TABLES, "table.csv"):
        try:
            if name in tables:
                records.sheets[name] = table_files.read(tables[name])
        except SiteError as error:
            records.faults[name] = error.public


def mentioned(tables: Mapping[str, Path], masks: Iterable[str]) -> frozenset[str]:
    """Every name by which tables, boxes and masks speak of a file, as keys without ending."""
    names = list(masks)
    for name in _TABLES:
        with contextlib.suppress(SiteError):
            if name in tables:
                sheet = table_files.read(tables[name])
                columns = [c for c in (sheet.column("file"), sheet.column("sop")) if c]
                names += [row[c] for row in sheet.rows for c in columns if row.get(c)]
    with contextlib.suppress(SiteError):
        names += (
            box_files.read_boxes(tables["boxes.json"].parent, label_names.LabelNames())
            if "boxes.json" in tables
            else []
        )
    return frozenset(_registry.stem(name) for name in names)


def _match(name: str, records: Records, sources: Sequence[CaseSource], find: Finder) -> None:
    sheet = records.sheets[name]
    keys = [c for c in (sheet.column("sop"), sheet.column("series"), sheet.column("file")) if c]
    number = sheet.column("patient")
    patients = _by_number(sources)
    places: list[list[int]] = []
    for row in sheet.rows:
        matches = (find(row[c]) for c in keys if row.get(c))
        hits = [place for place in matches if place is not None][:1]
        # a row that names no file speaks of all that the patient has
        if not hits and number and not any(row.get(c) for c in keys):
            hits = patients.get(row.get(number, ""), [])
        records.unmatched[name] += not hits
        places.append(hits)
        if number and row.get(number):
            records.numbers.update(
                {place: row[number] for place in hits if place not in records.numbers}
            )
    records.places[name] = places


def _by_number(sources: Sequence[CaseSource]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    for place, source in enumerate(sources):
        if source.number:
            places.setdefault(source.number, []).append(place)
    return places


def table(
    name: str,
    records: Records,
    cases: Mapping[int, tuple[str, str]],
    keep: Iterable[str],
    identifiers: Identifiers,
) -> WrittenTable:
    """A table of cases in the new names.

    Args:
        name: labels.csv or cases.csv.
        records: what the source's tables say.
        cases: by index of the source: the case's file below images/ or dicom/, and its patient's
            pseudonym.
        keep: columns that are kept whatever they look like.
        identifiers: no value that holds one of them is kept.
    """
    sheet = records.sheets.get(name, Sheet((), ()))
    pairs = [
        (row, place)
        for row, hits in zip(sheet.rows, records.places.get(name, []), strict=True)
        for place in hits
        if place in cases
    ]
    flat = Sheet(sheet.columns, tuple(row for row, _ in pairs))
    columns = table_files.stays(
        flat,
        [cases[place][1] for _, place in pairs],
        keep=keep,
        identifiers=identifiers,
        listed=records.listed,
    )
    rows = (
        {
            "file": cases[place][0],
            "patient_id": cases[place][1],
            **{c: row.get(c, "") for c in columns},
        }
        for row, place in pairs
    )
    clean, blanked = table_files.cleaned(rows, identifiers)
    return WrittenTable(columns, clean, [c for c in sheet.others if c not in columns], blanked)


def side_table(
    records: Records,
    names: Names,
    patients: set[str],
    keep: Iterable[str],
    identifiers: Identifiers,
) -> WrittenTable:
    """table.csv in the new names: rows of patients who have a case."""
    sheet = records.sheets.get("table.csv", Sheet((), ()))
    number = sheet.column("patient")
    owners = [
        names.patient(row[number]) if number and row.get(number) else "" for row in sheet.rows
    ]
    kept = [
        (row, owner) for row, owner in zip(sheet.rows, owners, strict=True) if owner in patients
    ]
    flat = Sheet(sheet.columns, tuple(row for row, _ in kept))
    columns = table_files.stays(
        flat,
        [owner for _, owner in kept],
        keep=keep,
        identifiers=identifiers,
        listed=records.listed,
    )
    rows = ({"patient_id": owner, **{c: row.get(c, "") for c in columns}} for row, owner in kept)
    clean, blanked = table_files.cleaned(rows, identifiers)
    return WrittenTable(columns, clean, [c for c in sheet.others if c not in columns], blanked)


def box_entries(
    folder: Path, find: Finder, cases: Mapping[int, tuple[str, str]], identifiers: Identifiers
) -> tuple[dict[str, Any], int]:
    """boxes.json in the new names, only its numbers and labels.

    The count is of the entries that fit no case or cannot be kept.

    Raises:
        SiteError: it cannot be read.
    """
    entries: dict[str, Any] = {}
    left = 0
    for name, entry in box_files.read_boxes(folder, label_names.LabelNames()).items():
        place = find(name)
        clean = _entry(entry, identifiers)
        if place is None or place not in cases or clean is None:
            left += 1
        else:
            entries[cases[place][0]] = clean
    return entries, left


def _entry(entry: Any, identifiers: Identifiers) -> dict[str, Any] | None:
    try:
        size = {side: float(entry[side]) for side in _NUMBERS if side in entry}
        objects: list[dict[str, Any]] = []
        for item in entry["objects"]:
            corners = {
                name: [float(v) for v in item[name]]
                for name, count in _CORNERS.items()
                if name in item and len(item[name]) == count
            }
            objects.append({"label": str(item["label"])[:100], **corners})
        json.dumps([size, objects], allow_nan=False)
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError):
        return None
    return (
        None
        if any(identifiers.within(item["label"]) for item in objects)
        else {**size, "objects": objects}
    )
