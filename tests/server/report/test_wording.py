from __future__ import annotations

import math

import pytest

from server.report import wording
from server.report.wording import duration, finite, listed, metric, shorten


def test_durations() -> None:
    assert [duration(s) for s in (0.84, 48.2, 192, 7500, None)] == [
        "0.8 s",
        "48 s",
        "3 min 12 s",
        "2 h 05 min",
        "–",
    ]


def test_metrics_are_written_with_their_name_and_sign() -> None:
    assert metric("hd95").difference(-0.004) == "±0.00"
    assert metric("dice").difference(-0.05) == "−0.050"
    assert metric("dice_core").name == "Dice, core"
    assert metric("novel").name == "novel"


def test_long_names_lose_their_middle() -> None:
    assert shorten("Universitätsklinikum Hamburg A", 12) == "Universi…g A"
    assert len(shorten("x" * 50, 10)) == 10


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -1e300, True, "0.5", []])
def test_what_is_no_number_counts_as_missing(value: object) -> None:
    assert finite(value) is None
    assert wording.whole(value) == 0


def test_lists_and_means_of_nothing() -> None:
    assert [listed("ABC"[:n]) for n in range(4)] == ["", "A", "A and B", "A, B and C"]
    assert wording.mean([None, 0.5, 1.5]) == 1.0
    assert wording.mean([None]) is None
