"""A hospital with a wrong mask is found out by the canaries, whatever it says about the mask."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any
from unittest import mock

import pytest

from common.secagg import derive, participant
from common.secagg.coordinator_state import CheatError
from common.secagg.mask_streams import Pad
from common.secagg.messages import Reveal, SumSpec
from common.secagg.participant_state import Me, ParticipantState
from tests.common.secagg.world import Arm, Moment, World, secret

CHEAT = "h03"
OWN = secret("wrong own")
WORLD = World(6)
ALL = frozenset(WORLD.names) - {CHEAT}


def wrong(peers: Iterable[str] = (), own: bool = False, cover_up: bool = False) -> Arm:
    """h03 masks with wrong seeds.

    To cover it up it reveals the right words about them all the same.
    """
    right = derive.pair_seed
    right_own = derive.own_seed

    def pair_seed(private: bytes, public: bytes, context_: bytes, one: str, other: str) -> bytes:
        return (
            secret("wrong", other)
            if other in peers
            else right(private, public, context_, one, other)
        )

    def arm(
        me: Me, state: ParticipantState, delivered: Any, spec: SumSpec
    ) -> tuple[ParticipantState, Pad]:
        honest = participant.arm(me, state, delivered, spec)
        if me.site != CHEAT:
            return honest
        with (
            mock.patch.object(derive, "pair_seed", pair_seed),
            mock.patch.object(derive, "own_seed", lambda *_: OWN if own else right_own(*_)),
        ):
            cheated, pad = participant.arm(me, state, delivered, spec)
        return (honest[0] if cover_up else cheated), pad

    return arm


def there(*gone: str) -> list[str]:
    return [name for name in WORLD.names if name not in gone]


def moment(arm: Arm, vector: tuple[str, ...] = (), confirm: tuple[str, ...] = ()) -> Moment:
    """The revelations of a sum; some are gone before their vectors or confirmations arrive."""
    now = WORLD.vectors(WORLD.run("shares"), arm=arm)
    now = WORLD.confirmations(now, there(*vector))
    return WORLD.revelations(now, there(*vector, *confirm))


def named(now: Moment, *gone: str) -> set[str]:
    """Who is said to be wrong, where some are gone before they reveal."""
    with pytest.raises(CheatError, match="canaries of the sum are wrong") as caught:
        WORLD.opened(now, [name for name in now.sites if name not in gone])
    return set(caught.value.sites)


def test_control_the_right_masks_are_opened() -> None:
    WORLD.check(WORLD.opened(moment(wrong())), WORLD.names)


def test_a_wrong_mask_of_its_own() -> None:
    assert named(moment(wrong(own=True))) == {CHEAT}


def test_wrong_masks_with_all_peers() -> None:
    assert named(moment(wrong(ALL))) == {CHEAT}


@pytest.mark.parametrize(
    "peers",
    [{"h01", "h02"}, {"h01", "h06"}, {"h02", "h04", "h05"}],
    ids=lambda peers: ",".join(sorted(peers)),
)
def test_wrong_masks_with_some_peers(peers: set[str]) -> None:
    assert named(moment(wrong(peers))) == {CHEAT}


@pytest.mark.parametrize("peer", sorted(ALL))
def test_a_wrong_mask_with_one_peer_names_the_pair(peer: str) -> None:
    """Who of the two is wrong cannot be told; nobody else is named."""
    assert named(moment(wrong({peer}))) == {CHEAT, peer}


@pytest.mark.parametrize(
    "peers", [{"h01"}, {"h06"}, ALL], ids=lambda peers: ",".join(sorted(peers))
)
def test_right_words_about_a_wrong_mask_give_it_away(peers: set[str]) -> None:
    """Who reveals what it should have used is contradicted by its own vector."""
    assert named(moment(wrong(peers, cover_up=True))) == {CHEAT}


def test_silence_is_never_blamed() -> None:
    """A hospital that did not reveal may be the cheat, or honest and cheated by a peer.

    Nothing tells the two apart.
    """
    assert named(moment(wrong(ALL)), CHEAT) == named(moment(wrong(own=True)), CHEAT) == set()


def test_all_masks_and_somebody_dropped_before() -> None:
    assert named(moment(wrong(ALL), vector=("h06",))) == {CHEAT}


def test_a_lie_about_words_alone_does_no_harm() -> None:
    """The sum is right, so nobody is asked what the words were."""
    now = moment(wrong())
    honest: Reveal = now.answers[CHEAT]
    lie = dataclasses.replace(
        honest, canaries=tuple((peer, bytes(32)) for peer, _ in honest.canaries)
    ).signed(WORLD.me[CHEAT].key)
    WORLD.check(
        WORLD.opened(dataclasses.replace(now, answers={**now.answers, CHEAT: lie})), WORLD.names
    )


def test_a_vector_that_is_changed_after_masking() -> None:
    """A canary of 2 is a hospital that counts itself twice."""
    now = WORLD.vectors(WORLD.run("shares"))
    vector = now.vectors[CHEAT].copy()
    WORLD.views(vector)[1][:4] += 1
    state = dataclasses.replace(now.sites[CHEAT], step="armed")
    state, answer = participant.mask(WORLD.me[CHEAT], state, derive.vector_digest(vector.data))
    now = dataclasses.replace(
        now,
        sites={**now.sites, CHEAT: state},
        answers={**now.answers, CHEAT: answer},
        vectors={**now.vectors, CHEAT: vector},
    )
    assert named(WORLD.revelations(WORLD.confirmations(now))) == {CHEAT}


def test_one_absent_hospital_is_not_blamed() -> None:
    assert named(moment(wrong(own=True)), "h01") == {CHEAT}


@pytest.mark.parametrize("gone", [("h01", "h02"), ("h01", "h06")], ids=str)
@pytest.mark.parametrize("stage", ["confirm", "reveal"])
def test_absent_hospitals_are_not_blamed(gone: tuple[str, ...], stage: str) -> None:
    cheated = wrong(own=True)
    blamed = (
        named(moment(cheated), *gone) if stage == "reveal" else named(moment(cheated, confirm=gone))
    )
    assert blamed == {CHEAT}


def test_absent_hospitals_are_not_blamed_for_a_dropped_ones_mask() -> None:
    assert named(moment(wrong(own=True), vector=("h06",)), "h01") == {CHEAT}


def test_an_honest_hospital_is_not_blamed_alone() -> None:
    """h03 used a wrong mask with h01, which is gone before it can contradict.

    The pair may be named, or nobody.
    """
    assert named(moment(wrong({"h01"})), "h01") in ({CHEAT, "h01"}, {CHEAT}, set())


@pytest.mark.parametrize(
    "peers", [{"h06"}, {"h01", "h06"}], ids=lambda peers: ",".join(sorted(peers))
)
def test_a_wrong_mask_with_a_dropped_hospital_is_named(peers: set[str]) -> None:
    assert named(moment(wrong(peers), vector=("h06",))) == {CHEAT}
