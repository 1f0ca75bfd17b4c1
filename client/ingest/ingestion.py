"""``consilium site ingest``: one folder of exports into one hospital folder, top to bottom.

A run that was stopped goes on where it was; a run over a folder that has grown takes in what is
new. Files that cannot be used, or that a human must look at first, are listed in the hospital's own
quarantine list and counted by reason in the report.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from client.dataset import label_names
from client.deidentify import profile
from client.deidentify.pseudonyms import Names, Pseudonyms
from client.ingest import case_annotations, case_names, cases, convert, layout, scan_folder
from client.ingest.case_annotations import Records
from client.ingest.case_names import NamedCase
from client.ingest.cases import CaseSource, Finder
from client.ingest.intake import Intake
from client.ingest.layout import Places
from client.ingest.scan_folder import Folder
from client.ingest.site_tables import SiteTables
from client.ingest.table_files import Identifiers
from client.readers import _registry
from common.errors import CaseError

VERSION = 1
_EDITION = (
    f"DICOM PS3.15 {profile.EDITION} Annex E, Basic Application Level Confidentiality Profile"
)
_TWICE = (
    "Another file has the same UID and other content; "
    "find out which one is right and leave out the other."
)
Progress = Callable[[int, int], None]


def ingest(
    places: Places,
    keep: Sequence[str] = (),
    progress: Progress = lambda done, total: None,
    cleared: Collection[str] = (),
) -> Intake:
    """Take in everything below ``places.source``.

    Args:
        places: source, hospital's folder and key.
        keep: columns of tables that stay whatever they look like.
        progress: called with how many cases are done and how many there are.
        cleared: files below the source, as the quarantine list names them, in whose pixels a human
            has found no identifier.

    Raises:
        InputError: folder or key cannot be read.
        SiteError: the hospital's folder cannot be written.
    """
    folder = scan_folder.look(places.source)
    intake = Intake(aside=folder.aside)
    identifiers = Identifiers()
    names = Names(Pseudonyms.open(places.key))
    dicom, segmentations = _dicom(folder, intake, names, identifiers)
    sources = [*_cleared(places, (*cases.plain(folder.images), *dicom), cleared)]
    find = Finder(sources)
    records = case_annotations.read(folder.tables, sources, find, identifiers)
    intake.faults = records.faults
    intake.unmatched = records.unmatched
    intake.cases = layout.earlier_cases(places)
    named = case_names.assign(sources, records.numbers, names, intake.cases)
    tables = SiteTables(places, intake, identifiers)
    try:
        _convert(places, named, names.pseudonyms, intake=intake, progress=progress)
        if label_names.FILE in folder.tables and label_names.FILE not in intake.faults:
            tables.write_label_names()
        _masks(places, folder, find, named=named, intake=intake)
        _segmentations(places, segmentations, named, intake=intake, identifiers=identifiers)
    finally:
        shutil.rmtree(places.site / convert.DRAFTS, ignore_errors=True)
    intake.unowned = sum(case.name in intake.cases for case in _unowned(named, records))
    taken = _taken(named, intake)
    tables.write(records, taken, names, keep)
    if "boxes.json" in folder.tables:
        tables.write_boxes(find, taken)
    _manifest(places, intake)
    layout.write(places.local("quarantine.csv"), layout.quarantine(intake.refused))
    return intake


def _dicom(
    folder: Folder, intake: Intake, names: Names, identifiers: Identifiers
) -> tuple[list[CaseSource], list[Any]]:
    """Cases and segmentations among the DICOM files."""
    if not folder.dicom:
        return [], []
    from client.ingest import convert_dicom  # noqa: PLC0415  # opens DICOM; only where there is any

    mentioned = case_annotations.mentioned(folder.tables, [mask.key for mask in folder.masks])
    listing = convert_dicom.listed(folder.dicom, mentioned)
    intake.refused += listing.refused
    intake.aside += listing.aside
    identifiers.add(listing.identifiers)
    # every header is noted before the first name is made: one that comes later could otherwise
    # show that a table's number has two issuers, and change the names made so far
    names.note_headers(
        (source.number, source.issuer) for source in listing.sources if source.number
    )
    return listing.sources, listing.drawings


def _cleared(
    places: Places, sources: Sequence[CaseSource], cleared: Collection[str]
) -> Iterator[CaseSource]:
    for source in sources:
        files = frozenset(path for path in source.files if _below(places, path) in cleared)
        yield replace(source, cleared=files)


def _convert(
    places: Places,
    named: Sequence[NamedCase],
    pseudonyms: Pseudonyms,
    intake: Intake,
    progress: Progress,
) -> None:
    seen: set[str] = set()
    log = os.open(places.local("cases.jsonl"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(log, "a", encoding="utf-8") as lines:
        for done, case in enumerate(named, 1):
            files = case.source.files
            if case.key in seen:
                intake.refused += [(_below(places, path), _TWICE) for path in files]
            elif case.name in intake.cases:
                intake.changed += intake.cases[case.name].stamp != case.source.stamp
            else:
                try:
                    facts = convert.take(
                        case.source, case.name, case.patient, names=pseudonyms, site=places.site
                    )
                    intake.cases[case.name] = facts
                    intake.fresh += 1
                    lines.write(facts.line() + "\n")
                    # at once, so that a run that is stopped here knows the case next time
                    lines.flush()
                except CaseError as error:
                    intake.refused += [(_below(places, path), error.public) for path in files]
            seen.add(case.key)
            progress(done, len(named))


def _masks(
    places: Places, folder: Folder, find: Finder, named: Sequence[NamedCase], intake: Intake
) -> None:
    for mask in folder.masks:
        place = find(_registry.key(mask.key))
        name = "" if place is None else named[place].name
        if name not in intake.cases:
            intake.loose_masks += 1
            continue
        try:
            intake.cases[name] = convert.take_mask(mask.path, intake.cases[name], places.site)
        except CaseError as error:
            intake.refused.append((mask.key, f"Mask: {error.public}"))


def _segmentations(
    places: Places,
    segmentations: Sequence[Any],
    named: Sequence[NamedCase],
    intake: Intake,
    identifiers: Identifiers,
) -> None:
    if not segmentations:
        return
    from client.ingest import dicom_masks  # noqa: PLC0415  # opens DICOM; only where there is any

    volumes: Mapping[str, CaseSource] = {
        case.name: case.source for case in named if case.source.kind == "dicom volume"
    }
    unusable = dicom_masks.take(
        segmentations, volumes, intake.cases, site=places.site, identifiers=identifiers
    )
    intake.refused += [
        (_below(places, path), f"Segmentation: {reason}") for path, reason in unusable
    ]


def _unowned(named: Sequence[NamedCase], records: Records) -> Iterator[NamedCase]:
    """Cases of which neither a table nor a header says whose they are."""
    for place, case in enumerate(named):
        if not (case.source.number or case.source.issuer or place in records.numbers):
            yield case


def _taken(named: Sequence[NamedCase], intake: Intake) -> dict[int, tuple[str, str]]:
    """File and patient of each case that was taken in, by index of its source."""
    return {
        place: (intake.cases[case.name].file, intake.cases[case.name].patient)
        for place, case in enumerate(named)
        if case.name in intake.cases
    }


def _manifest(places: Places, intake: Intake) -> None:
    ordered = [intake.cases[name] for name in sorted(intake.cases)]
    document = {
        "version": VERSION,
        "profile": _EDITION,
        "cases": [facts.public() for facts in ordered],
    }
    content = json.dumps(document, indent=1, allow_nan=False).encode() + b"\n"
    layout.share(places.site / "manifest.json", content)
    lines = "".join(facts.line() + "\n" for facts in ordered)
    layout.write(places.local("cases.jsonl"), lines.encode())


def _below(places: Places, path: Path) -> str:
    return scan_folder.name_of(path, places.source)
