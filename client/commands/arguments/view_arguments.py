"""Arguments of ``consilium site status, view, stop, resume``."""

from __future__ import annotations

from typing import Any

from client.commands.arguments.site_options import Add, Whole, add_home
from common.cli.parser import Parser, add_json


def add(group: Any, command: Add, whole: Whole) -> None:
    """Add the commands that show the hospital's people what happens, and let them stop it."""
    status = _add_status(group, command)
    view = _add_view(group, command, whole)
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
        add_json(parser)
    for parser in (status, view, stop, resume):
        add_home(parser)


def _add_status(group: Any, command: Add) -> Parser:
    parser = command(
        group,
        "status",
        "what runs, what left, what was refused, what is spent",
        (
            "consilium site status --home /srv/consilium",
            "consilium site status --home /srv/consilium --watch",
        ),
    )
    parser.add_argument(
        "--watch", action="store_true", help="look again every 2 seconds, until Ctrl-C"
    )
    return parser


def _add_view(group: Any, command: Add, whole: Whole) -> Parser:
    parser = command(
        group,
        "view",
        "the same as a page of this machine, with a button to stop",
        ("consilium site view --home /srv/consilium",),
    )
    parser.add_argument(
        "--port",
        type=whole(0, 65535),
        default=8765,
        metavar="N",
        help="port of the page; 0: any free one (default: 8765)",
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address of this machine to listen at (default: 127.0.0.1, this machine alone)",
    )
    return parser
