"""Ten refusals of an address, then fewer words; no name is ever counted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from server.host.throttle import Throttle, source_of

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HERE = "192.0.2.7"


def test_refusals_are_counted_for_ten_minutes() -> None:
    throttle = Throttle()
    counts = [throttle.refused(HERE, NOW + timedelta(seconds=i)) for i in range(14)]
    assert counts == [*range(1, 12), 12, 12, 12]
    answer = throttle.wait(HERE, NOW + timedelta(seconds=90))
    assert (answer.status, answer.public) == (
        429,
        "Too many refused attempts; try again in 9 minutes.",
    )
    assert throttle.refused("192.0.2.8", NOW) == 1
    assert throttle.refused(HERE, NOW + timedelta(minutes=11)) == 1


def test_who_goes_on_does_not_make_the_wait_longer() -> None:
    throttle = Throttle()
    for second in range(600):
        throttle.refused(HERE, NOW + timedelta(seconds=second))
    assert throttle.refused(HERE, NOW + timedelta(seconds=605)) < 12


def test_addresses_without_number_do_not_fill_the_memory() -> None:
    throttle = Throttle()
    for i in range(5000):
        for _ in range(2):
            throttle.refused(str(i), NOW)
    assert len(throttle._refusals) == 4096
    assert max(map(len, throttle._refusals.values())) == 2


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("", "an unnamed address"),
        ("\x1b]52;c;x\x07", "an unnamed address"),
        ("192.0.2.7, 10.0.0.1", "an unnamed address"),
    ],
)
def test_an_address_is_counted_as_its_host(address: str, source: str) -> None:
    assert source_of(address) == source
