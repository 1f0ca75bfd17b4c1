"""Messages: one byte form each, and no other bytes are a message.

What is wrong is one typed error.
"""

from __future__ import annotations

import dataclasses
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import SecureSumError
from common.secagg import primitives
from common.secagg.encoding import Message, counted, tag_of
from common.secagg.messages import (
    Advert,
    Bundle,
    Confirm,
    Masked,
    Parcel,
    Reveal,
    Signed,
    SumResult,
    SumSpec,
    Survivors,
    Terms,
    kinds,
)
from tests.common.secagg.world import World, secret

KEY = secret("key")
T = secret("terms")
EVERY: list[Message] = [
    Terms("consortium", "run", 7, ("a", "b", "ü"), 2, secret("roster")),
    SumSpec("train", 3, "", secret("model"), "layout", 5, 32, 24, 32.0, ("weight", "loss"), 100),
    Advert(T, "a", bytes(64), secret(1), secret(2), secret(3)).signed(KEY),
    Parcel(T, "a", bytes(64), "b", b"sealed" * 9, secret(4), secret(5)).signed(KEY),
    Masked(T, "a", bytes(64), secret(6), secret(7)).signed(KEY),
    Survivors(T, ("a", "b", "c")),
    Confirm(T, "a", bytes(64), secret(8), ("a", "b", "c")).signed(KEY),
    Reveal(T, "a", bytes(64), (("a", b"1"), ("b", b"")), (("c", b"33"),), (("b", b"4"),)).signed(
        KEY
    ),
    SumResult(T, (3, 3, 3, 3), secret(9)),
    Bundle(T, (b"one", b"", b"three")),
]
EDGES: list[Message] = [
    Terms("", "", 0, (), 0, bytes(32)),
    Terms("", "", 2**64 - 1, ("",), 2**64 - 1, bytes(32)),
    SumSpec("", 0, "", bytes(32), "", 0, 64, 0, -0.0, (), 0),
    Survivors(T, ("x",) * 1000),
    SumResult(T, (), bytes(32)),
    Bundle(T, ()),
]
KINDS = [type(message) for message in EVERY]
every = pytest.mark.parametrize("message", EVERY, ids=[kind.__name__ for kind in KINDS])
signed = pytest.mark.parametrize(
    "message", [m for m in EVERY if isinstance(m, Signed)], ids=lambda m: type(m).__name__
)


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
    made, rest = blob[:2], blob[2:]
    for field in dataclasses.fields(message):
        (length,) = struct.unpack(">I", rest[:4])
        held, rest = rest[4 : 4 + length], rest[4 + length :]
        part = content if field.name == name else held
        made += struct.pack(">I", len(part)) + part
    return made


def test_every_kind_is_here() -> None:
    assert sorted(kind.TAG for kind in KINDS) == list(range(1, 11))


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


@pytest.mark.parametrize("bits", [0, 16, 31, 33, 128])
def test_an_order_has_one_of_two_rings(bits: int) -> None:
    with pytest.raises(SecureSumError, match="32 and 64"):
        dataclasses.replace(World(3).spec, ring_bits=bits)


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


@signed
def test_a_signature_covers_every_other_field(message: Any) -> None:
    public = primitives.ed25519_public(KEY)
    message.check_signature(public)
    for field in dataclasses.fields(message):
        value = getattr(message, field.name)
        other: Any = (
            "other"
            if isinstance(value, str)
            else bytes(len(value))
            if isinstance(value, bytes)
            else ()
        )
        if field.name == "seed_shares":
            other = (*value, ("z", b""))
        changed = dataclasses.replace(message, **{field.name: other})
        if changed != message:
            with pytest.raises(SecureSumError, match="not signed by"):
                changed.check_signature(public)


@signed
def test_a_signature_is_for_this_protocol_alone(message: Any) -> None:
    """What is signed begins with the protocol's name: no signature for another purpose fits."""
    public, plain = (
        primitives.ed25519_public(KEY),
        dataclasses.replace(message, signature=bytes(64)).encode(),
    )
    assert primitives.verify(public, message.signature, b"consilium secure sum v1\0" + plain)
    assert not primitives.verify(public, message.signature, plain)


@signed
def test_a_signature_is_one_hospitals(message: Any) -> None:
    for public in (primitives.ed25519_public(secret("another")), None):
        with pytest.raises(SecureSumError, match="not signed by"):
            message.check_signature(public)


def test_a_signature_is_for_one_kind_of_message() -> None:
    """Two kinds with the same fields: Masked and Confirm would differ in the tag alone."""

    @dataclasses.dataclass(frozen=True)
    class Twin(Masked):
        TAG = 99

    twin = Twin(*(getattr(EVERY[4], field.name) for field in dataclasses.fields(EVERY[4])))
    with pytest.raises(SecureSumError, match="not signed by"):
        twin.check_signature(primitives.ed25519_public(KEY))


def test_a_bundle_opens_as_one_kind_only() -> None:
    bundle = Bundle.of(T, [EVERY[2], EVERY[2]])
    assert bundle.opened(Advert) == (EVERY[2], EVERY[2])
    with pytest.raises(SecureSumError, match="not a Parcel"):
        bundle.opened(Parcel)
    with pytest.raises(SecureSumError):
        Bundle.of(T, [EVERY[2], EVERY[3]]).opened(Advert)


def test_kinds_are_told_for_a_record() -> None:
    blobs = [EVERY[0].encode(), Bundle.of(T, [EVERY[6], EVERY[6]]).encode(), b"\xff", b""]
    assert kinds(blobs) == ["Terms", "Confirm", "unknown", "unknown"]
    assert kinds([Bundle(T, ()).encode()]) == []


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
