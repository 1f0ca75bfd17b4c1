"""Messages have one byte form each, and no other bytes are a message."""

from __future__ import annotations

import dataclasses
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import SecureSumError
from common.secagg.encoding import Message, counted, tag_of
from common.secagg.messages import (
    Bundle,
    Parcel,
    Reveal,
    SumResult,
    Survivors,
    Terms,
)
from tests.common.secagg.every_message import EDGES, EVERY, KINDS, T, every


def refused(kind: type[Message], blob: bytes) -> None:
    with pytest.raises(SecureSumError):
        kind.decode(blob)


def strict(kind: type[Message], blob: bytes) -> bool:
    """Whether bytes are a message; if so, they are its only form."""
    try:
        message = kind.decode(blob)
    except SecureSumError:
        return False
    assert message.encode() == blob
    return True


def raw_fields(kind: type[Message]) -> list[Any]:
    return [field for field in dataclasses.fields(kind) if field.metadata["form"] == "raw"]


def with_counted(message: Message, name: str, content: bytes) -> bytes:
    """A message's bytes with one field's content replaced."""
    blob = message.encode()
    made = blob[:2]
    rest = blob[2:]
    for field in dataclasses.fields(message):
        (length,) = struct.unpack(">I", rest[:4])
        held, rest = rest[4 : 4 + length], rest[4 + length :]
        part = content if field.name == name else held
        made += struct.pack(">I", len(part)) + part
    return made


@pytest.mark.parametrize("message", EVERY + EDGES, ids=lambda m: type(m).__name__)
def test_round_trip(message: Message) -> None:
    blob = message.encode()
    back = type(message).decode(blob)
    assert back == message and back.encode() == blob and back.digest == message.digest
    assert tag_of(blob) == message.TAG


@every
def test_every_truncation_is_refused(message: Message) -> None:
    blob = message.encode()
    for end in range(len(blob)):
        refused(type(message), blob[:end])


@every
def test_every_appended_byte_is_refused(message: Message) -> None:
    for byte in range(256):
        refused(type(message), message.encode() + bytes((byte,)))
    refused(type(message), message.encode() * 2)


@every
def test_another_tag_or_version_is_refused(message: Message) -> None:
    blob = message.encode()
    for byte in set(range(256)) - {message.TAG}:
        refused(type(message), bytes((byte,)) + blob[1:])
    for byte in set(range(256)) - {1}:
        refused(type(message), blob[:1] + bytes((byte,)) + blob[2:])


@every
def test_no_kind_is_taken_for_another(message: Message) -> None:
    for kind in KINDS:
        if kind is not type(message):
            refused(kind, message.encode())


@every
def test_every_changed_byte_is_refused_or_another_message(message: Message) -> None:
    blob = message.encode()
    for i in range(len(blob)):
        for change in (1, 128, 255):
            changed = blob[:i] + bytes((blob[i] ^ change,)) + blob[i + 1 :]
            if strict(type(message), changed):
                assert type(message).decode(changed) != message


@pytest.mark.parametrize(
    "message", [m for m in EVERY if raw_fields(type(m))], ids=lambda m: type(m).__name__
)
@pytest.mark.parametrize("change", [-1, 1, None])
def test_a_fixed_field_has_its_length(message: Message, change: int | None) -> None:
    for field in raw_fields(type(message)):
        length = 0 if change is None else field.metadata["length"] + change
        with pytest.raises(SecureSumError, match=f"{field.name} has {length} bytes"):
            dataclasses.replace(message, **{field.name: bytes(length)}).encode()
        with pytest.raises(SecureSumError, match=f"{field.name} has {length} bytes"):
            type(message).decode(with_counted(message, field.name, bytes(length)))


@pytest.mark.parametrize(
    ("message", "name", "content", "words"),
    [
        (EVERY[0], "number", bytes(7), "8 bytes"),
        (EVERY[0], "number", bytes(9), "8 bytes"),
        (EVERY[0], "number", b"", "8 bytes"),
        (EVERY[0], "run", b"\xff", "UTF-8"),
        (EVERY[0], "run", b"\xed\xa0\x80", "UTF-8"),
        (EVERY[0], "cohort", counted("a") + b"\0", "cut short"),
        (EVERY[0], "cohort", b"\0\0\0\5a", "announces"),
        (EVERY[0], "cohort", struct.pack(">I", 1) + b"\xff", "UTF-8"),
        (EVERY[0], "cohort", bytes(4 * 1001), "1001 entries"),
        (EVERY[1], "limit", struct.pack(">d", float("nan")), "finite"),
        (EVERY[1], "limit", struct.pack(">d", float("-inf")), "finite"),
        (EVERY[1], "limit", struct.pack(">f", 1.0), "finite"),
        (EVERY[1], "ring_bits", (16).to_bytes(8), "ring_bits 16"),
        (EVERY[7], "seed_shares", counted("a"), "without a value"),
        (EVERY[7], "canaries", counted("a", "b", "c"), "without a value"),
        (EVERY[7], "key_shares", bytes(8 * 1001), "1001 entries"),
        (EVERY[8], "canaries", counted("1234567"), "8 bytes"),
        (EVERY[8], "canaries", (bytes((0, 0, 0, 8)) + bytes(8)) * 1001, "1001 entries"),
        (EVERY[9], "items", bytes(4 * 1001), "1001 entries"),
    ],
)
def test_a_field_that_is_none_is_refused(
    message: Message, name: str, content: bytes, words: str
) -> None:
    with pytest.raises(SecureSumError, match=words):
        type(message).decode(with_counted(message, name, content))


def test_a_huge_announced_length_is_refused_before_anything_is_made() -> None:
    for length in (2**24 + 1, 2**31, 2**32 - 1):
        refused(Survivors, bytes((Survivors.TAG, 1)) + struct.pack(">I", length) + bytes(64))
    longest = with_counted(EVERY[3], "sealed", bytes(2**24))
    assert len(Parcel.decode(longest).sealed) == 2**24
    refused(Parcel, with_counted(EVERY[3], "sealed", bytes(2**24 + 1)))


@pytest.mark.parametrize("number", [-1, 2**64])
def test_a_number_beyond_64_bits_is_not_written(number: int) -> None:
    for message in (Terms("", "", number, (), 2, bytes(32)), SumResult(T, (number,), bytes(32))):
        with pytest.raises(SecureSumError, match="2\\^64"):
            message.encode()


def test_more_than_a_thousand_entries_are_not_written() -> None:
    with pytest.raises(SecureSumError, match="1001 entries"):
        Survivors(T, ("x",) * 1001).encode()


def test_names_do_not_flow_into_each_other() -> None:
    """Where one field ends and the next begins is part of what is hashed."""
    pairs = [
        (Terms("ab", "c", 1, (), 2, T), Terms("a", "bc", 1, (), 2, T)),
        (Survivors(T, ("ab", "c")), Survivors(T, ("a", "bc"))),
        (Survivors(T, ("a", "")), Survivors(T, ("a",))),
        (Bundle(T, (b"ab",)), Bundle(T, (b"a", b"b"))),
        (
            Reveal(T, "a", bytes(64), (("b", b"1"),), (), ()),
            Reveal(T, "a", bytes(64), (), (("b", b"1"),), ()),
        ),
    ]
    for one, other in pairs:
        assert one.encode() != other.encode() and one.digest != other.digest


@every
def test_keys_and_signatures_are_not_shown(message: Message) -> None:
    for field in raw_fields(type(message)):
        assert f"{field.name}=" not in repr(message)


@settings(max_examples=400, deadline=None)
@given(blob=st.binary(max_size=200), kind=st.sampled_from(KINDS))
def test_any_bytes(blob: bytes, kind: type[Message]) -> None:
    strict(kind, blob)
    strict(kind, bytes((kind.TAG, 1)) + blob)


@settings(max_examples=600, deadline=None)
@given(data=st.data(), message=st.sampled_from(EVERY + EDGES))
def test_mutated_bytes(data: st.DataObject, message: Message) -> None:
    """Cuts, inserted, doubled and changed bytes, several at once."""
    blob = bytearray(message.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(blob)))
        end = data.draw(st.integers(start, min(len(blob), start + 8)))
        blob[start:end] = data.draw(
            st.one_of(st.binary(max_size=8), st.just(bytes(blob[start:end] * 2)))
        )
    strict(type(message), bytes(blob))


@settings(max_examples=200, deadline=None)
@given(
    consortium=st.text(st.characters(exclude_categories=["Cs"])),
    number=st.integers(0, 2**64 - 1),
    cohort=st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=8),
    threshold=st.integers(0, 2**64 - 1),
    roster=st.binary(min_size=32, max_size=32),
)
def test_any_terms(
    consortium: str, number: int, cohort: list[str], threshold: int, roster: bytes
) -> None:
    terms = Terms(consortium, "run", number, tuple(cohort), threshold, roster)
    assert Terms.decode(terms.encode()) == terms
