"""The one place where tests wait.

It ends with the event, grows with the machine's load, and does not wait for ever.
"""

from __future__ import annotations

import pytest

from tests import patience


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What later measurements of the machine will find, the next one first.

    The first one of this process found 1.
    """
    later: list[float] = []
    monkeypatch.setattr(patience, "_first", lambda: 1.0)
    monkeypatch.setattr(patience, "slowness", lambda: later.pop(0))
    return later


def test_the_first_true_value_is_returned_and_nothing_is_measured(measured: list[float]) -> None:
    values = iter([0, "", None, "there"])
    assert patience.until(lambda: next(values)) == "there"
    assert measured == []


def test_what_never_comes_is_an_error_with_both_times(measured: list[float]) -> None:
    measured += [1.0]
    with pytest.raises(
        AssertionError, match=r"after 0 s, of 0 allowed on this machine now: no bus"
    ):
        patience.until(lambda: False, "no bus", 0.01)


def test_a_machine_that_became_slower_is_given_more_time(measured: list[float]) -> None:
    """Measured once more when the time is up: then it comes after all."""
    measured += [1e6, 1.0]
    assert patience.until(lambda: len(measured) == 1, seconds=0.01)


def test_a_machine_counts_as_no_faster_than_the_reference_and_no_slower_than_twenty_times() -> None:
    assert 1.0 <= patience.slowness() <= 20.0
    assert 30.0 <= patience.patient(30.0) <= 600.0


def test_a_slow_machine_s_limit_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_REFERENCE", 1e-9)
    assert patience.slowness() == 20.0
