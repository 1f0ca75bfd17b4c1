"""The threshold, by the published table and by what it is for.

And what a hospital's own limits refuse.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import SecureSumError
from common.secagg.messages import Terms
from common.secagg.terms import Limits, threshold, tolerated
from tests.common.secagg.world import World, names, secret

TABLE = [
    (3, 0, 2, 0),
    (4, 1, 3, 1),
    (5, 1, 4, 1),
    (5, 0, 3, 2),
    (10, 2, 7, 3),
    (20, 4, 13, 7),
    (50, 5, 28, 22),
]
"""Hospitals, colluders, threshold, hospitals that may drop out where 3 must be left."""


def terms(count: int, t: int, **changes: Any) -> Terms:
    return dataclasses.replace(Terms("consortium", "run", 1, names(count), t, bytes(32)), **changes)


def identities(count: int) -> dict[str, bytes]:
    return {name: secret("identity", name) for name in names(count)}


@pytest.mark.parametrize(("count", "colluders", "t", "may_drop"), TABLE)
def test_the_table(count: int, colluders: int, t: int, may_drop: int) -> None:
    assert threshold(count, colluders) == t
    assert count - Limits(3, colluders).least(terms(count, t)) == may_drop


@pytest.mark.parametrize(
    ("count", "colluders"),
    [(3, 0), (4, 1), (5, 1), (10, 2), (20, 4), (25, 5), (50, 5), (1000, 5), (2, 0), (1, 0)],
)
def test_a_fifth_is_tolerated_where_nothing_is_asked(count: int, colluders: int) -> None:
    assert tolerated(count) == colluders and threshold(count) == threshold(count, colluders)


def test_two_sets_of_confirming_hospitals_share_an_honest_one() -> None:
    for count in range(1, 101):
        for colluders in range(count + 1):
            t = threshold(count, colluders)
            assert 2 * t - count > colluders, (
                "two sets may be of colluders and disjoint honest hospitals"
            )
            assert 2 * (t - 1) - count <= colluders, "one less would do"


def test_fewer_than_the_threshold_are_the_colluders_alone() -> None:
    assert all(threshold(count) > tolerated(count) for count in range(1, 1001))


@pytest.mark.parametrize("count", [3, 4, 5, 6, 10, 50])
def test_what_the_policy_asks_or_more_is_accepted(count: int) -> None:
    for t in range(threshold(count), count + 1):
        Limits().check(terms(count, t), "h01", identities(count))


@pytest.mark.parametrize("count", [3, 4, 5, 6, 10, 50])
def test_every_other_threshold_is_refused(count: int) -> None:
    for t in (*range(threshold(count)), count + 1, 2**64 - 1):
        with pytest.raises(SecureSumError, match=f"threshold {t}"):
            Limits().check(terms(count, t), "h01", identities(count))


def test_more_colluders_than_there_may_be_refuse_every_threshold() -> None:
    for t in range(5):
        with pytest.raises(SecureSumError, match="threshold"):
            Limits(colluders=3).check(terms(3, t), "h01", identities(3))


@pytest.mark.parametrize("least", [3, 4, 7])
def test_a_cohort_below_the_policy_is_refused(least: int) -> None:
    limits = Limits(min_cohort=least)
    limits.check(terms(least, threshold(least)), "h01", identities(least))
    with pytest.raises(SecureSumError, match=f"over {least - 1} hospitals .* asks for {least}"):
        limits.check(terms(least - 1, threshold(least - 1)), "h01", identities(least))


def test_survivors_are_as_many_as_the_stricter_of_both_asks() -> None:
    assert Limits(min_cohort=6).least(terms(7, 4)) == 6
    assert Limits(min_cohort=3).least(terms(7, 5)) == 5


@pytest.mark.parametrize(
    ("cohort", "words"),
    [
        (("h02", "h01", "h03"), "order"),
        (("h01", "h01", "h02", "h03"), "twice"),
        (("h01", "h02", "h04"), "'h04', which the signed roster"),
        (("H01", "h01", "h02"), "'H01'"),
        (("", "h01", "h02"), "''"),
        (("h02", "h03", "h04"), "'h04'"),
        ((), "does not name this hospital"),
    ],
)
def test_a_cohort_that_is_none(cohort: tuple[str, ...], words: str) -> None:
    with pytest.raises(SecureSumError, match=words):
        Limits().check(terms(3, 2, cohort=cohort), "h01", identities(3))


def test_a_cohort_without_this_hospital_is_refused() -> None:
    with pytest.raises(SecureSumError, match="does not name this hospital"):
        Limits().check(terms(3, 2), "h04", identities(4))


@given(
    count=st.integers(3, 60),
    t=st.integers(0, 70),
    least=st.integers(3, 60),
    colluders=st.integers(-1, 60),
)
def test_limits_agree_with_the_rule(count: int, t: int, least: int, colluders: int) -> None:
    minimum = (count + tolerated(count, colluders)) // 2 + 1
    allowed = count >= least and minimum <= t <= count
    try:
        Limits(least, colluders).check(terms(count, t), "h01", identities(count))
    except SecureSumError:
        assert not allowed
    else:
        assert allowed


def test_terms_differ_in_their_digest_whatever_differs() -> None:
    first = World(3).terms
    changes: list[dict[str, Any]] = [
        {"consortium": "other"}, {"run": "other"}, {"number": 2},
        {"cohort": names(4)}, {"threshold": 3}, {"roster": bytes(32)},
    ]  # fmt: skip
    assert len(
        {dataclasses.replace(first, **change).digest for change in [{}, *changes]}
    ) == 1 + len(changes)
