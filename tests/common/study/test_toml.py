"""TOML: what is written, the standard library reads back equal; what is wrong is one sentence."""

from __future__ import annotations

import math
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import InputError, StudyError
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


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"a = ", r"Policy file \S+ is not valid TOML: .+\."),
        (b"a = " + b"9" * 5000, r"Policy file \S+ is not valid TOML: a whole number has too many"),
        (b"a = " + b"[" * 50_000, r"Policy file \S+ is not valid TOML: lists or tables lie too"),
        (b"\xff", r"Policy file \S+ is not UTF-8 text; save it as UTF-8\."),
        (
            b"#" * ((1 << 20) + 1),
            r"Policy file \S+ has 1048577 bytes; at most 1048576 are allowed\.",
        ),
        (None, r"Policy file \S+ cannot be read \(No such file or directory\); give the path of a"),
    ],
    ids=["no value", "digits", "depth", "not text", "size", "absent"],
)
@pytest.mark.parametrize("refusal", [InputError, StudyError])
def test_a_file_that_cannot_be_read_is_one_sentence(
    tmp_path: Path, content: bytes | None, sentence: str, refusal: type[InputError]
) -> None:
    if content is not None:
        (tmp_path / "p.toml").write_bytes(content)
    with pytest.raises(refusal, match=f"^{sentence}") as caught:
        toml.read(tmp_path / "p.toml", "Policy file", refusal)
    assert type(caught.value) is refusal
    assert "\n" not in str(caught.value)


def test_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text('a = [1, "x"]\n[b]\nc = 0.5\n')
    assert toml.read(tmp_path / "p.toml", "Policy file") == {"a": [1, "x"], "b": {"c": 0.5}}
