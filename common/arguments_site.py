"""The words of ``consilium site``: what a hospital's IT types."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

Add = Callable[..., Any]


def add(group: Any, command: Add, whole: Callable[..., Any]) -> None:
    """Add the commands; ``command`` and ``whole`` make a sub-command and a whole number with limits."""
    _add_processes(group, command)


def _add_processes(group: Any, command: Add) -> None:
    enrol = command(
        group, "enrol", "join a consortium with its kit", ("consilium site enrol kits/north --home /srv/consilium --data /data/scans",)
    )
    enrol.add_argument("kit", metavar="KIT", type=Path, help="folder or .kit file from the coordinator")
    enrol.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder with the scans; only ever read")
    enrol.add_argument("--proxy", metavar="URL", help='web proxy; "none" for none (default: as in the kit, else from HTTPS_PROXY)')
    enrol.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where models are trained (default: auto)")
    enrol.add_argument(
        "--walls",
        choices=("required", "where possible"),
        default="required",
        help="refuse to start where the kernel lacks a wall (default: required)",
    )
    start = command(group, "start", "run worker and gateway until they are stopped", ("consilium site start --home /srv/consilium",))
    doctor = command(
        group, "doctor", "look for what is wrong with folder, machine and the way out", ("consilium site doctor --home /srv/consilium",)
    )
    for parser in (start, doctor):
        parser.add_argument("--only", choices=("gateway", "worker"), help="one of the two, where each has its own user or container")
    fingerprint = command(
        group, "fingerprint", "print what to read to the coordinator by telephone", ("consilium site fingerprint --home /srv/consilium",)
    )
    studies = command(group, "studies", "list the studies that asked this hospital", ("consilium site studies --home /srv/consilium",))
    for parser in (fingerprint, studies, doctor):
        _json(parser)
    for parser in (enrol, start, fingerprint, studies, doctor):
        _home(parser, "the hospital's folder for keys, state and logs")


def _home(parser: Any, text: str) -> None:
    parser.add_argument("--home", type=Path, required=True, metavar="HOME", help=text)


def _json(parser: Any) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout and nothing else there")
