"""Tables of the hospital's folder, written anew by every intake.

Rows about cases of earlier runs stay, also where their source is gone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from client.dataset import box_files, label_names
from client.deidentify.pseudonyms import Names
from client.ingest import case_annotations, layout, table_files
from client.ingest.case_annotations import Records, WrittenTable
from client.ingest.cases import Finder
from client.ingest.intake import Intake
from client.ingest.layout import Places
from client.ingest.table_files import Identifiers, Row
from common.errors import SiteError


class SiteTables:
    """Writes the tables of one intake.

    Args:
        places: of the intake.
        intake: notes what is written, and what cannot be read.
        identifiers: texts that no table may hold.
    """

    def __init__(self, places: Places, intake: Intake, identifiers: Identifiers) -> None:
        self._places = places
        self._intake = intake
        self._identifiers = identifiers

    def write_label_names(self) -> None:
        """The hospital's own labels.toml without its comments, unless the folder has one."""
        path = self._places.site / label_names.FILE
        if path.exists():
            return
        content = label_names.dumps(label_names.read(self._places.source))
        if self._identifiers.within(content):
            self._intake.faults[label_names.FILE] = "it holds an identifier"
        else:
            layout.share(path, content.encode())

    def write(
        self,
        records: Records,
        cases: Mapping[int, tuple[str, str]],
        names: Names,
        keep: Sequence[str],
    ) -> None:
        """labels.csv, cases.csv and table.csv.

        Args:
            records: what the source's tables say.
            cases: file and patient of each case that was taken in, by index of its source.
            names: makes pseudonyms.
            keep: columns that stay whatever they look like.
        """
        tables = self._intake.tables
        for name in ("labels.csv", "cases.csv"):
            # cases.csv says whose each case is, so there is one even if the source has none
            if name in records.sheets or name == "cases.csv":
                tables[name] = case_annotations.table(
                    name, records, cases, keep=keep, identifiers=self._identifiers
                )
        tables["cases.csv"].rows += self._missing_cases(tables["cases.csv"])
        if "table.csv" in records.sheets:
            patients = {facts.patient for facts in self._intake.cases.values()}
            tables["table.csv"] = case_annotations.side_table(
                records, names, patients, keep=keep, identifiers=self._identifiers
            )
        for name, table in tables.items():
            _write_table(self._places.site / name, table)

    def _missing_cases(self, table: WrittenTable) -> list[Row]:
        listed = {row["file"] for row in table.rows}
        return [
            {"file": facts.file, "patient_id": facts.patient}
            for facts in self._intake.cases.values()
            if facts.file not in listed
        ]

    def write_boxes(self, find: Finder, cases: Mapping[int, tuple[str, str]]) -> None:
        """boxes.json: this run's entries and those of earlier runs.

        Args:
            find: finds the case of an entry.
            cases: as for :meth:`write`.
        """
        site = self._places.site
        path = site / "boxes.json"
        try:
            entries, unmatched = case_annotations.box_entries(
                self._places.source, find, cases, self._identifiers
            )
            earlier = box_files.read_boxes(site, label_names.LabelNames()) if path.exists() else {}
        except SiteError as error:
            self._intake.faults["boxes.json"] = error.public
            return
        self._intake.boxes = {**earlier, **entries}
        self._intake.unmatched["boxes.json"] += unmatched
        content = json.dumps(self._intake.boxes, indent=0, sort_keys=True)
        layout.share(path, content.encode() + b"\n")


def _write_table(path: Path, table: WrittenTable) -> None:
    """Rows of this run, and those of earlier runs about what this run says nothing of."""
    keys = ["patient_id"] if path.name == "table.csv" else ["file", "patient_id"]
    written = {row[keys[0]] for row in table.rows}
    table.rows += [row for row in _earlier_rows(path, keys) if row[keys[0]] not in written]
    # a fixed order, so that the same export gives the same bytes again
    table.rows.sort(key=lambda row: [row.get(name, "") for name in (*keys, *table.columns)])
    layout.share(path, table_files.text([*keys, *table.columns], table.rows))


def _earlier_rows(path: Path, keys: Iterable[str]) -> list[Row]:
    try:
        sheet = table_files.read(path)
    except SiteError:
        return []
    return [dict(row) for row in sheet.rows] if set(keys) <= set(sheet.columns) else []
