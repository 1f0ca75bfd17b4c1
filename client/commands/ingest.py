"""``consilium site ingest | deidentify | pseudonym | twin``: from an export to a folder for studies, and to one without patients."""

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
_STYLES = {"stop": "red", "warn": "bold", "info": "dim"}


def ingest(given: Namespace) -> int:
    """Take in a folder, write the readiness report; 1 if something in it stops studies."""
    from client.ingest import ingestion, layout  # noqa: PLC0415
    from client.ingest.readiness import readiness_page, readiness_report  # noqa: PLC0415

    where = layout.Places.of(given.folder, given.out, given.key)
    with console.work():
        cleared = _cleared(given.cleared) if given.cleared else ()
        console.note(f"looking through {where.source}")
        done = ingestion.ingest(where, tuple(given.keep), _progress("cases looked at"), cleared)
        report = readiness_report.report(done, where.site.name)
        layout.write(
            where.local("readiness.json"),
            json.dumps(report, indent=1, allow_nan=False).encode() + b"\n",
        )
        layout.write(where.local("readiness.html"), readiness_page.render(report).encode())
    stops = sum(finding["severity"] == "stop" for finding in report["findings"])
    if given.json:
        console.out_json(
            {
                "ok": not stops,
                "folder": str(where.site),
                "readiness": str(where.local("readiness.html")),
                **report,
            }
        )
    else:
        _tell(report, str(where.local("readiness.html")), str(where.local("quarantine.csv")))
    return int(stops > 0)


def deidentify(given: Namespace) -> int:
    """De-identify a folder of DICOM files; 1 if nothing could be written."""
    from client.deidentify import folder  # noqa: PLC0415

    key, listed = (
        given.key or folder.beside(given.out, "key"),
        folder.beside(given.out, "quarantine.jsonl"),
    )
    with console.work():
        passed = folder.cleared(given.cleared) if given.cleared else frozenset()
        done = folder.run(
            given.folder, given.out, key, passed=passed, tell=_progress("files looked at")
        )
    some = done.written + done.there > 0
    kinds = {
        kind: sum(one.kind == kind for one in done.withheld)
        for kind in ("look", "unusable", "conflict")
    }
    if given.json:
        found = {
            "ok": some,
            "folder": str(given.out),
            "written": done.written,
            "there": done.there,
            **kinds,
            "reasons": done.counts(),
        }
        console.out_json({**found, "key": str(key), "quarantine": str(listed)})
        return int(not some)
    console.out(
        f"{done.written} files written to {given.out}, {done.there} were there; {len(done.withheld)} kept back"
    )
    for reason, count in sorted(done.counts().items(), key=lambda one: -one[1]):
        console.out(f"{count:6}  {reason}")
    console.out(f"the key is {key}: it leads back to patients, keep it here and to yourself")
    if done.withheld:
        console.out(f"files that were kept back: {listed}")
    return int(not some)


def twin(given: Namespace) -> int:
    """Write a folder of the same form without any patient."""
    from client.ingest.readiness import twin as twins  # noqa: PLC0415

    with console.work():
        told = twins.make(given.site, given.out, given.seed)
    if given.json:
        console.out_json({"ok": True, "folder": str(given.out), "disclosed": told})
        return 0
    console.out(
        f"{given.out} holds {told['images']} synthetic images of {told['patients']} patients; what it discloses is in {given.out / 'twin.json'}"
    )
    return 0


def pseudonym(given: Namespace) -> int:
    """Under which name a patient is in the hospital's folder, e.g. to take them out."""
    from client.deidentify.pseudonyms import Pseudonyms  # noqa: PLC0415

    if not given.key.is_file():
        raise ArgumentError(
            f"--key is {str(given.key)!r}, which is no file; give the key with which the folder was made."
        )
    name = Pseudonyms.open(given.key).patient(given.patient, given.issuer)
    if given.json:
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
            f"--cleared is {str(path)!r}, which has no column file; give rows of the quarantine list."
        )
    return frozenset(row.get(column, "").removeprefix("'") for row in sheet.rows)


def _progress(what: str) -> Callable[[int, int], None]:
    """A line on stderr at every tenth."""
    told = [0]

    def tell(done: int, total: int) -> None:
        tenth = 10 * done // total
        if tenth > told[0]:
            told[0] = tenth
            console.note(f"{done} of {total} {what}")

    return tell


def _tell(report: Mapping[str, Any], page: str, quarantine: str) -> None:
    waiting = sum(report["quarantined"].values())
    console.out(
        f"{report['cases']} images of {report['patients']} patients, {report['taken_in_now']} of them new; {waiting} files in quarantine"
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
