"""Options that many commands of ``consilium site`` share, and the type of what adds a command."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from common.cli.parser import Parser

Add = Callable[..., Parser]
"""``add_command`` of common/cli/parser.py."""
Whole = Callable[..., Callable[[str], int]]
"""``whole`` of common/cli/argument_types.py."""


def add_home(parser: Parser, *, required: bool = True) -> None:
    """Add ``--home``, the folder that ``consilium site enrol`` made."""
    parser.add_argument(
        "--home",
        type=Path,
        required=required,
        metavar="HOME",
        help="the hospital's folder for keys, state and logs",
    )


def add_part(parser: Parser) -> None:
    """Add ``--only``: worker and gateway may each have their own user or container."""
    parser.add_argument(
        "--only",
        choices=("gateway", "worker"),
        help="one of the two, where each has its own user or container",
    )
