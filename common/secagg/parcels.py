"""Parcels of shares: dealt, sealed for their holder, signed by their dealer; opened, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from common.errors import SecureSumError
from common.secagg import derive, primitives, shamir
from common.secagg.messages import Advert, Parcel, Terms
from common.sentences.table import say

Shares = tuple[bytes, bytes]
"""A share of the seed of the dealer's own mask, and one of its mask key."""


def deal(
    terms: Terms, seed: bytes, mask_key: bytes, polynomials: bytes, holders: Sequence[str]
) -> dict[str, Shares]:
    """Shares of a hospital's two secrets for every holder.

    The holders have the places x = 1, 2, ... in the order in which they are listed.
    """
    random = derive.polynomials(
        polynomials, terms.digest, (terms.threshold - 1) * shamir.COEFFICIENT
    )
    seeds, keys = (
        shamir.split(secret, terms.threshold, len(holders), coefficients)
        for secret, coefficients in zip((seed, mask_key), random, strict=True)
    )
    return dict(zip(holders, zip(seeds, keys, strict=True), strict=True))


def seal(
    terms: bytes,
    dealer: Advert,
    channel_key: bytes,
    holder: Advert,
    shares: Shares,
    signing_key: bytes,
) -> Parcel:
    """A holder's shares, for nobody else to read, with what lets everybody see a changed one."""
    key = derive.channel(
        channel_key, public=holder.channel_key, terms=terms, dealer=dealer.site, holder=holder.site
    )
    sealed = primitives.seal(key, b"".join(shares), terms)
    seed_hash, key_hash = hashes(terms, dealer.site, holder.site, shares)
    return Parcel(
        terms=terms,
        site=dealer.site,
        signature=bytes(64),
        to=holder.site,
        sealed=sealed,
        seed_hash=seed_hash,
        key_hash=key_hash,
    ).signed(signing_key)


def open_parcel(
    parcel: Parcel,
    dealers: Mapping[str, Advert],
    identities: Mapping[str, bytes],
    holder: str,
    channel_key: bytes,
) -> Shares:
    """The shares in a parcel.

    Raises:
        SecureSumError: it is for somebody else, not its dealer's, does not open, or holds other
            shares than the dealer vouches for.
    """
    dealer = parcel.site
    terms = parcel.terms
    if parcel.to != holder:
        raise SecureSumError(f"A parcel for {parcel.to!r} came to this hospital.")
    if dealer not in dealers:
        raise SecureSumError(f"A parcel is of {dealer!r}, who sent no keys.")
    parcel.check_signature(identities.get(dealer))
    key = derive.channel(
        channel_key, public=dealers[dealer].channel_key, terms=terms, dealer=dealer, holder=holder
    )
    try:
        plain = primitives.open_sealed(key, parcel.sealed, terms)
    except SecureSumError:
        raise SecureSumError(say("sum.sealed", hospital=dealer), dealer) from None
    shares = plain[: shamir.SHARE], plain[shamir.SHARE :]
    if len(plain) != 2 * shamir.SHARE or hashes(terms, dealer, holder, shares) != (
        parcel.seed_hash,
        parcel.key_hash,
    ):
        raise SecureSumError(say("sum.shares", hospital=dealer), dealer)
    return shares


def hashes(terms: bytes, dealer: str, holder: str, shares: Shares) -> tuple[bytes, bytes]:
    """What the dealer vouches for."""
    seed, key = shares
    return (
        derive.share_hash("seed", terms, dealer=dealer, holder=holder, share=seed),
        derive.share_hash("key", terms, dealer=dealer, holder=holder, share=key),
    )
