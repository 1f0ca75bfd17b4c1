"""Arguments of ``consilium site audit verify, show, prove``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from client.commands.arguments.site_options import Add, Whole, add_home
from common.cli.parser import Parser, add_json


def add(group: Any, command: Add, whole: Whole) -> None:
    """Add the group ``audit`` and its commands."""
    commands = command(group, "audit", "read and prove this hospital's record").add_subparsers(
        metavar="COMMAND", title="commands"
    )
    verify = _add_verify(commands, command)
    show = _add_show(commands, command, whole)
    prove = _add_prove(commands, command, whole)
    # A proof is checked by third parties, who have no HOME.
    add_home(verify, required=False)
    add_home(show)
    add_home(prove)
    for parser in (verify, show, prove):
        add_json(parser)


def _add_verify(commands: Any, command: Add) -> Parser:
    parser = command(
        commands,
        "verify",
        "is the record whole; or, is one entry proved",
        (
            "consilium site audit verify --home /srv/consilium",
            "consilium site audit verify --home /srv/consilium --held others.json",
            "consilium site audit verify --proof entry-12.json --ca ca.crt",
        ),
    )
    parser.add_argument(
        "--held",
        type=Path,
        metavar="FILE",
        help="a head of this hospital that another one holds (its worker/state/others.json)",
    )
    parser.add_argument(
        "--proof", type=Path, metavar="FILE", help="check a proof, without any hospital's folder"
    )
    parser.add_argument(
        "--ca",
        type=Path,
        metavar="FILE",
        help="with --proof: certificate of the consortium's authority, or its roster.json",
    )
    return parser


def _add_show(commands: Any, command: Add, whole: Whole) -> Parser:
    parser = command(
        commands,
        "show",
        "print the entries",
        (
            "consilium site audit show --home /srv/consilium --last 20",
            "consilium site audit show --home /srv/consilium --event approved",
        ),
    )
    parser.add_argument(
        "--last", type=whole(0), default=0, metavar="N", help="so many from the end (default: all)"
    )
    parser.add_argument(
        "--event",
        default="",
        metavar="NAME",
        help="only of this event or kind of question, e.g. approved, train",
    )
    return parser


def _add_prove(commands: Any, command: Add, whole: Whole) -> Parser:
    parser = command(
        commands,
        "prove",
        "write a proof for a third party: of one entry, or that the record only grew",
        (
            "consilium site audit prove 12 --home /srv/consilium --out entry-12.json",
            "consilium site audit prove --between 40 90 --home /srv/consilium --out growth.json",
        ),
    )
    parser.add_argument(
        "entry", type=whole(0), nargs="?", metavar="NUMBER", help="the entry, as show numbers it"
    )
    parser.add_argument(
        "--between",
        type=whole(1),
        nargs=2,
        metavar=("OLD", "NEW"),
        help="instead: that the record of NEW entries grew from that of OLD; heads were signed"
        " over both",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="file to write (default: print it)"
    )
    return parser
