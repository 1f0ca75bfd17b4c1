"""What a person types to decide what the hospital takes part in."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest

from common.cli.arguments import build
from common.errors import ArgumentError


def typed(words: str) -> Namespace:
    return build().parse_args(["site", *words.split()])


def test_an_approval_has_a_name_and_an_end() -> None:
    arguments = typed("approve lungs --home h --by Rivers")
    assert (arguments.study, arguments.home, arguments.by) == ("lungs", Path("h"), "Rivers")
    assert (arguments.days, arguments.evaluate_only, arguments.yes) == (90, False, False)
    with pytest.raises(ArgumentError, match="--by"):
        typed("approve lungs --home h")


@pytest.mark.parametrize("days", ["0", "3651", "x"])
def test_days_have_limits(days: str) -> None:
    with pytest.raises(ArgumentError, match="give a whole number, 1 to 3650"):
        typed(f"approve lungs --home h --by Rivers --days {days}")


def test_a_withdrawal_is_of_a_study_or_of_a_patient() -> None:
    assert typed("withdraw --home h --study lungs").patient is None
    arguments = typed("withdraw --home h --patient 4711 --anyway --json")
    assert (arguments.study, arguments.patient, arguments.anyway) == (None, "4711", True)
