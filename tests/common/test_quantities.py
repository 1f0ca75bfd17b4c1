from __future__ import annotations

import pytest

from common.quantities import grouped, plural, size


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 B"),
        (812, "812 B"),
        (999.6, "1.0 kB"),
        (4_100, "4.1 kB"),
        (206_000_000, "206 MB"),
        (3e12, "3.0 TB"),
        (1.5e16, "15\u202f000 TB"),
        (-1, "–"),
        (None, "–"),
    ],
)
def test_size(count: float | None, shown: str) -> None:
    assert size(count) == shown


def test_what_stands_for_no_size() -> None:
    assert size(None, "unknown") == "unknown"


def test_counts() -> None:
    assert grouped(1234567) == "1\u202f234\u202f567"
    assert [plural(1, "round"), plural(2, "entry", "entries")] == ["1 round", "2 entries"]
    assert plural(1000, "round") == "1\u202f000 rounds"
