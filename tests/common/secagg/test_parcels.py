"""Shares of a hospital's two secrets, each readable by one holder and checked by everybody."""

from __future__ import annotations

import dataclasses
import itertools

import pytest

from common.errors import SecureSumError
from common.secagg import parcels, shamir
from common.secagg.messages import Parcel
from common.secagg.parcels import Shares
from tests.common.secagg.world import World, secret

WORLD = World(5)
TERMS = WORLD.terms.digest
ADVERTS = WORLD.keys().answers
DEALER = "h01"
HOLDER = "h02"
OTHER = "h03"


def dealt(name: str = DEALER) -> dict[str, Shares]:
    fresh = WORLD.fresh[name]
    return parcels.deal(WORLD.terms, fresh.seed, fresh.mask_key, fresh.polynomials, WORLD.names)


def sealed(shares: Shares | None = None, holder: str = HOLDER) -> Parcel:
    return parcels.seal(
        TERMS,
        ADVERTS[DEALER],
        WORLD.fresh[DEALER].channel_key,
        ADVERTS[holder],
        shares or dealt()[holder],
        WORLD.me[DEALER].key,
    )


def opened(parcel: Parcel, holder: str = HOLDER) -> Shares:
    return parcels.open_parcel(
        parcel, ADVERTS, WORLD.identities, holder, WORLD.fresh[holder].channel_key
    )


def put_together(holders: tuple[str, ...], kind: int) -> bytes:
    """A secret from the shares that these holders opened; a holder's x is its place in the list."""
    shares = {WORLD.names.index(name) + 1: opened(sealed(holder=name), name) for name in holders}
    return shamir.combine({x: pair[kind] for x, pair in shares.items()})


@pytest.mark.parametrize("kind", [0, 1], ids=["seed", "mask key"])
def test_the_threshold_s_holders_put_a_secret_together_whoever_they_are(kind: int) -> None:
    fresh = WORLD.fresh[DEALER]
    for holders in itertools.combinations(WORLD.names, WORLD.terms.threshold):
        assert put_together(holders, kind) == (fresh.seed, fresh.mask_key)[kind]


@pytest.mark.parametrize("kind", [0, 1], ids=["seed", "mask key"])
def test_one_holder_fewer_does_not_have_it(kind: int) -> None:
    fresh = WORLD.fresh[DEALER]
    for holders in itertools.combinations(WORLD.names, WORLD.terms.threshold - 1):
        try:
            wrong = put_together(holders, kind)
        except SecureSumError:
            continue  # it is no secret of 32 bytes at all
        assert wrong not in (fresh.seed, fresh.mask_key)


def test_the_two_secrets_are_shared_on_different_polynomials() -> None:
    """With equal secrets and one polynomial for both, the two shares of a holder would be equal."""
    fresh = WORLD.fresh[DEALER]
    shares = parcels.deal(WORLD.terms, fresh.seed, fresh.seed, fresh.polynomials, WORLD.names)
    assert all(seed_share != key_share for seed_share, key_share in shares.values())


def test_a_parcel_is_opened_by_its_holder_alone() -> None:
    parcel = sealed()
    assert opened(parcel) == dealt()[HOLDER]
    with pytest.raises(SecureSumError, match="for 'h02' came to this hospital"):
        opened(parcel, OTHER)
    readdressed = dataclasses.replace(parcel, to=OTHER)
    with pytest.raises(SecureSumError, match="do not open"):
        opened(readdressed.signed(WORLD.me[DEALER].key), OTHER)


def test_the_server_reads_no_share() -> None:
    """Nothing of a share stands in what the server passes on, and its hash depends on all of it."""
    parcel = sealed()
    shares = dealt()[HOLDER]
    assert not any(share in parcel.encode() for share in shares)
    assert parcel.seed_hash != parcel.key_hash
    others = {
        parcels.hashes(TERMS, DEALER, HOLDER, shares),
        parcels.hashes(TERMS, DEALER, OTHER, shares),
        parcels.hashes(TERMS, OTHER, HOLDER, shares),
        parcels.hashes(secret("another sum"), DEALER, HOLDER, shares),
        parcels.hashes(TERMS, DEALER, HOLDER, shares[::-1]),
    }
    assert len(others) == 5


def test_a_dealer_whose_identity_is_not_listed_is_not_believed() -> None:
    identities = {name: key for name, key in WORLD.identities.items() if name != DEALER}
    with pytest.raises(SecureSumError, match="not signed by 'h01'"):
        parcels.open_parcel(sealed(), ADVERTS, identities, HOLDER, WORLD.fresh[HOLDER].channel_key)


def test_a_parcel_of_another_sum_does_not_open_here() -> None:
    """The terms are part of the key and of what is authenticated, not only of the message."""
    moved = dataclasses.replace(sealed(), terms=secret("another sum"))
    with pytest.raises(SecureSumError, match="do not open"):
        opened(moved.signed(WORLD.me[DEALER].key))
