"""Options that many commands of the hospital share."""

from __future__ import annotations

from pathlib import Path

import pytest

from client.commands.arguments.site_options import add_home, add_part
from common.cli.parser import Parser
from common.errors import ArgumentError


def test_home_is_required_unless_said_otherwise() -> None:
    strict, lenient = Parser(prog="x"), Parser(prog="y")
    add_home(strict)
    add_home(lenient, required=False)
    assert strict.parse_args(["--home", "h"]).home == Path("h")
    assert lenient.parse_args([]).home is None
    with pytest.raises(ArgumentError, match="--home"):
        strict.parse_args([])


def test_a_part_is_one_of_two() -> None:
    parser = Parser(prog="x")
    add_part(parser)
    assert parser.parse_args(["--only", "worker"]).only == "worker"
    with pytest.raises(ArgumentError, match="did you mean 'worker'"):
        parser.parse_args(["--only", "workr"])
