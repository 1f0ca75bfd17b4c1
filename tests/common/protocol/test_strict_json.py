"""Numbers of a message: what may be computed with passes, what may not is no JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.protocol import strict_json

NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)


@given(st.dictionaries(st.text(max_size=5), st.lists(NUMBERS | st.none() | st.booleans())))
def test_what_honest_sides_write_is_read_back_equal(value: dict[str, Any]) -> None:
    assert strict_json.loads(json.dumps(value)) == value


@pytest.mark.parametrize(
    "text",
    ["NaN", "-Infinity", "1e999", "-1e999", str(2**63), str(-(2**63) - 1), "9" * 5000, "[1,", "01"],
)
def test_what_cannot_be_computed_with_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        strict_json.loads(text)
    with pytest.raises(ValueError):
        strict_json.loads(f'{{"a": [{text}]}}')
