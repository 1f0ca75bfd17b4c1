"""What is typed to see the hospital's state and to stop it."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest

from common.cli.arguments import build
from common.errors import ArgumentError


def typed(words: str) -> Namespace:
    return build().parse_args(["site", *words.split()])


def test_the_page_is_for_this_machine_unless_told_otherwise() -> None:
    arguments = typed("view --home h")
    assert (arguments.home, arguments.host, arguments.port) == (Path("h"), "127.0.0.1", 8765)


@pytest.mark.parametrize("port", ["-1", "65536"])
def test_ports_have_limits(port: str) -> None:
    with pytest.raises(ArgumentError, match="0 to 65535"):
        typed(f"view --home h --port={port}")


def test_a_stop_needs_no_reason() -> None:
    assert typed("stop --home h").reason == ""
    assert typed("stop --home h --reason maintenance --json").reason == "maintenance"
    with pytest.raises(ArgumentError, match="--home"):
        typed("resume")
