"""The hospital's steps.

Every one that is not legal, and every message before the vector that must be refused, changes
nothing.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from common.errors import SecureSumError
from common.secagg import parcels, participant, primitives
from common.secagg.messages import Advert, Parcel
from common.secagg.terms import Limits
from tests.common.secagg.hospital import (
    LEGAL,
    ME,
    STATES,
    STEPS,
    WORLD,
    me,
    messages,
    refused,
    states,
    take,
)
from tests.common.secagg.world import World, secret


def test_an_honest_sum_goes_through_every_state() -> None:
    assert tuple(states()) == STATES


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("state", STATES)
def test_every_pair_of_state_and_step(state: str, step: str) -> None:
    if (state, step) in LEGAL:
        before = copy.deepcopy(states()[state])
        after, _ = take(step, states()[state], messages()[step])
        assert after.step == LEGAL[state, step]
        assert states()[state] == before
    else:
        refused(step, messages()[step], f"is {state} cannot {step}", at=state)


def test_a_step_can_be_taken_again_after_a_refusal() -> None:
    refused("share", messages()["share"][:2], "own|needed")
    assert take("share", states()["advertised"], messages()["share"])[0] == states()["shared"]


# Terms


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"threshold": 1}, "threshold 1"),
        ({"threshold": 3}, "threshold 3"),
        ({"threshold": 6}, "threshold 6"),
        ({"cohort": ("h01", "h02")}, "over 2 hospitals"),
        ({"cohort": ("h01", "h03", "h04", "h05")}, "does not name this hospital"),
        ({"cohort": ("h01", "h02", "h03", "h04", "h99")}, "'h99'"),
        ({"cohort": ("h01", "h02", "h02", "h03", "h04")}, "twice"),
        ({"cohort": ("h02", "h01", "h03", "h04", "h05")}, "order"),
    ],
)
def test_terms_below_the_policy_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(SecureSumError, match=words):
        participant.advertise(
            me(), dataclasses.replace(WORLD.terms, **changes), WORLD.identities, WORLD.fresh[ME]
        )


def test_a_stricter_policy_is_kept() -> None:
    for limits in (Limits(min_cohort=6), Limits(colluders=3)):
        with pytest.raises(SecureSumError, match="policy"):
            participant.advertise(me(limits=limits), WORLD.terms, WORLD.identities, WORLD.fresh[ME])


# Keys


def forged(name: str = "h03", key: bytes = b"", **changes: Any) -> Advert:
    advert: Advert = dataclasses.replace(WORLD.keys().answers[name], **changes)
    return advert.signed(key or WORLD.me[name].key)


def with_advert(advert: Advert, place: str = "h03") -> list[Advert]:
    return [advert if honest.site == place else honest for honest in messages()["share"]]


H01 = WORLD.keys().answers["h01"]


@pytest.mark.parametrize(
    ("adverts", "words"),
    [
        (
            with_advert(
                forged(key=secret("server"), mask_key=primitives.x25519_public(secret("server's")))
            ),
            "not signed by 'h03'",
        ),
        (with_advert(dataclasses.replace(forged(), signature=bytes(64))), "not signed by 'h03'"),
        (with_advert(dataclasses.replace(forged(), commitment=bytes(32))), "not signed by 'h03'"),
        (with_advert(forged(site="h04")), "Two adverts"),
        (with_advert(forged(site="h99")), "not signed by 'h99'"),
        (with_advert(forged(terms=secret("another sum"))), "another secure sum"),
        (with_advert(World(5, number=2).keys().answers["h03"]), "another secure sum"),
        ([*messages()["share"], messages()["share"][0]], "Two adverts"),
        ([*messages()["share"], forged("h01", commitment=bytes(32))], "Two adverts"),
        (with_advert(forged(mask_key=H01.mask_key)), "Two keys"),
        (with_advert(forged(channel_key=H01.channel_key)), "Two keys"),
        (with_advert(forged(channel_key=H01.mask_key)), "Two keys"),
        (with_advert(forged(channel_key=forged().mask_key)), "Two keys"),
        (with_advert(forged(mask_key=bytes(32))), "secret of zero"),
        (with_advert(forged(channel_key=bytes(32))), "secret of zero"),
        (with_advert(forged(channel_key=(1).to_bytes(32, "little"))), "secret of zero"),
        ([a for a in messages()["share"] if a.site != ME], "lacks this hospital's own"),
        (with_advert(forged(ME, commitment=bytes(32)), ME), "changed it"),
        (with_advert(forged(ME, mask_key=secret("x")), ME), "changed it"),
        (
            [a for a in messages()["share"] if a.site in ("h01", ME, "h03")],
            "3 hospitals sent keys; 4 are needed",
        ),
        ([a for a in messages()["share"] if a.site == ME], "1 hospitals"),
        ([], "lacks this hospital's own"),
    ],
)
def test_keys_that_must_be_refused(adverts: list[Advert], words: str) -> None:
    refused("share", adverts, words)


def test_keys_that_fewer_sent_than_the_policy_asks() -> None:
    """The policy of the hospital counts, whatever the threshold allows."""
    refused(
        "share",
        messages()["share"][:4],
        "4 hospitals sent keys; 5 are needed",
        who=me(limits=Limits(min_cohort=5)),
    )
    assert len(take("share", states()["advertised"], messages()["share"][:4])[1]) == 4


# Shares


def parcel(name: str = "h03", **changes: Any) -> Parcel:
    """A parcel for h02 as its dealer would sign it, with changes."""
    honest: Parcel = next(p for p in messages()["arm"] if p.site == name)
    return dataclasses.replace(honest, **changes).signed(WORLD.me[name].key)


def dealt_wrongly(change: Callable[[bytes], bytes], vouched: bool = False, kind: int = 0) -> Parcel:
    """h03 changes h02's shares before it seals them; it may vouch for the changed ones."""
    adverts = WORLD.keys().answers
    terms = WORLD.terms.digest
    shares = states()["armed"].shares["h03"]
    changed = (change(shares[0]), shares[1]) if kind == 0 else (shares[0], change(shares[1]))
    fresh = WORLD.fresh["h03"]
    key = WORLD.me["h03"].key
    made = parcels.seal(terms, adverts["h03"], fresh.channel_key, adverts[ME], changed, key)
    seed_hash, key_hash = parcels.hashes(terms, "h03", ME, changed if vouched else shares)
    return dataclasses.replace(made, seed_hash=seed_hash, key_hash=key_hash).signed(key)


def with_parcel(changed: Parcel) -> list[Parcel]:
    return [changed if honest.site == "h03" else honest for honest in messages()["arm"]]


def flipped(blob: bytes, place: int = -1) -> bytes:
    made = bytearray(blob)
    made[place] ^= 1
    return bytes(made)


def of_other_holder() -> Parcel:
    dealt: tuple[Parcel, ...] = WORLD.run("shares").answers["h03"]
    return next(p for p in dealt if p.to == "h01")


@pytest.mark.parametrize(
    ("delivered", "words"),
    [
        (with_parcel(parcel(sealed=flipped(parcel().sealed))), "do not open"),
        (with_parcel(parcel(sealed=flipped(parcel().sealed, 0))), "do not open"),
        (with_parcel(parcel(sealed=b"")), "do not open"),
        (with_parcel(parcel(sealed=parcel("h04").sealed)), "do not open"),
        (
            with_parcel(dataclasses.replace(of_other_holder(), to=ME).signed(WORLD.me["h03"].key)),
            "do not open",
        ),
        (with_parcel(of_other_holder()), "for 'h01' came to this hospital"),
        (with_parcel(dataclasses.replace(of_other_holder(), to=ME)), "not signed by 'h03'"),
        (with_parcel(dataclasses.replace(parcel(), signature=bytes(64))), "not signed by 'h03'"),
        (with_parcel(parcel().signed(secret("server"))), "not signed by 'h03'"),
        (with_parcel(parcel(site="h99")), "'h99', who sent no keys"),
        (with_parcel(parcel("h04")), "Two parcels"),
        ([*messages()["arm"], parcel()], "Two parcels"),
        (with_parcel(parcel(seed_hash=bytes(32))), "vouched for"),
        (with_parcel(parcel(key_hash=bytes(32))), "vouched for"),
        (
            with_parcel(parcel(seed_hash=parcel().key_hash, key_hash=parcel().seed_hash)),
            "vouched for",
        ),
        (with_parcel(dealt_wrongly(flipped)), "vouched for"),
        (with_parcel(dealt_wrongly(lambda share: share[:-1], vouched=True)), "vouched for"),
        (with_parcel(dealt_wrongly(lambda share: share + b"\0", vouched=True)), "vouched for"),
        (with_parcel(dealt_wrongly(lambda share: share[:-1], vouched=True, kind=1)), "vouched for"),
        (
            with_parcel(dealt_wrongly(lambda share: share + b"\0", vouched=True, kind=1)),
            "vouched for",
        ),
        (with_parcel(dealt_wrongly(lambda _: b"", vouched=True, kind=1)), "vouched for"),
        (with_parcel(parcel(terms=secret("another sum"))), "another secure sum"),
        (
            with_parcel(
                next(p for p in World(5, number=2).run("shares").answers["h03"] if p.to == ME)
            ),
            "another secure sum",
        ),
        ([p for p in messages()["arm"] if p.site != ME], "does not list this hospital"),
        (
            [p for p in messages()["arm"] if p.site in ("h01", ME, "h03")],
            "3 hospitals dealt shares; 4 are needed",
        ),
        ([], "does not list this hospital"),
    ],
)
def test_shares_that_must_be_refused(delivered: list[Parcel], words: str) -> None:
    refused("arm", delivered, words)


def test_shares_of_somebody_whose_keys_were_not_listed_are_refused() -> None:
    """h05's keys are not in the list that h02 was sent; its parcel is delivered all the same."""
    state, _ = take("share", states()["advertised"], messages()["share"][:4])
    with pytest.raises(SecureSumError, match="'h05', who sent no keys"):
        take("arm", state, messages()["arm"])


def test_a_mask_key_that_hides_nothing_is_refused() -> None:
    """A point of small order, properly signed: every mask with it would be known to all."""
    with pytest.raises(SecureSumError, match="secret of zero"):
        take(
            "share",
            states()["advertised"],
            with_advert(forged(mask_key=(1).to_bytes(32, "little"))),
        )


def test_a_wrong_share_that_its_dealer_vouches_for_is_for_the_server_to_find() -> None:
    """A share on another polynomial cannot be told from a good one by its holder alone."""
    state, _ = take("arm", states()["shared"], with_parcel(dealt_wrongly(flipped, vouched=True)))
    assert state.shares["h03"][0] == flipped(states()["armed"].shares["h03"][0])


# Vector


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_vector_is_vouched_for_by_its_sha_256(length: int) -> None:
    refused("mask", bytes(length), "vector has")


def test_a_second_vector_is_refused() -> None:
    refused("mask", secret("another vector"), "is masked cannot mask", at="masked")


def test_fresh_secrets_are_needed_for_every_sum() -> None:
    """The same secrets under other terms give other commitments and other channel keys."""
    other = dataclasses.replace(WORLD.terms, number=2)
    _, advert = participant.advertise(me(), other, WORLD.identities, WORLD.fresh[ME])
    assert advert.commitment != WORLD.keys().answers[ME].commitment
