"""What is typed to read and prove the hospital's record."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest

from common.cli.arguments import build
from common.errors import ArgumentError


def typed(words: str) -> Namespace:
    return build().parse_args(["site", *words.split()])


def test_a_proof_is_checked_without_a_hospitals_folder() -> None:
    arguments = typed("audit verify --proof entry.json --ca ca.crt")
    assert (arguments.home, arguments.proof, arguments.ca) == (
        None,
        Path("entry.json"),
        Path("ca.crt"),
    )


@pytest.mark.parametrize("command", ["show", "prove 3"])
def test_the_record_lies_in_a_hospitals_folder(command: str) -> None:
    with pytest.raises(ArgumentError, match="--home"):
        typed(f"audit {command}")


def test_a_proof_is_of_an_entry_or_of_growth() -> None:
    assert typed("audit prove 12 --home h").entry == 12
    arguments = typed("audit prove --between 40 90 --home h")
    assert (arguments.entry, arguments.between) == (None, [40, 90])


def test_show_takes_all_unless_told() -> None:
    arguments = typed("audit show --home h --json")
    assert (arguments.last, arguments.event, arguments.json) == (0, "", True)
