"""Messages are signed for one protocol, one kind and one hospital."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from common.errors import SecureSumError
from common.secagg import primitives
from common.secagg.messages import (
    Advert,
    Bundle,
    Masked,
    Parcel,
    Signed,
    kinds,
)
from tests.common.secagg.every_message import EVERY, KEY, KINDS, T
from tests.common.secagg.world import World, secret

signed = pytest.mark.parametrize(
    "message", [m for m in EVERY if isinstance(m, Signed)], ids=lambda m: type(m).__name__
)


def test_every_kind_is_here() -> None:
    assert sorted(kind.TAG for kind in KINDS) == list(range(1, 11))


@pytest.mark.parametrize("bits", [0, 16, 31, 33, 128])
def test_an_order_has_one_of_two_rings(bits: int) -> None:
    with pytest.raises(SecureSumError, match="32 and 64"):
        dataclasses.replace(World(3).spec, ring_bits=bits)


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
    public = primitives.ed25519_public(KEY)
    plain = dataclasses.replace(message, signature=bytes(64)).encode()
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
