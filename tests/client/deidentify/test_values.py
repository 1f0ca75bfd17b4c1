from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.deidentify.values import moved


@pytest.mark.parametrize(
    ("value", "vr", "days", "new"),
    [
        ("20210304", "DA", -3, "20210301"),
        ("20210301", "DA", -1, "20210228"),
        ("20200301", "DA", -1, "20200229"),
        ("2021.03.04 ", "DA", -3, "20210301"),
        ("20210304101112.5+0100", "DT", -4, "20210228101112.5+0100"),
        ("2021030410", "DT", -3, "2021030110"),
        ("20210304", "DT", -3, "20210301"),
        ("20210304-0500", "DT", -3, "20210301-0500"),
        ("101112.123456", "TM", -3, "101112.123456"),
        ("10:11:12", "TM", -3, "10:11:12"),
    ],
)
def test_moved(value: str, vr: str, days: int, new: str) -> None:
    assert moved(value, vr, days) == new


@pytest.mark.parametrize(
    ("value", "vr"),
    [
        ("", "DA"),
        ("2021", "DA"),
        ("20210230", "DA"),
        ("20211301", "DA"),
        ("20210304-20210305", "DA"),
        ("00010101", "DA"),
        ("Smith", "DA"),
        ("20210304Smith", "DA"),
        ("2011", "DT"),
        ("201103", "DT"),
        ("20210304.5", "DT"),
        ("20210304101112 Smith", "DT"),
        ("Smith", "TM"),
        ("1011-1213", "TM"),
    ],
)
def test_what_is_no_whole_date_or_time_is_not_kept(value: str, vr: str) -> None:
    assert moved(value, vr, -400) is None


@given(
    st.dates(date(1900, 1, 1), date(2100, 1, 1)),
    st.dates(date(1900, 1, 1), date(2100, 1, 1)),
    st.integers(-3652, -366),
)
def test_the_time_between_two_dates_of_a_patient_stays(one: date, other: date, days: int) -> None:
    new = [moved(f"{day:%Y%m%d}", "DA", days) for day in (one, other)]
    first, second = (date(int(text[:4]), int(text[4:6]), int(text[6:])) for text in new if text)
    assert second - first == other - one
    assert one - first == timedelta(-days)
