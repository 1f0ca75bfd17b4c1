"""Ten wrong tokens, then a pause."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from server.host.site_registry import AdmissionError
from server.host.throttle import Throttle

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_ten_then_a_pause() -> None:
    throttle = Throttle()
    for i in range(10):
        throttle.check("north", NOW)
        throttle.failed("north", NOW + timedelta(seconds=i))
    with pytest.raises(AdmissionError) as caught:
        throttle.check("north", NOW + timedelta(seconds=90))
    assert (caught.value.status, caught.value.public) == (
        429,
        "Too many refused attempts; try again in 9 minutes.",
    )
    throttle.check("valley", NOW)
    throttle.check("north", NOW + timedelta(minutes=10))


def test_names_that_nobody_has_do_not_fill_the_memory() -> None:
    throttle = Throttle()
    for i in range(5000):
        throttle.failed(str(i), NOW)
    assert len(throttle._failures) == 4096
