"""The server when a sum is opened.

A wrong share names its sender, a wrong dealer is found out, and the others' sum is opened all the
same.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from common.errors import SecureSumError
from common.secagg import coordinator, derive, parcels
from common.secagg.coordinator_state import CheatError, CoordinatorState
from common.secagg.messages import Advert, Parcel, Reveal
from tests.common.secagg.world import Moment, World, secret

LAST = "h06"
WORLD = World(6)
TERMS = WORLD.terms.digest


@cache
def moment(stage: str) -> Moment:
    """An honest sum in which all stay, up to a stage."""
    reached: Moment = WORLD.run(stage)
    return reached


def resigned(message: Reveal, **changes: Any) -> Reveal:
    return dataclasses.replace(message, **changes).signed(WORLD.me[LAST].key)


@cache
def dropped() -> tuple[Moment, CoordinatorState]:
    """h01 dropped before the vectors; all others but h06 have revealed."""
    now = WORLD.confirmations(moment("vectors"), WORLD.names[1:])
    now = WORLD.revelations(now)
    return now, WORLD.gathered(now, WORLD.names[1:-1])


def changed_share(
    pairs: tuple[tuple[str, bytes], ...], change: Callable[[bytes], bytes]
) -> tuple[tuple[str, bytes], ...]:
    return ((pairs[0][0], change(pairs[0][1])), *pairs[1:])


SHARE_CHANGES: list[Callable[[bytes], bytes]] = [
    lambda share: share[:-1] + bytes((share[-1] ^ 1,)),
    lambda share: bytes((share[0] ^ 1,)) + share[1:],
    lambda share: b"",
    lambda share: share + b"\0",
    lambda share: b"\xff" * 33,
]


@pytest.mark.parametrize("kind", ["seed_shares", "key_shares"])
@pytest.mark.parametrize("change", SHARE_CHANGES)
def test_a_wrong_share_names_its_sender(kind: str, change: Callable[[bytes], bytes]) -> None:
    now, state = dropped()
    honest: Reveal = now.answers[LAST]
    before = copy.deepcopy(state)
    dealer = getattr(honest, kind)[0][0]
    lie = resigned(honest, **{kind: changed_share(getattr(honest, kind), change)})
    with pytest.raises(SecureSumError, match=f"'h06' revealed a wrong share of '{dealer}'"):
        coordinator.reveal(state, lie)
    assert state == before
    WORLD.check(WORLD.opened(now, WORLD.names[1:-1]), WORLD.names[1:])


def test_shares_of_other_hospitals_are_refused() -> None:
    now, state = dropped()
    honest: Reveal = now.answers[LAST]
    seeds = honest.seed_shares
    keys = honest.key_shares
    for changes in (
        {"seed_shares": seeds[1:]},
        {"seed_shares": (*seeds, seeds[0])},
        {"seed_shares": seeds[::-1]},
        {"seed_shares": (*keys, *seeds)},
        {"key_shares": ()},
        {"key_shares": (*keys, *seeds)},
        {"seed_shares": keys, "key_shares": seeds},
        {"seed_shares": (), "key_shares": ()},
    ):
        with pytest.raises(SecureSumError, match="'h06' revealed shares of other hospitals"):
            coordinator.reveal(state, resigned(honest, **changes))


def test_canaries_of_other_hospitals_or_lengths_are_refused() -> None:
    now, state = dropped()
    honest: Reveal = now.answers[LAST]
    first, *rest = honest.canaries
    for canaries in (
        (),
        tuple(rest),
        (first, *honest.canaries),
        (*rest, first),
        ((first[0], first[1][:-1]), *rest),
        ((first[0], b""), *rest),
    ):
        with pytest.raises(SecureSumError, match="'h06' revealed the canaries' masks"):
            coordinator.reveal(state, resigned(honest, canaries=canaries))


# A dealer that lies


def deal(name: str, seed: bytes = b"", key: bytes = b"", holders: int = 6) -> list[Parcel]:
    """A hospital's signed parcels; the last ``holders`` hold shares of unpublished secrets."""
    fresh = WORLD.fresh[name]
    adverts = moment("keys").answers
    honest = parcels.deal(WORLD.terms, fresh.seed, fresh.mask_key, fresh.polynomials, WORLD.names)
    false = parcels.deal(
        WORLD.terms, seed or fresh.seed, key or fresh.mask_key, fresh.polynomials, WORLD.names
    )
    chosen = honest | {holder: false[holder] for holder in WORLD.names[6 - holders :]}
    signing = WORLD.me[name].key
    return [
        parcels.seal(TERMS, adverts[name], fresh.channel_key, adverts[to], shares, signing)
        for to, shares in chosen.items()
    ]


def opened_after(lie: list[Parcel], dealer: str, gone: tuple[str, ...] = ()) -> Any:
    now = moment("shares")
    now = WORLD.vectors(dataclasses.replace(now, answers={**now.answers, dealer: lie}))
    now = WORLD.revelations(
        WORLD.confirmations(now, [name for name in WORLD.names if name not in gone])
    )
    return WORLD.opened(now)


@pytest.mark.parametrize("holders", [1, 3, 6])
def test_a_dealer_of_a_wrong_seed_is_named(holders: int) -> None:
    """To all, or to some, whose shares then lie on no polynomial of the degree agreed."""
    lie = deal("h04", seed=secret("wrong"), holders=holders)
    if holders == 1:  # h06's share is not among the first four that are used, and the sum is right
        WORLD.check(opened_after(lie, "h04"), WORLD.names)
        return
    with pytest.raises(CheatError, match="'h04' dealt do not make up its seed") as caught:
        opened_after(lie, "h04")
    assert caught.value.sites == ("h04",)


@pytest.mark.parametrize("holders", [4, 6])
def test_a_dealer_of_a_wrong_mask_key_is_named(holders: int) -> None:
    lie = deal("h01", key=secret("wrong"), holders=holders)
    with pytest.raises(CheatError, match="'h01' dealt do not make up its key") as caught:
        opened_after(lie, "h01", gone=("h01",))
    assert caught.value.sites == ("h01",)


def test_a_wrong_mask_key_of_a_survivor_is_never_needed() -> None:
    WORLD.check(opened_after(deal("h01", key=secret("wrong")), "h01"), WORLD.names)


def test_a_commitment_to_another_seed_is_named() -> None:
    """h04 publishes the hash of one seed and deals shares of another."""
    advert: Advert = moment("keys").answers["h04"]
    lie = dataclasses.replace(advert, commitment=derive.commitment(secret("other"), TERMS)).signed(
        WORLD.me["h04"].key
    )
    start = WORLD.keys()
    sites = {**start.sites, "h04": dataclasses.replace(start.sites["h04"], adverts={"h04": lie})}
    now = WORLD.shares(
        dataclasses.replace(start, answers={**start.answers, "h04": lie}, sites=sites)
    )
    now = WORLD.revelations(WORLD.confirmations(WORLD.vectors(now)))
    with pytest.raises(CheatError) as caught:
        WORLD.opened(now)
    assert caught.value.sites == ("h04",)
