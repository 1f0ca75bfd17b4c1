"""The group ``consilium site`` holds every command of the hospital, each with work behind it."""

from __future__ import annotations

from client.commands import site_commands
from client.commands.arguments import site_arguments
from common.cli.argument_types import whole
from common.cli.parser import Parser, add_command


def programs(parser: Parser) -> set[str]:
    """What can be typed, down to the last word."""
    groups = [action.choices for action in parser._actions if isinstance(action.choices, dict)]
    if not groups:
        return {parser.prog}
    return {word for group in groups for command in group.values() for word in programs(command)}


def test_every_command_is_there_and_none_that_does_nothing() -> None:
    parser = Parser(prog="consilium")
    site_arguments.add(parser.add_subparsers(), add_command, whole)
    assert programs(parser) == set(site_commands.COMMANDS)
