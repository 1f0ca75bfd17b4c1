"""Arguments of ``consilium site ingest, twin, pseudonym, deidentify``: these need no enrolment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from client.commands.arguments.site_options import Add, Whole
from common.cli.argument_types import words
from common.cli.parser import Parser, add_json


def add(group: Any, command: Add, whole: Whole) -> None:
    """Add the commands that make folders for studies out of exports."""
    for parser in (
        _add_ingest(group, command),
        _add_twin(group, command, whole),
        _add_pseudonym(group, command),
        _add_deidentify(group, command),
    ):
        add_json(parser)


def _add_ingest(group: Any, command: Add) -> Parser:
    parser = command(
        group,
        "ingest",
        "take in an export: a folder for studies without identifiers, and a readiness report",
        (
            "consilium site ingest export/ --out hospitals/north",
            "consilium site ingest export/ --out hospitals/north --keep age,stage",
        ),
    )
    parser.add_argument(
        "folder",
        metavar="DIR",
        type=Path,
        help="DICOM, pictures or NIfTI with labels; only ever read",
    )
    _add_out(parser, "SITE", "the hospital's folder; what stands there is never overwritten")
    _add_key(parser, "key from which new names are made (default: SITE.key, beside SITE)")
    parser.add_argument(
        "--keep",
        type=words,
        default=(),
        metavar="LIST",
        help="columns of tables that stay, whatever they look like",
    )
    parser.add_argument(
        "--cleared",
        type=Path,
        metavar="FILE",
        help="rows of the quarantine list in whose pixels a human has found no identifier",
    )
    return parser


def _add_twin(group: Any, command: Add, whole: Whole) -> Parser:
    parser = command(
        group,
        "twin",
        "invent a folder of the same form, without any patient, to rehearse a study",
        ("consilium site twin hospitals/north --out twins/north",),
    )
    parser.add_argument("site", metavar="SITE", type=Path, help="the hospital's folder")
    _add_out(parser, "TWIN", "folder to make")
    parser.add_argument(
        "--seed",
        type=whole(0, 2**63 - 1),
        default=1,
        metavar="N",
        help="start of every random draw (default: 1)",
    )
    return parser


def _add_pseudonym(group: Any, command: Add) -> Parser:
    parser = command(
        group,
        "pseudonym",
        "tell under which name a patient was taken in",
        ("consilium site pseudonym 4711 --key hospitals/north.key",),
    )
    parser.add_argument(
        "patient",
        metavar="ID",
        help="as it stands in the export: PatientID, or patient_id of its tables",
    )
    parser.add_argument(
        "--issuer",
        default="",
        metavar="NAME",
        help="IssuerOfPatientID, where the DICOM files state one",
    )
    _add_key(parser, "the key with which the folder was made", required=True)
    return parser


def _add_deidentify(group: Any, command: Add) -> Parser:
    parser = command(
        group,
        "deidentify",
        "write DICOM files anew without identifiers (PS3.15 Annex E)",
        (
            "consilium site deidentify export/ --out clean/",
            "consilium site deidentify export/ --out clean/ --key /srv/study.key --json",
        ),
    )
    parser.add_argument(
        "folder", metavar="DIR", type=Path, help="folder with DICOM files; only ever read"
    )
    _add_out(parser, "OUT", "folder to write to; what stands there is never overwritten")
    _add_key(parser, "key from which new names are made (default: OUT.key, beside OUT)")
    parser.add_argument(
        "--cleared",
        type=Path,
        metavar="FILE",
        help="lines of OUT.quarantine.jsonl whose pictures a person has looked at and found"
        " harmless",
    )
    return parser


def _add_out(parser: Parser, metavar: str, text: str) -> None:
    parser.add_argument("--out", type=Path, required=True, metavar=metavar, help=text)


def _add_key(parser: Parser, text: str, *, required: bool = False) -> None:
    """Where the key lies; the key itself is never typed, as others see a process's arguments."""
    parser.add_argument("--key", type=Path, required=required, metavar="FILE", help=text)
