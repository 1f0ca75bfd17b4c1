"""Signed heads.

What is signed is what is checked, for one purpose, and contradictions are named.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from common.errors import SignatureError
from common.trust import tree_heads
from common.trust.tree_heads import Head

KEY = bytes(range(32))
PUBLIC = Ed25519PrivateKey.from_private_bytes(KEY).public_key().public_bytes_raw()
HEAD = Head("north", "trial", "run-1", 3, 41, "ab" * 32, "2026-03-01T12:00:00+00:00")
SIGNED = tree_heads.sign(HEAD, KEY)


def test_a_signed_head_is_read_and_holds() -> None:
    assert tree_heads.verify(SIGNED, PUBLIC, "trial") == tree_heads.read(SIGNED) == HEAD


@pytest.mark.parametrize("field", ["site", "run", "round", "size", "root", "at"])
def test_a_changed_field_breaks_the_signature(field: str) -> None:
    other = {"round": 4, "size": 42, "root": "cd" * 32, "at": "2026-03-01T12:00:01+00:00"}.get(
        field, "another"
    )
    with pytest.raises(SignatureError, match="not signed by it"):
        tree_heads.verify(SIGNED | {field: other}, PUBLIC, "trial")


def test_a_head_of_another_consortium_or_key_is_refused() -> None:
    with pytest.raises(SignatureError, match="another consortium"):
        tree_heads.verify(SIGNED, PUBLIC, "elsewhere")
    with pytest.raises(SignatureError, match="not signed by it"):
        tree_heads.verify(
            SIGNED, Ed25519PrivateKey.generate().public_key().public_bytes_raw(), "trial"
        )


def test_a_signature_is_for_heads_only() -> None:
    """The same fields, signed without the words that set heads apart, are not a head."""
    assert HEAD.signed_bytes().startswith(b"consilium head") and b"\n{" in HEAD.signed_bytes()


@pytest.mark.parametrize(
    "change",
    [
        {"size": -1},
        {"size": True},
        {"size": 1.0},
        {"size": 1 << 53},
        {"round": "3"},
        {"site": None},
        {"site": "x" * 201},
        {"site": "a\nb"},
        {"root": "ab"},
        {"root": "x" * 64},
        {"root": "AB" * 32},
        {"at": "2026-03-01T12:00:00"},
        {"at": "yesterday"},
        {"at": "0001-01-01T00:00:00+23:59"},
        {"signature": 3},
        {"more": 1},
    ],
)
def test_what_has_another_form_is_no_head(change: dict[str, Any]) -> None:
    with pytest.raises(SignatureError):
        tree_heads.read(SIGNED | change)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_whatever_travels_is_a_head_or_a_typed_error(value: Any) -> None:
    with pytest.raises(SignatureError):
        tree_heads.read(value)


@pytest.mark.parametrize("signature", ["", "!", "AAAA", "é"])
def test_a_signature_that_is_none_is_refused(signature: str) -> None:
    with pytest.raises(SignatureError, match="not signed by it"):
        tree_heads.verify(SIGNED | {"signature": signature}, PUBLIC, "trial")


def test_contradictions() -> None:
    later = replace(HEAD, at="2026-03-01T12:00:05+00:00")
    assert (
        tree_heads.contradict(HEAD, HEAD)
        == tree_heads.contradict(HEAD, replace(later, size=50))
        == ""
    )
    assert (
        tree_heads.contradict(HEAD, replace(later, root="cd" * 32))
        == "two different records of 41 entries"
    )
    shorter = replace(later, size=40, root="cd" * 32)
    assert (
        tree_heads.contradict(HEAD, shorter)
        == tree_heads.contradict(shorter, HEAD)
        == "a record of 41 entries became one of 40"
    )
