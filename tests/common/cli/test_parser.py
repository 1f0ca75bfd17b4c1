"""The parser's complaints are one sentence with the closest allowed word."""

from __future__ import annotations

import pytest

from common.cli.parser import Parser, Version, add_command, add_json
from common.errors import ArgumentError


@pytest.fixture
def parser() -> Parser:
    parser = Parser(prog="house")
    parser.add_argument("--version", action=Version, nargs=0)
    commands = parser.add_subparsers(metavar="COMMAND")
    roof = add_command(commands, "roof", "cover the house", ("house roof --colour red",))
    roof.add_argument("--colour", choices=("red", "grey"))
    add_json(roof)
    return parser


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["rof"], "'rof' is not a command of 'house' (did you mean 'roof'?); commands: roof."),
        (["roof", "--colour", "gray"], "--colour is 'gray' (did you mean 'grey'?); allowed: grey,"),
        (["roof", "--colour"], "--colour: expected one argument; see 'house roof --help'."),
        (["roof", "--js"], "unrecognized arguments: --js; see 'house --help'."),
    ],
)
def test_a_complaint_is_one_sentence(parser: Parser, words: list[str], sentence: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        parser.parse_args(words)
    assert str(caught.value).startswith(sentence)


def test_a_command_is_described_by_its_line_and_its_examples(
    parser: Parser, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parser.parse_args(["roof", "--help"])
    shown = capsys.readouterr().out
    assert "Cover the house.\n" in shown
    assert "examples:\n  house roof --colour red\n" in shown


def test_the_namespace_holds_the_commands_parser(parser: Parser) -> None:
    arguments = parser.parse_args(["roof", "--json"])
    assert arguments.parser.prog == "house roof"
    assert arguments.json is True
    assert {"--colour", "--json", "--debug"} <= set(arguments.parser.options())


def test_version_is_printed_and_ends_the_command(
    parser: Parser, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        parser.parse_args(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out.startswith("consilium")
