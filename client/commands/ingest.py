"""``consilium site ingest, deidentify, pseudonym, twin``: from an export to a study folder."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from common.cli import console
from common.errors import ArgumentError

_SHOWN = 20
"""Findings on the terminal; the report has all of them."""
_STYLES = {"stop": "red", "warn": "bold", "info": "dim"}


def ingest(arguments: Namespace) -> int:
    """Take in a folder, write the readiness report; 1 if something in it stops studies."""
    from client.ingest import ingestion, layout  # noqa: PLC0415
    from client.ingest.readiness import readiness_page, readiness_report  # noqa: PLC0415

    places = layout.Places.of(arguments.folder, arguments.out, arguments.key)
    # Decoders print warnings as they please; stdout is for the result.
    with console.work():
        cleared = _cleared(arguments.cleared) if arguments.cleared else ()
        console.note(f"looking through {places.source}")
        done = ingestion.ingest(
            places, tuple(arguments.keep), _progress("cases looked at"), cleared
        )
        report = readiness_report.report(done, places.site.name)
        layout.write(
            places.local("readiness.json"),
            json.dumps(report, indent=1, allow_nan=False).encode() + b"\n",
        )
        layout.write(places.local("readiness.html"), readiness_page.render(report).encode())
    stops = sum(finding["severity"] == "stop" for finding in report["findings"])
    if arguments.json:
        console.out_json(
            {
                "ok": not stops,
                "folder": str(places.site),
                "readiness": str(places.local("readiness.html")),
                **report,
            }
        )
    else:
        _show(report, str(places.local("readiness.html")), str(places.local("quarantine.csv")))
    return int(stops > 0)


def deidentify(arguments: Namespace) -> int:
    """De-identify a folder of DICOM files; 1 if nothing could be written."""
    from client.deidentify import folder  # noqa: PLC0415

    key = arguments.key or folder.beside(arguments.out, "key")
    quarantine = folder.beside(arguments.out, "quarantine.jsonl")
    with console.work():
        passed = folder.cleared(arguments.cleared) if arguments.cleared else frozenset()
        done = folder.run(
            arguments.folder, arguments.out, key, passed=passed, tell=_progress("files looked at")
        )
    ok = done.written + done.there > 0
    kinds = {
        kind: sum(one.kind == kind for one in done.withheld)
        for kind in ("look", "unusable", "conflict")
    }
    if arguments.json:
        result = {
            "ok": ok,
            "folder": str(arguments.out),
            "written": done.written,
            "there": done.there,
            **kinds,
            "reasons": done.counts(),
        }
        console.out_json({**result, "key": str(key), "quarantine": str(quarantine)})
        return int(not ok)
    console.out(
        f"{done.written} files written to {arguments.out}, {done.there} were there;"
        f" {len(done.withheld)} kept back"
    )
    for reason, count in sorted(done.counts().items(), key=lambda one: -one[1]):
        console.out(f"{count:6}  {reason}")
    console.out(f"the key is {key}: it leads back to patients, keep it here and to yourself")
    if done.withheld:
        console.out(f"files that were kept back: {quarantine}")
    return int(not ok)


def twin(arguments: Namespace) -> int:
    """Write a folder of the same form without any patient."""
    from client.ingest.readiness import twin as twins  # noqa: PLC0415

    with console.work():
        disclosed = twins.make(arguments.site, arguments.out, arguments.seed)
    if arguments.json:
        console.out_json({"ok": True, "folder": str(arguments.out), "disclosed": disclosed})
        return 0
    console.out(
        f"{arguments.out} holds {disclosed['images']} synthetic images of"
        f" {disclosed['patients']} patients; what it discloses is in {arguments.out / 'twin.json'}"
    )
    return 0


def pseudonym(arguments: Namespace) -> int:
    """Under which name a patient is in the hospital's folder, e.g. to take them out."""
    from client.deidentify.pseudonyms import Pseudonyms  # noqa: PLC0415

    if not arguments.key.is_file():
        raise ArgumentError(
            f"--key is {str(arguments.key)!r}, which is no file; give the key with which the folder"
            " was made."
        )
    name = Pseudonyms.open(arguments.key).patient(arguments.patient, arguments.issuer)
    if arguments.json:
        console.out_json({"pseudonym": name})
    else:
        console.out(name)
    return 0


def _cleared(path: Path) -> frozenset[str]:
    from client.ingest import table_files  # noqa: PLC0415

    sheet = table_files.read(path)
    column = sheet.column("file")
    if column is None:
        raise ArgumentError(
            f"--cleared is {str(path)!r}, which has no column file; give rows of the quarantine"
            " list."
        )
    # The quarantine list puts ' before a name that a spreadsheet would take for a formula.
    return frozenset(row.get(column, "").removeprefix("'") for row in sheet.rows)


def _progress(noun: str) -> Callable[[int, int], None]:
    """A line on stderr at every tenth."""
    shown = 0

    def show(done: int, total: int) -> None:
        nonlocal shown
        tenth = 10 * done // total
        if tenth > shown:
            shown = tenth
            console.note(f"{done} of {total} {noun}")

    return show


def _show(report: Mapping[str, Any], page: str, quarantine: str) -> None:
    waiting = sum(report["quarantined"].values())
    console.out(
        f"{report['cases']} images of {report['patients']} patients,"
        f" {report['taken_in_now']} of them new; {waiting} files in quarantine"
    )
    for finding in report["findings"][:_SHOWN]:
        word = console.paint(finding["severity"].ljust(4), _STYLES[finding["severity"]], sys.stdout)
        console.out(f"{word}  {finding['what']} ({finding['count']}); {finding['do']}")
    console.out(f"report: {page}")
    if waiting:
        console.out(f"files that a human must look at: {quarantine}")


COMMANDS: dict[str, Callable[[Namespace], int]] = {
    "consilium site ingest": ingest,
    "consilium site deidentify": deidentify,
    "consilium site pseudonym": pseudonym,
    "consilium site twin": twin,
}
