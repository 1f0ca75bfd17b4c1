"""An argparse parser whose complaints are one sentence, and how a sub-command is added to it."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any, NoReturn

from common.cli import console
from common.errors import ArgumentError, did_you_mean


class Parser(argparse.ArgumentParser):
    """argparse whose complaints are one sentence with the closest allowed word."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(
            allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **settings
        )

    def options(self) -> list[str]:
        """Every option of this command."""
        return list(self._option_string_actions)

    def error(self, message: str) -> NoReturn:
        """Raise argparse's complaint as an ArgumentError."""
        raise ArgumentError(f"{message.removeprefix('argument ')}; see '{self.prog} --help'.")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        allowed = sorted(map(str, action.choices))
        hint = did_you_mean(str(value), allowed)
        if not action.option_strings:
            raise ArgumentError(
                f"{value!r} is not a command of '{self.prog}'{hint};"
                f" commands: {', '.join(allowed)}."
            )
        raise ArgumentError(
            f"{action.option_strings[0]} is {value!r}{hint}; allowed: {', '.join(allowed)}."
        )


class Version(argparse.Action):
    """``--version``: print the installed version and stop."""

    def __call__(self, *_: Any) -> None:
        """Print it; argparse calls this where it meets the option."""
        # Costs time that no other command needs to pay.
        from importlib import metadata  # noqa: PLC0415

        try:
            console.out(f"consilium {metadata.version('consilium')}")
        except metadata.PackageNotFoundError:
            console.out("consilium, not installed")
        raise SystemExit(0)


def add_command(commands: Any, name: str, text: str, examples: Iterable[str] = ()) -> Parser:
    """Add a sub-command; ``text`` is its line in the list and, as a sentence, its description."""
    epilog = "\n".join(["examples:", *(f"  {e}" for e in examples)]) if examples else None
    parser: Parser = commands.add_parser(
        name, help=text, description=text[0].upper() + text[1:] + ".", epilog=epilog
    )
    # SUPPRESS: a default here would undo a --debug that stands before the sub-command.
    parser.add_argument(
        "--debug",
        action="store_true",
        default=argparse.SUPPRESS,
        help="print the full trace of an unexpected error",
    )
    parser.set_defaults(parser=parser)
    return parser


def add_json(parser: Parser) -> None:
    """Add ``--json``."""
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object on stdout and nothing else there"
    )
