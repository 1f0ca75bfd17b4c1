"""What is derived, against a second calculation from RFC 5869 and SHA-256 by hand.

And that no two purposes ever share a key.
"""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import struct
from typing import Any

import pytest

from common.secagg import derive, primitives
from common.secagg.messages import CANARIES, Advert, SumSpec
from common.secagg.primitives import Keystream
from tests.common.secagg.world import World, secret

NAME = b"consilium secure sum v1\0"
ONE = secret("one")
OTHER = secret("other")
T = secret("terms")
C = secret("context")
ONE_PUBLIC = primitives.x25519_public(ONE)
OTHER_PUBLIC = primitives.x25519_public(OTHER)


def sha(*parts: bytes) -> bytes:
    return hashlib.sha256(NAME + b"".join(parts)).digest()


def text(*names: str) -> bytes:
    return b"".join(struct.pack(">I", len(name.encode())) + name.encode() for name in names)


def hkdf(key: bytes, salt: bytes, info: bytes) -> bytes:
    """RFC 5869 sections 2.2 and 2.3, one block."""
    extracted = hmac.new(salt, key, "sha256").digest()
    return hmac.new(extracted, NAME + info + b"\1", "sha256").digest()


def adverts(world: World) -> list[Advert]:
    now = world.keys()
    return [now.answers[name] for name in world.names]


def test_hashes_by_hand() -> None:
    assert derive.commitment(ONE, T) == sha(b"seed", T, ONE)
    assert derive.share_hash("key", T, "a", "bü", b"share") == sha(
        b"share", T, text("key", "a", "bü"), b"share"
    )


def test_keys_by_hand() -> None:
    shared = primitives.x25519(ONE, OTHER_PUBLIC)
    assert derive.channel(ONE, OTHER_PUBLIC, T, "b", "a") == hkdf(
        shared, T, b"parcel" + text("b", "a")
    )
    assert derive.pair_seed(ONE, OTHER_PUBLIC, C, "b", "a") == hkdf(
        shared, C, b"pair" + text("a", "b")
    )
    assert derive.own_seed(ONE, C, "a") == hkdf(ONE, C, b"own" + text("a"))


def test_the_context_by_hand() -> None:
    world = World(4)
    every = adverts(world)
    listed = b"".join(
        struct.pack(">I", len(blob)) + blob for blob in (advert.encode() for advert in every)
    )
    bundle = (
        b"\x0a\1"
        + struct.pack(">I", 32)
        + world.terms.digest
        + struct.pack(">I", len(listed))
        + listed
    )
    assert derive.context(world.terms, every, world.spec) == sha(
        b"context", world.terms.digest, sha(bundle), world.spec.digest
    )


def test_polynomials_by_hand() -> None:
    seeds, keys = derive.polynomials(ONE, T, 96)
    for coefficients, purpose in ((seeds, b"seed"), (keys, b"key")):
        expected = bytearray(96)
        Keystream(hkdf(ONE, T, b"polynomial" + purpose)).into(expected)
        assert coefficients == expected
    assert derive.polynomials(ONE, T, 48)[0] == seeds[:48]
    assert derive.polynomials(ONE, T, 0) == (b"", b"")


def test_both_ends_find_the_same_secrets() -> None:
    assert derive.pair_seed(ONE, OTHER_PUBLIC, C, "a", "b") == derive.pair_seed(
        OTHER, ONE_PUBLIC, C, "b", "a"
    )
    assert derive.channel(ONE, OTHER_PUBLIC, T, "a", "b") == derive.channel(
        OTHER, ONE_PUBLIC, T, "a", "b"
    )


def test_a_channel_has_a_direction() -> None:
    """The nonce is zero, so the parcels that two hospitals send each other need two keys."""
    assert derive.channel(ONE, OTHER_PUBLIC, T, "a", "b") != derive.channel(
        ONE, OTHER_PUBLIC, T, "b", "a"
    )


@pytest.mark.parametrize(
    ("low", "high"), [("a", "b"), ("a", "aa"), ("A", "a"), ("h09", "h10"), ("z", "ä")]
)
def test_one_adds_what_the_other_takes_off(low: str, high: str) -> None:
    assert (derive.sign_of(low, high), derive.sign_of(high, low)) == (1, -1)


def test_no_two_purposes_share_a_value() -> None:
    """Same secret, same salt, names that run into each other: all different."""
    made = [
        derive.commitment(ONE, T),
        derive.commitment(T, ONE),
        *(
            derive.share_hash(kind, T, *who, ONE)
            for kind in ("seed", "key")
            for who in (("a", "bc"), ("ab", "c"), ("bc", "a"))
        ),
        *(
            derive.channel(ONE, OTHER_PUBLIC, T, *who)
            for who in (("a", "bc"), ("ab", "c"), ("bc", "a"))
        ),
        *(derive.pair_seed(ONE, OTHER_PUBLIC, T, *who) for who in (("a", "bc"), ("ab", "c"))),
        derive.pair_seed(ONE, OTHER_PUBLIC, C, "a", "bc"),
        *(derive.own_seed(ONE, salt, who) for salt in (T, C) for who in ("a", "b")),
        *derive.polynomials(ONE, T, 32),
        *derive.polynomials(ONE, C, 32),
    ]
    assert len(set(made)) == len(made)


def test_the_context_does_not_depend_on_the_order_of_arrival() -> None:
    world = World(5)
    every = adverts(world)
    assert derive.context(world.terms, every[::-1], world.spec) == derive.context(
        world.terms, every, world.spec
    )


def test_the_context_changes_with_everything_that_it_binds() -> None:
    world = World(5)
    every = adverts(world)
    spec = world.spec
    terms = world.terms
    changes: list[dict[str, Any]] = [
        {"kind": "evaluate"}, {"round": 2}, {"part": "test"}, {"model": bytes(32)},
        {"layout": ""}, {"size": 6}, {"ring_bits": 64},
        {"fraction_bits": 8}, {"limit": 31.0}, {"lanes": ("loss", "weight")}, {"total": 1},
    ]  # fmt: skip
    assert {name for change in changes for name in change} == {
        field.name for field in dataclasses.fields(SumSpec)
    }
    made = [
        derive.context(terms, every, dataclasses.replace(spec, **change))
        for change in [{}, *changes]
    ]
    made.append(derive.context(dataclasses.replace(terms, number=2), every, spec))
    made.append(derive.context(terms, every[:4], spec))
    keys: list[dict[str, Any]] = [
        {name: secret(name)} for name in ("mask_key", "channel_key", "commitment")
    ]
    other = [dataclasses.replace(every[0], **change) for change in keys]
    made.extend(derive.context(terms, [advert, *every[1:]], spec) for advert in other)
    assert len(set(made)) == len(made)


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("size", [*range(10), 32767, 32768, 32769, 65537])
def test_canary_words_are_cut_from_the_stream(size: int, bits: int) -> None:
    spec = dataclasses.replace(World(3).spec, size=size, ring_bits=bits)
    stream = bytearray(spec.body_bytes + 8 * CANARIES)
    Keystream(ONE).into(stream)
    assert derive.canary_words(ONE, spec) == stream[-8 * CANARIES :]
