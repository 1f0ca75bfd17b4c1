"""``consilium site ingest``: one folder of exports into one hospital folder, top to bottom.

A run that was stopped goes on where it was; a run over a folder that has grown takes in what is
new. Files that cannot be used, or that a human must look at first, are listed in the hospital's own
quarantine list and counted by reason in the report.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from client.dataset import box_files, label_names
from client.deidentify import profile
from client.deidentify.pseudonyms import Names, Pseudonyms
from client.ingest import case_annotations, cases, convert, layout, scan_folder, table_files
from client.ingest.case_annotations import Records, Written
from client.ingest.case_facts import Facts
from client.ingest.cases import Finder, Source
from client.ingest.layout import Places
from client.ingest.scan_folder import Folder
from client.ingest.table_files import Identifiers
from client.readers import _registry
from common.errors import CaseError, SiteError

VERSION = 1
_EDITION = (
    f"DICOM PS3.15 {profile.EDITION} Annex E, Basic Application Level Confidentiality Profile"
)
_TWICE = "Another file has the same UID and other content; find out which one is right and leave out the other."
Tell = Callable[[int, int], None]


@dataclass
class Intake:
    """What a run did, for the report.

    Attributes:
        cases: all that stand in the hospital's folder, of this and of earlier runs, by name without
            ending.
        fresh: how many of them this run took in.
        refused: ``(file below the source, public reason)``; stays at the hospital.
        aside: files passed over, by reason.
        changed: cases whose source has changed since it was taken in.
        unowned: cases of which neither a table nor a header says whose they are.
        tables: what was written of each table of the source.
        faults: tables and boxes that cannot be read.
        unmatched: rows and entries that fit no case.
        loose_masks: masks that belong to no case.
    """

    cases: dict[str, Facts] = field(default_factory=dict)
    fresh: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)
    aside: Counter[str] = field(default_factory=Counter)
    changed: int = 0
    unowned: int = 0
    tables: dict[str, Written] = field(default_factory=dict)
    boxes: dict[str, Any] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    unmatched: Counter[str] = field(default_factory=Counter)
    loose_masks: int = 0


def ingest(
    where: Places,
    keep: Sequence[str] = (),
    tell: Tell = lambda done, total: None,
    cleared: Collection[str] = (),
) -> Intake:
    """Take in everything below ``where.source``.

    Args:
        keep: columns of tables that stay whatever they look like.
        tell: called with how many cases are done and how many there are.
        cleared: files below the source, as the quarantine list names them, in whose pixels a human
            has found no identifier.

    Raises:
        InputError: folder or key cannot be read.
        SiteError: the hospital's folder cannot be written.
    """
    folder, intake, known = scan_folder.look(where.source), Intake(), Identifiers()
    intake.aside = folder.aside
    names = Names(Pseudonyms.open(where.key))
    dicom, drawn = _dicom(folder, intake, names, known)
    found = [_cleared(where, source, cleared) for source in (*cases.plain(folder.images), *dicom)]
    find = Finder(found)
    told = case_annotations.read(folder.tables, found, find, known)
    intake.faults, intake.unmatched = told.faults, told.unmatched
    patients = [
        _patient(source, told.numbers.get(place), names) for place, source in enumerate(found)
    ]
    intake.cases = layout.known_cases(where)
    named = _named(found, patients, names, intake)
    try:
        _take(where, (found, named, patients), names, intake, tell)
        _labels(where, folder, intake, known)
        _masks(where, folder, find, named, intake)
        _drawn(
            where,
            drawn,
            {named[i]: one for i, one in enumerate(found) if one.kind == "dicom volume"},
            intake,
            known,
        )
    finally:
        shutil.rmtree(where.site / convert.DRAFTS, ignore_errors=True)
    nobody = (
        place
        for place, source in enumerate(found)
        if not (source.number or source.issuer or place in told.numbers)
    )
    intake.unowned = sum(named[place] in intake.cases for place in nobody)
    _tables(
        where,
        folder,
        told,
        {i: n for i, n in named.items() if n in intake.cases},
        intake,
        (names, find, known, keep),
    )
    _manifest(where, intake)
    layout.write(where.local("quarantine.csv"), layout.quarantine(intake.refused))
    return intake


def _dicom(
    folder: Folder, intake: Intake, names: Names, known: Identifiers
) -> tuple[list[Source], list[Any]]:
    """Cases and segmentations among the DICOM files."""
    if not folder.dicom:
        return [], []
    from client.ingest import convert_dicom  # noqa: PLC0415  # opens DICOM; only where there is any

    listed = convert_dicom.listed(
        folder.dicom, case_annotations.spoken(folder.tables, [mask.key for mask in folder.masks])
    )
    intake.refused += listed.refused
    intake.aside += listed.aside
    known.add(listed.identifiers)
    names.know((source.number, source.issuer) for source in listed.sources if source.number)
    return listed.sources, listed.drawings


def _cleared(where: Places, source: Source, cleared: Collection[str]) -> Source:
    return replace(
        source, cleared=frozenset(path for path in source.files if _below(where, path) in cleared)
    )


def _patient(source: Source, stated: str | None, names: Names) -> str:
    """The table's word, else the header's, else the file stands for a patient of its own."""
    if stated:
        return names.patient(stated, source.issuer if stated == source.number else None)
    if source.number or source.issuer:
        return names.patient(source.number, source.issuer)
    return names.patient(source.identity, "file")


def _named(
    found: Sequence[Source], patients: Sequence[str], names: Names, intake: Intake
) -> dict[int, str]:
    """The name of each case; one that was taken in before keeps it, also if it has become known since whose it is."""
    before = {_own(name): name for name in intake.cases}
    named: dict[int, str] = {}
    for place, source in enumerate(found):
        name = names.case(patients[place], source.identity)
        named[place] = before.get(_own(name), name)
        if named[place] in intake.cases:
            intake.cases[named[place]] = replace(
                intake.cases[named[place]], patient=patients[place]
            )
    return named


def _own(name: str) -> str:
    """The part of a case's name that does not depend on whose it is."""
    return name.rpartition("_")[2]


def _take(
    where: Places,
    plan: tuple[list[Source], dict[int, str], list[str]],
    names: Names,
    intake: Intake,
    tell: Tell,
) -> None:
    found, named, patients = plan
    seen: set[str] = set()
    journal = os.open(where.local("cases.jsonl"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(journal, "a", encoding="utf-8") as lines:
        for place, source in enumerate(found):
            name = named[place]
            if _own(name) in seen:
                intake.refused += [(_below(where, path), _TWICE) for path in source.files]
            elif name in intake.cases:
                intake.changed += intake.cases[name].stamp != source.stamp
            else:
                try:
                    intake.cases[name] = convert.take(
                        source, name, patients[place], names.pseudonyms, where.site
                    )
                    intake.fresh += 1
                    lines.write(intake.cases[name].line() + "\n")
                    lines.flush()
                except CaseError as error:
                    intake.refused += [(_below(where, path), error.public) for path in source.files]
            seen.add(_own(name))
            tell(place + 1, len(found))


def _masks(
    where: Places, folder: Folder, find: Finder, named: dict[int, str], intake: Intake
) -> None:
    for mask in folder.masks:
        place = find(_registry.key(mask.key))
        case = intake.cases.get(named[place]) if place is not None else None
        if place is None or case is None:
            intake.loose_masks += 1
            continue
        try:
            intake.cases[named[place]] = convert.take_mask(mask.path, case, where.site)
        except CaseError as error:
            intake.refused.append((mask.key, f"Mask: {error.public}"))


def _drawn(
    where: Places, drawn: list[Any], volumes: dict[str, Source], intake: Intake, known: Identifiers
) -> None:
    if drawn:
        from client.ingest import dicom_masks  # noqa: PLC0415  # opens DICOM; only where there is any

        found = dicom_masks.take(drawn, volumes, intake.cases, where.site, known)
        intake.refused += [
            (_below(where, path), f"Segmentation: {reason}") for path, reason in found
        ]


def _tables(
    where: Places,
    folder: Folder,
    told: Records,
    named: dict[int, str],
    intake: Intake,
    tools: tuple[Names, Finder, Identifiers, Sequence[str]],
) -> None:
    """labels.csv, cases.csv, table.csv and boxes.json anew; rows of earlier runs whose source is gone stay."""
    names, find, known, keep = tools
    case = {
        place: (intake.cases[name].name.split("/", 1)[1], intake.cases[name].patient)
        for place, name in named.items()
    }
    for name in ("labels.csv", "cases.csv"):
        if name in told.sheets or name == "cases.csv":
            intake.tables[name] = case_annotations.table(name, told, case, keep, known)
    have = {row["file"] for row in intake.tables["cases.csv"].rows}
    intake.tables["cases.csv"].rows += [
        {"file": facts.name.split("/", 1)[1], "patient_id": facts.patient}
        for facts in intake.cases.values()
        if facts.name.split("/", 1)[1] not in have
    ]
    if "table.csv" in told.sheets:
        intake.tables["table.csv"] = case_annotations.side_table(
            told, names, {f.patient for f in intake.cases.values()}, keep, known
        )
    for name, written in intake.tables.items():
        _write_table(where.site / name, written)
    if "boxes.json" in folder.tables:
        _boxes(where, find, case, intake, known)


def _labels(where: Places, folder: Folder, intake: Intake, known: Identifiers) -> None:
    """The hospital's own labels.toml, unless the hospital's folder has one; its comments stay behind."""
    if (
        label_names.FILE not in folder.tables
        or (where.site / label_names.FILE).exists()
        or label_names.FILE in intake.faults
    ):
        return
    content = label_names.dumps(label_names.read(where.source))
    if known.within(content):
        intake.faults[label_names.FILE] = "it holds an identifier"
    else:
        layout.share(where.site / label_names.FILE, content.encode())


def _write_table(path: Path, written: Written) -> None:
    """Rows of this run, and those of earlier runs about cases (or patients) that this run says nothing of."""
    keys = ["patient_id"] if path.name == "table.csv" else ["file", "patient_id"]
    told = {row[keys[0]] for row in written.rows}
    written.rows += [row for row in _standing(path, keys) if row[keys[0]] not in told]
    written.rows.sort(key=lambda row: [row.get(name, "") for name in (*keys, *written.columns)])
    layout.share(path, table_files.text([*keys, *written.columns], written.rows))


def _standing(path: Path, keys: Iterable[str]) -> list[dict[str, str]]:
    try:
        sheet = table_files.read(path)
    except SiteError:
        return []
    return [dict(row) for row in sheet.rows] if set(keys) <= set(sheet.columns) else []


def _boxes(
    where: Places,
    find: Finder,
    case: dict[int, tuple[str, str]],
    intake: Intake,
    known: Identifiers,
) -> None:
    path = where.site / "boxes.json"
    try:
        entries, left = case_annotations.drawn(where.source, find, case, known)
        standing = (
            box_files.read_boxes(where.site, label_names.LabelNames()) if path.exists() else {}
        )
    except SiteError as error:
        intake.faults["boxes.json"] = error.public
        return
    intake.boxes = {**standing, **entries}
    intake.unmatched["boxes.json"] += left
    layout.share(path, json.dumps(intake.boxes, indent=0, sort_keys=True).encode() + b"\n")


def _manifest(where: Places, intake: Intake) -> None:
    cases = [intake.cases[name].public() for name in sorted(intake.cases)]
    document = {"version": VERSION, "profile": _EDITION, "cases": cases}
    layout.share(
        where.site / "manifest.json",
        json.dumps(document, indent=1, allow_nan=False).encode() + b"\n",
    )
    layout.write(
        where.local("cases.jsonl"),
        "".join(intake.cases[name].line() + "\n" for name in sorted(intake.cases)).encode(),
    )


def _below(where: Places, path: Path) -> str:
    return scan_folder.name_of(path, where.source)
