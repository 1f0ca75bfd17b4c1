"""Arguments of ``consilium site enrol, start, doctor, fingerprint, studies``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from client.commands.arguments.site_options import Add, add_home, add_part
from common.cli.parser import add_json


def add(group: Any, command: Add) -> None:
    """Add the commands that set up and run a hospital's two processes."""
    _add_enrol(group, command)
    start = command(
        group,
        "start",
        "run worker and gateway until they are stopped",
        ("consilium site start --home /srv/consilium",),
    )
    add_part(start)
    add_home(start)
    doctor = command(
        group,
        "doctor",
        "look for what is wrong with folder, machine and the way out",
        ("consilium site doctor --home /srv/consilium",),
    )
    add_part(doctor)
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
        add_json(parser)
        add_home(parser)


def _add_enrol(group: Any, command: Add) -> None:
    parser = command(
        group,
        "enrol",
        "join a consortium with its kit",
        ("consilium site enrol kits/north --home /srv/consilium --data /data/scans",),
    )
    parser.add_argument(
        "kit", metavar="KIT", type=Path, help="folder or .kit file from the coordinator"
    )
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder with the scans; only ever read",
    )
    parser.add_argument(
        "--proxy",
        metavar="URL",
        help='web proxy; "none" for none (default: as in the kit, else from HTTPS_PROXY)',
    )
    parser.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="where models are trained (default: auto)",
    )
    parser.add_argument(
        "--walls",
        choices=("required", "where possible"),
        default="required",
        help="refuse to start where the kernel lacks a wall (default: required)",
    )
    add_home(parser)
