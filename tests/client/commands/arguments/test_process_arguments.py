"""What is typed to set up and run a hospital's two processes."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest

from common.cli.arguments import build
from common.errors import ArgumentError


def typed(words: str) -> Namespace:
    return build().parse_args(["site", *words.split()])


def test_enrol_has_safe_defaults() -> None:
    arguments = typed("enrol kit --home h --data d")
    assert (arguments.kit, arguments.home, arguments.data) == (Path("kit"), Path("h"), Path("d"))
    assert (arguments.proxy, arguments.device, arguments.walls) == (None, "auto", "required")


@pytest.mark.parametrize("command", ["start", "doctor"])
def test_a_part_may_have_its_own_user(command: str) -> None:
    assert typed(f"{command} --home h").only is None
    assert typed(f"{command} --home h --only gateway").only == "gateway"
    with pytest.raises(ArgumentError, match="allowed: gateway, worker"):
        typed(f"{command} --home h --only both")


@pytest.mark.parametrize("command", ["fingerprint", "studies", "doctor"])
def test_what_is_read_can_be_json(command: str) -> None:
    assert typed(f"{command} --home h --json").json is True


def test_start_prints_no_json() -> None:
    with pytest.raises(ArgumentError, match="unrecognized arguments: --json"):
        typed("start --home h --json")
