"""The words of ``consilium site``: what a hospital's IT types."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

Add = Callable[..., Any]


def add(commands: Any, command: Add, whole: Callable[..., Any]) -> None:
    """Add the commands; ``command`` and ``whole`` make a sub-command and a whole number with limits."""
    group = command(commands, "site", "run a hospital's side").add_subparsers(
        metavar="COMMAND", title="commands"
    )
    _add_processes(group, command)
    _add_approvals(group, command, whole)
    _add_view(group, command, whole)
    _add_intake(group, command, whole)
    _add_deidentify(group, command)
    _add_audit(
        command(group, "audit", "read and prove this hospital's record").add_subparsers(
            metavar="COMMAND", title="commands"
        ),
        command,
        whole,
    )


def _add_processes(group: Any, command: Add) -> None:
    enrol = command(
        group,
        "enrol",
        "join a consortium with its kit",
        ("consilium site enrol kits/north --home /srv/consilium --data /data/scans",),
    )
    enrol.add_argument(
        "kit", metavar="KIT", type=Path, help="folder or .kit file from the coordinator"
    )
    enrol.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder with the scans; only ever read",
    )
    enrol.add_argument(
        "--proxy",
        metavar="URL",
        help='web proxy; "none" for none (default: as in the kit, else from HTTPS_PROXY)',
    )
    enrol.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="where models are trained (default: auto)",
    )
    enrol.add_argument(
        "--walls",
        choices=("required", "where possible"),
        default="required",
        help="refuse to start where the kernel lacks a wall (default: required)",
    )
    start = command(
        group,
        "start",
        "run worker and gateway until they are stopped",
        ("consilium site start --home /srv/consilium",),
    )
    doctor = command(
        group,
        "doctor",
        "look for what is wrong with folder, machine and the way out",
        ("consilium site doctor --home /srv/consilium",),
    )
    for parser in (start, doctor):
        parser.add_argument(
            "--only",
            choices=("gateway", "worker"),
            help="one of the two, where each has its own user or container",
        )
    fingerprint = command(
        group,
        "fingerprint",
        "print what to read to the coordinator by telephone",
        ("consilium site fingerprint --home /srv/consilium",),
    )
    studies = command(
        group,
        "studies",
        "list the studies that asked this hospital",
        ("consilium site studies --home /srv/consilium",),
    )
    for parser in (fingerprint, studies, doctor):
        _json(parser)
    for parser in (enrol, start, fingerprint, studies, doctor):
        _home(parser, "the hospital's folder for keys, state and logs")


def _add_approvals(group: Any, command: Add, whole: Callable[..., Any]) -> None:
    offers = command(
        group,
        "offers",
        "list studies that wait for approval, and approved ones",
        ("consilium site offers --home /srv/consilium",),
    )
    approve = command(
        group,
        "approve",
        "approve a study, by name of a person",
        (
            "consilium site approve lungs --home /srv/consilium --by Rivers",
            "consilium site approve lungs.toml --home /srv/consilium --by Rivers --days 30 --evaluate-only",
        ),
    )
    approve.add_argument(
        "study", metavar="STUDY", help="name or first digits of a study that asked, or a study file"
    )
    approve.add_argument("--by", required=True, metavar="NAME", help="the person who approves")
    approve.add_argument(
        "--days",
        type=whole(1, 3650),
        default=90,
        metavar="N",
        help="days for which the approval holds (default: 90)",
    )
    approve.add_argument(
        "--evaluate-only", action="store_true", help="models may be scored here, not trained"
    )
    approve.add_argument("--yes", action="store_true", help="do not ask: the study was read before")
    withdraw = command(
        group,
        "withdraw",
        "end a study's approval, or take a patient out",
        (
            "consilium site withdraw --study lungs --home /srv/consilium",
            "consilium site withdraw --patient 4711 --home /srv/consilium",
        ),
    )
    withdraw.add_argument(
        "--study", metavar="STUDY", help="name or first digits of an approved study"
    )
    withdraw.add_argument(
        "--anyway",
        action="store_true",
        help="with --patient: also if no image of the patient is there yet",
    )
    withdraw.add_argument(
        "--patient",
        metavar="ID",
        help="as it stands in patient_id of labels.csv, or in the DICOM files",
    )
    for parser in (offers, approve, withdraw):
        _home(parser, "the hospital's folder for keys, state and logs")
        _json(parser)


def _add_view(group: Any, command: Add, whole: Callable[..., Any]) -> None:
    status = command(
        group,
        "status",
        "what runs, what left, what was refused, what is spent",
        (
            "consilium site status --home /srv/consilium",
            "consilium site status --home /srv/consilium --watch",
        ),
    )
    status.add_argument(
        "--watch", action="store_true", help="look again every 2 seconds, until Ctrl-C"
    )
    view = command(
        group,
        "view",
        "the same as a page of this machine, with a button to stop",
        ("consilium site view --home /srv/consilium",),
    )
    view.add_argument(
        "--port",
        type=whole(0, 65535),
        default=8765,
        metavar="N",
        help="port of the page; 0: any free one (default: 8765)",
    )
    view.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address of this machine to listen at (default: 127.0.0.1, this machine alone)",
    )
    stop = command(
        group,
        "stop",
        "answer nothing more until resumed",
        ("consilium site stop --home /srv/consilium --reason maintenance",),
    )
    stop.add_argument(
        "--reason",
        default="",
        metavar="TEXT",
        help="why, for this hospital's own people; it does not leave",
    )
    resume = command(
        group,
        "resume",
        "answer again after a stop",
        ("consilium site resume --home /srv/consilium",),
    )
    for parser in (status, stop, resume):
        _json(parser)
    for parser in (status, view, stop, resume):
        _home(parser, "the hospital's folder for keys, state and logs")


def _add_intake(group: Any, command: Add, whole: Callable[..., Any]) -> None:
    ingest = command(
        group,
        "ingest",
        "take in an export: a folder for studies without identifiers, and a readiness report",
        (
            "consilium site ingest export/ --out hospitals/north",
            "consilium site ingest export/ --out hospitals/north --keep age,stage",
        ),
    )
    ingest.add_argument(
        "folder",
        metavar="DIR",
        type=Path,
        help="DICOM, pictures or NIfTI with labels; only ever read",
    )
    ingest.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="SITE",
        help="the hospital's folder; what stands there is never overwritten",
    )
    ingest.add_argument(
        "--key",
        type=Path,
        metavar="FILE",
        help="key from which new names are made (default: SITE.key, beside SITE)",
    )
    ingest.add_argument(
        "--keep",
        type=_words,
        default=(),
        metavar="LIST",
        help="columns of tables that stay, whatever they look like",
    )
    seen = "rows of the quarantine list in whose pixels a human has found no identifier"
    ingest.add_argument("--cleared", type=Path, metavar="FILE", help=seen)
    twin = command(
        group,
        "twin",
        "invent a folder of the same form, without any patient, to rehearse a study",
        ("consilium site twin hospitals/north --out twins/north",),
    )
    twin.add_argument("site", metavar="SITE", type=Path, help="the hospital's folder")
    twin.add_argument("--out", type=Path, required=True, metavar="TWIN", help="folder to make")
    twin.add_argument(
        "--seed",
        type=whole(0, 2**63 - 1),
        default=1,
        metavar="N",
        help="start of every random draw (default: 1)",
    )
    name = command(
        group,
        "pseudonym",
        "tell under which name a patient was taken in",
        ("consilium site pseudonym 4711 --key hospitals/north.key",),
    )
    name.add_argument(
        "patient",
        metavar="ID",
        help="as it stands in the export: PatientID, or patient_id of its tables",
    )
    name.add_argument(
        "--issuer",
        default="",
        metavar="NAME",
        help="IssuerOfPatientID, where the DICOM files state one",
    )
    name.add_argument(
        "--key",
        type=Path,
        required=True,
        metavar="FILE",
        help="the key with which the folder was made",
    )
    for parser in (ingest, name, twin):
        _json(parser)


def _add_deidentify(group: Any, command: Add) -> None:
    deidentify = command(
        group,
        "deidentify",
        "write DICOM files anew without identifiers (PS3.15 Annex E)",
        (
            "consilium site deidentify export/ --out clean/",
            "consilium site deidentify export/ --out clean/ --key /srv/study.key --json",
        ),
    )
    deidentify.add_argument(
        "folder", metavar="DIR", type=Path, help="folder with DICOM files; only ever read"
    )
    deidentify.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="OUT",
        help="folder to write to; what stands there is never overwritten",
    )
    deidentify.add_argument(
        "--key",
        type=Path,
        metavar="FILE",
        help="key from which new names are made (default: OUT.key, beside OUT)",
    )
    deidentify.add_argument(
        "--cleared",
        type=Path,
        metavar="FILE",
        help="lines of OUT.quarantine.jsonl whose pictures a person has looked at and found harmless",
    )
    _json(deidentify)


def _add_audit(group: Any, command: Add, whole: Callable[..., Any]) -> None:
    verify = command(
        group,
        "verify",
        "is the record whole; or, is one entry proved",
        (
            "consilium site audit verify --home /srv/consilium",
            "consilium site audit verify --home /srv/consilium --held others.json",
            "consilium site audit verify --proof entry-12.json --ca ca.crt",
        ),
    )
    verify.add_argument(
        "--held",
        type=Path,
        metavar="FILE",
        help="a head of this hospital that another one holds (its worker/state/others.json)",
    )
    verify.add_argument(
        "--proof", type=Path, metavar="FILE", help="check a proof, without any hospital's folder"
    )
    verify.add_argument(
        "--ca",
        type=Path,
        metavar="FILE",
        help="with --proof: certificate of the consortium's authority, or its roster.json",
    )
    show = command(
        group,
        "show",
        "print the entries",
        (
            "consilium site audit show --home /srv/consilium --last 20",
            "consilium site audit show --home /srv/consilium --event approved",
        ),
    )
    show.add_argument(
        "--last", type=whole(0), default=0, metavar="N", help="so many from the end (default: all)"
    )
    show.add_argument(
        "--event",
        default="",
        metavar="NAME",
        help="only of this event or kind of question, e.g. approved, train",
    )
    prove = command(
        group,
        "prove",
        "write a proof for a third party: of one entry, or that the record only grew",
        (
            "consilium site audit prove 12 --home /srv/consilium --out entry-12.json",
            "consilium site audit prove --between 40 90 --home /srv/consilium --out growth.json",
        ),
    )
    prove.add_argument(
        "entry", type=whole(0), nargs="?", metavar="NUMBER", help="the entry, as show numbers it"
    )
    prove.add_argument(
        "--between",
        type=whole(1),
        nargs=2,
        metavar=("OLD", "NEW"),
        help="instead: that the record of NEW entries grew from that of OLD; heads were signed over both",
    )
    prove.add_argument("--out", type=Path, metavar="FILE", help="file to write (default: print it)")
    verify.add_argument(
        "--home", type=Path, metavar="HOME", help="the hospital's folder for keys, state and logs"
    )
    for parser in (show, prove):
        _home(parser, "the hospital's folder for keys, state and logs")
    for parser in (verify, show, prove):
        _json(parser)


def _words(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def _home(parser: Any, text: str) -> None:
    parser.add_argument("--home", type=Path, required=True, metavar="HOME", help=text)


def _json(parser: Any) -> None:
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object on stdout and nothing else there"
    )
