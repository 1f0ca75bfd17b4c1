"""Derived seeds.

The same everywhere, independent of each other, never colliding by concatenation.
"""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from common.seeds import derive

NAMES = st.lists(st.one_of(st.text(max_size=8), st.integers(-(2**70), 2**70)), max_size=4)


def test_a_known_answer() -> None:
    """Computed by hand from the description: a change of the rule would change every study."""
    digest = hashlib.sha256(b"consilium/7" + b"\0\0\0\x0bstr:batches" + b"\0\0\0\x05int:3").digest()
    assert derive(7, "batches", 3) == int.from_bytes(digest[:8], "big") >> 1


@given(st.integers(0, 2**63 - 1), NAMES, NAMES)
def test_different_names_give_different_seeds(
    seed: int, one: list[str | int], other: list[str | int]
) -> None:
    assert (derive(seed, *one) == derive(seed, *other)) is (one == other)


@given(st.integers(0, 2**63 - 1), NAMES)
def test_a_seed_fits_where_seeds_go(seed: int, names: list[str | int]) -> None:
    assert 0 <= derive(seed, *names) < 2**63


def test_names_do_not_run_together() -> None:
    spellings = [("a", "b"), ("ab",), ("a b",), ("a/b",), ("a", "", "b"), ("1",), (1,), (), ("",)]
    assert len({derive(1, *names) for names in spellings}) == len(spellings)
    assert derive(1, "a") != derive(2, "a")
    assert derive(1) != derive(11)
    assert derive(1, "1") != derive(11)
