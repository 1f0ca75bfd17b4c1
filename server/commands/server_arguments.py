"""The words of ``consilium provision`` and ``consilium server``: what the coordinator types."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

Add = Callable[..., Any]
_PROVISION = (
    "consilium provision consortium.toml --out coordinator/",
    "consilium provision consortium.toml --out coordinator/ --renew north",
)
_ROSTER = (
    "consilium server roster --home coordinator/",
    "consilium server roster --home coordinator/ --key stick/roster.key",
)


def add(commands: Any, command: Add, whole: Callable[..., Any]) -> None:
    """Add the commands.

    ``command`` and ``whole`` make a sub-command and a whole number with limits.
    """
    _add_provision(commands, command)
    _add_server(
        command(commands, "server", "run the coordinator's server and its studies").add_subparsers(
            metavar="COMMAND", title="commands"
        ),
        command,
        whole,
    )


def _add_provision(commands: Any, command: Add) -> None:
    parser = command(
        commands, "provision", "make a consortium's keys and a kit for each hospital", _PROVISION
    )
    parser.add_argument(
        "consortium", metavar="CONSORTIUM", type=Path, help="file with name, address and hospitals"
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="HOME",
        help="the coordinator's folder, new or to be extended",
    )
    parser.add_argument(
        "--single-file", action="store_true", help="write each kit also as one file"
    )
    parser.add_argument(
        "--renew",
        action="append",
        default=[],
        metavar="SITE",
        help=(
            "new kit for a hospital, which ends its enrolment so far; 'server': new TLS certificate"
        ),
    )


def _add_server(group: Any, command: Add, whole: Callable[..., Any]) -> None:
    start = command(
        group,
        "start",
        "run the server until it is stopped",
        ("consilium server start --home coordinator/",),
    )
    submit = _add_submit(group, command, whole)
    status = _add_status(group, command, whole)
    stop = command(
        group,
        "stop",
        "stop a run and keep its last model",
        ("consilium server stop lungs-20260101-120000 --home coordinator/",),
    )
    report = command(
        group,
        "report",
        "print where a run's report lies",
        ("consilium server report lungs-20260101-120000 --home coordinator/",),
    )
    roster = _add_roster(group, command)
    doctor = command(
        group,
        "doctor",
        "look for what is wrong with folder and machine",
        ("consilium server doctor --home coordinator/",),
    )
    for parser in (stop, report):
        parser.add_argument("run", metavar="RUN", help="name of the run, as status shows it")
    for parser in (start, submit, status, stop, report, roster, doctor):
        _home(parser, "the coordinator's folder")
    for parser in (submit, status, roster, doctor):
        _json(parser)


def _add_submit(group: Any, command: Add, whole: Callable[..., Any]) -> Any:
    submit = command(
        group,
        "submit",
        "sign a study and queue it",
        ("consilium server submit lungs.toml --home coordinator/",),
    )
    submit.add_argument("study", metavar="STUDY", type=Path, help="study file")
    submit.add_argument(
        "--name", default="", help="name of the run (default: the study's name and the time)"
    )
    submit.add_argument(
        "--rounds", type=whole(1), metavar="N", help="number of rounds, instead of the study's"
    )
    submit.add_argument(
        "--seed", type=whole(0, 2**63 - 1), metavar="N", help="seed, instead of the study's"
    )
    submit.add_argument(
        "--days",
        type=whole(1, 3650),
        default=30,
        metavar="N",
        help="days for which hospitals accept the study (default: 30)",
    )
    return submit


def _add_status(group: Any, command: Add, whole: Callable[..., Any]) -> Any:
    status = command(
        group,
        "status",
        "show hospitals and runs",
        ("consilium server status --home coordinator/ --watch",),
    )
    status.add_argument("--watch", action="store_true", help="again and again until no run is left")
    status.add_argument(
        "--every",
        type=whole(1, 3600),
        default=5,
        metavar="S",
        help="seconds between two looks (default: 5)",
    )
    return status


def _add_roster(group: Any, command: Add) -> Any:
    roster = command(
        group, "roster", "show the signed list of hospitals, or sign a new one", _ROSTER
    )
    roster.add_argument(
        "--key", type=Path, metavar="KEY", help="file of the roster key: sign who is enrolled now"
    )
    roster.add_argument(
        "--without",
        action="append",
        default=[],
        metavar="SITE",
        help="leave this hospital out, though it is enrolled",
    )
    roster.add_argument(
        "--yes", action="store_true", help="do not ask: the fingerprints were compared before"
    )
    return roster


def _home(parser: Any, text: str) -> None:
    parser.add_argument("--home", type=Path, required=True, metavar="HOME", help=text)


def _json(parser: Any) -> None:
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object on stdout and nothing else there"
    )
