"""What is derived from keys and messages, each thing under a label of its own.

One function for each secret or hash of the protocol, all with HKDF-SHA256 (RFC 5869) or SHA-256.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from common.secagg import primitives
from common.secagg.encoding import DOMAIN, counted
from common.secagg.messages import CANARIES, Advert, Bundle, SumSpec, Terms


def commitment(seed: bytes, terms: bytes) -> bytes:
    """What a hospital publishes about the seed of its own mask before anything is masked."""
    return hashlib.sha256(DOMAIN + b"seed" + terms + seed).digest()


def share_hash(kind: str, terms: bytes, dealer: str, holder: str, share: bytes) -> bytes:
    """What a dealer publishes about a share.

    A share has 256 random bits, so its hash does not give it away.
    """
    return hashlib.sha256(
        DOMAIN + b"share" + terms + counted(kind, dealer, holder) + share
    ).digest()


def context(terms: Terms, adverts: Sequence[Advert], spec: SumSpec) -> bytes:
    """Terms, the keys of those who dealt shares, and the sum's specification as one digest.

    Two sides that differ in any of it get masks that do not cancel.
    """
    by_site = {advert.site: advert for advert in adverts}
    keys = Bundle.of(terms.digest, [by_site[site] for site in sorted(by_site)])
    return hashlib.sha256(DOMAIN + b"context" + terms.digest + keys.digest + spec.digest).digest()


def channel(private: bytes, public: bytes, terms: bytes, dealer: str, holder: str) -> bytes:
    """Key that seals the one parcel from dealer to holder."""
    return primitives.hkdf(
        primitives.x25519(private, public), terms, DOMAIN + b"parcel" + counted(dealer, holder)
    )


def pair_seed(private: bytes, public: bytes, context_: bytes, one: str, other: str) -> bytes:
    """Seed of the mask that two hospitals share."""
    # Both hospitals derive the same seed, so the names go in sorted.
    low, high = sorted((one, other))
    return primitives.hkdf(
        primitives.x25519(private, public), context_, DOMAIN + b"pair" + counted(low, high)
    )


def own_seed(seed: bytes, context_: bytes, site: str) -> bytes:
    """Seed of the mask that a hospital has for itself."""
    return primitives.hkdf(seed, context_, DOMAIN + b"own" + counted(site))


def sign_of(site: str, peer: str) -> int:
    """The hospital whose name comes first adds the mask that two share, the other takes it off."""
    return 1 if site < peer else -1


def polynomials(seed: bytes, terms: bytes, length: int) -> tuple[bytes, bytes]:
    """Random bytes for the coefficients of the two polynomials that share a secret each."""
    streams = []
    for purpose in (b"seed", b"key"):
        buffer = bytearray(length)
        primitives.Keystream(primitives.hkdf(seed, terms, DOMAIN + b"polynomial" + purpose)).into(
            buffer
        )
        streams.append(bytes(buffer))
    return streams[0], streams[1]


def canary_words(seed: bytes, spec: SumSpec) -> bytes:
    """The part of a mask's keystream that lies over the canaries."""
    start = spec.body_bytes
    # A keystream begins at a whole AES block; the words before the canaries are thrown away.
    skipped = start % 16
    words = bytearray(skipped + 8 * CANARIES)
    primitives.Keystream(seed, offset=start - skipped).into(words)
    return bytes(words[skipped:])


def vector_digest(*parts: memoryview) -> bytes:
    """SHA-256 of a masked vector's bytes."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.digest()
