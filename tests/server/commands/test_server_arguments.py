"""The words of the coordinator's and the hospital's commands.

Examples, slips of the pen, what must be given, and that each has work behind it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import pytest

from client.commands import site_commands as client_cli
from common.cli import arguments, main
from common.cli.parser import Parser
from common.errors import ArgumentError
from server.commands import server_commands as server_cli

ROOMS = ("provision", "server", "site")


def commands(parser: argparse.ArgumentParser) -> Iterator[Parser]:
    """Every command that does something."""
    groups = [
        action for action in parser._actions if isinstance(action, argparse._SubParsersAction)
    ]
    if not groups and isinstance(parser, Parser):
        yield parser
    for group in groups:
        for one in group.choices.values():
            yield from commands(one)


ALL = {c.prog: c for c in commands(arguments.build()) if c.prog.split()[1] in ROOMS}


def test_every_word_has_work_behind_it_and_the_other_way_round() -> None:
    assert set(ALL) == set(server_cli.COMMANDS) | set(client_cli.COMMANDS)
    assert {
        "consilium provision",
        "consilium server start",
        "consilium site enrol",
        "consilium site start",
    } <= set(ALL)


@pytest.mark.parametrize("prog", ALL)
def test_every_command_s_help_has_examples_that_it_understands(
    prog: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main([*prog.split()[1:], "--help"]) == 0
    examples = [
        line.strip()
        for line in capsys.readouterr().out.split("examples:\n")[1].splitlines()
        if line.strip()
    ]
    assert examples and all(example.startswith(f"{prog} ") for example in examples)
    for example in examples:
        parsed = arguments.build().parse_args(example.split()[1:])
        assert parsed.parser.prog == prog


@pytest.mark.parametrize("prog", ALL)
def test_every_option_is_explained(prog: str) -> None:
    assert all(action.help for action in ALL[prog]._actions)


def refused(words: str, capsys: pytest.CaptureFixture[str]) -> str:
    """The one sentence with which the command line refuses."""
    assert main.main(words.split()) == 2
    out = capsys.readouterr()
    assert out.out == ""
    return out.err.strip().removeprefix("consilium: ")


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("servr start", "'servr' is not a command of 'consilium' (did you mean 'server'?)"),
        ("server strat", "'strat' is not a command of 'consilium server' (did you mean 'start'?)"),
        ("server sumbit s.toml --home h", "(did you mean 'submit'?)"),
        (
            "site enroll k --home h --data d",
            "'enroll' is not a command of 'consilium site' (did you mean 'enrol'?)",
        ),
        ("site start --hom h", "--home"),
        (
            "site start --home h --onyl worker",
            "'--onyl' is not an argument of 'consilium site start' (did you mean '--only'?)",
        ),
        (
            "site start --home h --only worke",
            "--only is 'worke' (did you mean 'worker'?); allowed: gateway, worker",
        ),
        ("site enrol k --home h --data d --walls required.", "(did you mean 'required'?)"),
        ("server submit s.toml --home h --rounds 0", "--rounds"),
        ("server submit s.toml --home h --days 4000", "--days"),
        ("server status --home h --every 0", "--every"),
        ("server submit s.toml --home h --seed x", "--seed"),
        ("server rooster --home h", "(did you mean 'roster'?)"),
        ("server roster --home h --witout north", "(did you mean '--without'?)"),
        ("site fingerprints --home h", "(did you mean 'fingerprint'?)"),
    ],
)
def test_a_slip_of_the_pen(words: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    sentence = refused(words, capsys)
    assert hint in sentence and "\n" not in sentence


MISSING = {
    "provision c.toml": "--out",
    "provision --out h": "CONSORTIUM",
    "server start": "--home",
    "server submit --home h": "STUDY",
    "server submit s.toml": "--home",
    "server status": "--home",
    "server stop --home h": "RUN",
    "server report --home h": "RUN",
    "site enrol --home h --data d": "KIT",
    "site enrol k --home h": "--data",
    "site enrol k --data d": "--home",
    "site start": "--home",
    "site studies": "--home",
    "server roster": "--home",
    "site fingerprint": "--home",
}


@pytest.mark.parametrize(("words", "missing"), MISSING.items())
def test_what_must_be_given(words: str, missing: str, capsys: pytest.CaptureFixture[str]) -> None:
    sentence = refused(words, capsys)
    assert missing in sentence and "--help" in sentence and "\n" not in sentence


@pytest.mark.parametrize("words", ["server", "site"])
def test_a_bare_word_shows_its_commands(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main([words]) == 2
    assert "start" in capsys.readouterr().err


def test_defaults() -> None:
    parsed = arguments.build().parse_args(["server", "submit", "s.toml", "--home", "h"])
    assert (parsed.study, parsed.home, parsed.name, parsed.rounds, parsed.seed, parsed.days) == (
        Path("s.toml"),
        Path("h"),
        "",
        None,
        None,
        30,
    )
    site = arguments.build().parse_args(["site", "enrol", "k", "--home", "h", "--data", "d"])
    assert (site.device, site.walls, site.proxy) == ("auto", "required", None)


def test_no_secret_can_be_given_on_the_command_line() -> None:
    options = {option for command in ALL.values() for option in command.options()}
    assert {
        option
        for option in options
        for word in ("token", "key", "secret", "password")
        if word in option
    } == {"--key"}
    parsed = arguments.build().parse_args(
        ["server", "roster", "--home", "h", "--key", "stick/roster.key"]
    )
    assert parsed.key == Path("stick/roster.key")  # where it lies


def test_a_folder_of_neither_side_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "is not a coordinator's folder" in refused(f"server status --home {tmp_path}", capsys)
    with pytest.raises(ArgumentError):
        arguments.build().parse_args(["server", "status"])
