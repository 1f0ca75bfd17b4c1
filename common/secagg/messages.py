"""The messages of a secure sum: frozen, length-checked, with one byte form each.

Two sides that agree on the bytes therefore agree on all. Whoever signs a message signs its byte
form with an empty signature.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, TypeVar

from common.errors import SecureSumError
from common.secagg import primitives
from common.secagg.encoding import DOMAIN, Message, form, raw, tag_of

CANARIES = 4
"""Lanes of constant 1 at the head of every tail.

Their sum counts the survivors, a wrong mask passes with a chance of 2^-256.
"""

M = TypeVar("M", bound=Message)


@dataclass(frozen=True)
class Signed(Message):
    """A message that a hospital signs.

    ``terms`` is the digest of the sum's terms, ``signature`` is Ed25519 (RFC 8032).
    """

    terms: bytes = raw(32)
    site: str = form("text")
    signature: bytes = raw(64)

    def to_sign(self) -> bytes:
        """What is signed."""
        return DOMAIN + dataclasses.replace(self, signature=bytes(64)).encode()

    def signed(self, key: bytes) -> Self:
        """The same with the signature of this Ed25519 key (32-byte seed)."""
        return dataclasses.replace(self, signature=primitives.sign(key, self.to_sign()))

    def check_signature(self, public: bytes | None) -> None:
        """Whether the hospital with this public key signed it.

        Raises:
            SecureSumError: it did not, or has no key.
        """
        if public is None or not primitives.verify(public, self.signature, self.to_sign()):
            raise SecureSumError(f"The {type(self).__name__} is not signed by {self.site!r}.")


@dataclass(frozen=True)
class Terms(Message):
    """What one secure sum is agreed on before anything is computed.

    Attributes:
        consortium: name of the consortium.
        run: name of the run.
        number: rises with every sum of the run; one number is used once.
        cohort: the hospitals asked, in order of their names.
        threshold: t, so many hospitals must confirm and reveal.
        roster: digest of the signed roster.
    """

    TAG = 1
    consortium: str = form("text")
    run: str = form("text")
    number: int = form("number")
    cohort: tuple[str, ...] = form("texts")
    threshold: int = form("number")
    roster: bytes = raw(32)


@dataclass(frozen=True)
class SumSpec(Message):
    """What one sum is over; the hospitals know it when they compute.

    Attributes:
        kind: "tally", "train" or "evaluate".
        round: number of the round.
        part: part of the data for "evaluate", else empty.
        model: SHA-256 of the model's bytes, or zeros without one.
        layout: digest of the model's layout (hex), or empty.
        size: number of body words.
        ring_bits: 32 or 64, bits of a body word.
        fraction_bits: f, a body word is ``round(value * weight / total * 2^f)``.
        limit: no absolute value may exceed it.
        lanes: names of the tail's lanes after the canaries.
        total: sum of the hospitals' weights, from the tally; 0 in the tally itself.
    """

    TAG = 2
    kind: str = form("text")
    round: int = form("number")
    part: str = form("text")
    model: bytes = raw(32)
    layout: str = form("text")
    size: int = form("number")
    ring_bits: int = form("number")
    fraction_bits: int = form("number")
    limit: float = form("real")
    lanes: tuple[str, ...] = form("texts")
    total: int = form("number")

    def __post_init__(self) -> None:
        if self.ring_bits not in (32, 64):
            raise SecureSumError(f"An order has ring_bits {self.ring_bits}; 32 and 64 are allowed.")

    @property
    def body_bytes(self) -> int:
        """Bytes of the body."""
        return self.size * self.ring_bits // 8

    @property
    def tail_words(self) -> int:
        """64-bit words of the tail: canaries and lanes."""
        return CANARIES + len(self.lanes)


@dataclass(frozen=True)
class Advert(Signed):
    """A hospital's fresh keys.

    Attributes:
        mask_key, channel_key: X25519 keys for masks and for parcels.
        commitment: SHA-256 of its own mask's seed under the terms.
    """

    TAG = 3
    mask_key: bytes = raw(32)
    channel_key: bytes = raw(32)
    commitment: bytes = raw(32)


@dataclass(frozen=True)
class Parcel(Signed):
    """From ``site`` to ``to``: shares of its mask's seed and of its mask key, sealed.

    It holds hashes of both, so that a changed share is seen.
    """

    TAG = 4
    to: str = form("text")
    sealed: bytes = form("bytes")
    seed_hash: bytes = raw(32)
    key_hash: bytes = raw(32)


@dataclass(frozen=True)
class Masked(Signed):
    """That ``site`` sent the vector with this SHA-256, masked in this context.

    The context is the digest of terms, keys and sum specification.
    """

    TAG = 5
    context: bytes = raw(32)
    vector: bytes = raw(32)


@dataclass(frozen=True)
class Survivors(Message):
    """The server names the hospitals whose vectors it has."""

    TAG = 6
    terms: bytes = raw(32)
    sites: tuple[str, ...] = form("texts")


@dataclass(frozen=True)
class Confirm(Signed):
    """``site`` has heard of exactly these survivors in this context, and will open no other sum."""

    TAG = 7
    context: bytes = raw(32)
    survivors: tuple[str, ...] = form("texts")


@dataclass(frozen=True)
class Reveal(Signed):
    """What opens the sum, and nothing else.

    Attributes:
        seed_shares: ``(survivor, share)``.
        key_shares: ``(dropped hospital, share)``.
        canaries: ``(peer, keystream)``: the canaries' masks shared with each peer, 8 bytes a
            canary; they tell whose mask was wrong.
    """

    TAG = 8
    seed_shares: tuple[tuple[str, bytes], ...] = form("pairs")
    key_shares: tuple[tuple[str, bytes], ...] = form("pairs")
    canaries: tuple[tuple[str, bytes], ...] = form("pairs")


@dataclass(frozen=True)
class SumResult(Message):
    """What came out: the canaries' sums, and SHA-256 of the model that follows.

    The latter is zeros if no model follows.
    """

    TAG = 9
    terms: bytes = raw(32)
    canaries: tuple[int, ...] = form("numbers")
    model: bytes = raw(32)


@dataclass(frozen=True)
class Bundle(Message):
    """Several messages of one kind about one sum, e.g. all adverts or a hospital's parcels."""

    TAG = 10
    terms: bytes = raw(32)
    items: tuple[bytes, ...] = form("blobs")

    @classmethod
    def of(cls, terms: bytes, messages: Sequence[Message]) -> Bundle:
        """These messages."""
        return cls(terms, tuple(message.encode() for message in messages))

    def opened(self, kind: type[M]) -> tuple[M, ...]:
        """The messages, which are of this kind.

        Raises:
            SecureSumError: one is not.
        """
        return tuple(kind.decode(item) for item in self.items)


def kinds(blobs: Sequence[bytes]) -> list[str]:
    """Kinds of messages, for the audit log: ``["Masked"]``; a bundle has the kind of its items."""
    names = {
        kind.TAG: kind.__name__
        for kind in (Terms, SumSpec, Advert, Parcel, Masked, Survivors, Confirm, Reveal, SumResult)
    }
    inside = [
        Bundle.decode(blob).items[:1] if tag_of(blob) == Bundle.TAG else (blob,) for blob in blobs
    ]
    return [names.get(tag_of(blob), "unknown") for items in inside for blob in items]
