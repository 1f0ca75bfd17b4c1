"""The TOML writer: what it writes, the standard library reads back equal."""

from __future__ import annotations

import math
import tomllib
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.study import toml

TEXTS = st.text(st.characters(codec="utf-8"), max_size=12)
PLAIN = st.one_of(
    st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), TEXTS
)
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=12,
)


@given(st.dictionaries(TEXTS, VALUES, max_size=5))
def test_round_trip(table: dict[str, Any]) -> None:
    assert tomllib.loads(toml.dumps(table)) == table


@given(
    st.dictionaries(
        st.sampled_from("abcd"),
        st.one_of(PLAIN, st.dictionaries(st.sampled_from("xy"), PLAIN)),
        max_size=4,
    )
)
def test_comments_change_nothing(table: dict[str, Any]) -> None:
    notes = dict.fromkeys(("", *table, *(f"{k}.{i}" for k in table for i in "xy")), 'a = "note"')
    assert tomllib.loads(toml.dumps(table, notes)) == table


def test_it_looks_like_this() -> None:
    table = {
        "name": "x",
        "data": {"size": (2, 3), "prepare": [{"step": "a", "k": 1.0}, {"step": "b"}]},
        "training": {"rate": 1e-05, "on": True},
    }
    notes = {
        "": "head\nof the file",
        "name": "whose",
        "data": "what",
        "data.prepare[1].step": "which",
        "training.rate": "how fast",
    }
    expected = """\
# head
# of the file
name = "x"  # whose

# what
[data]
size = [2, 3]

[[data.prepare]]
step = "a"
k = 1.0

[[data.prepare]]
step = "b"  # which

[training]
rate = 1e-05  # how fast
on = true
"""
    assert toml.dumps(table, notes) == expected


def test_plain_values_come_before_tables() -> None:
    assert tomllib.loads(toml.dumps({"inner": {"a": 1}, "after": 2})) == {
        "inner": {"a": 1},
        "after": 2,
    }


def test_numbers_of_numpy_and_special_values() -> None:
    table = tomllib.loads(
        toml.dumps({"a": np.float64(0.25), "b": math.inf, "c": math.nan, "d": -0.0})
    )
    assert table["a"] == 0.25
    assert table["b"] == math.inf
    assert math.isnan(table["c"])
    assert math.copysign(1, table["d"]) == -1


@pytest.mark.parametrize(
    "value", [None, b"x", {1, 2}, object(), [None], {"a": None}, datetime(2026, 1, 1, tzinfo=UTC)]
)
def test_what_has_no_form_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="TOML has no form for a value of type"):
        toml.dumps({"a": value})
