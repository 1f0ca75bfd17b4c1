"""The server's steps.

What is not due or not right raises, names who is to blame and leaves the state as it was.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from common.errors import SecureSumError
from common.secagg import coordinator, coordinator_state
from common.secagg.coordinator_state import CoordinatorState, TooFewError
from common.secagg.messages import Advert, Confirm, Masked, Parcel, Reveal
from tests.common.secagg.world import Moment, World, secret

STATES = ("keys", "shares", "order", "vectors", "confirmations", "revelations", "opened")
DUE = {
    "advert": "keys",
    "adverts": "keys",
    "parcels": "shares",
    "ready": "shares",
    "start": "order",
    "masked": "vectors",
    "survivors": "vectors",
    "confirm": "confirmations",
    "confirms": "confirmations",
    "reveal": "revelations",
    "open_sum": "revelations",
}
"""Written down on its own, from the protocol: a step and the one state in which it is due."""
LAST = "h06"
WORLD = World(6)


@cache
def moment(stage: str) -> Moment:
    """An honest sum in which all stay, up to a stage."""
    reached: Moment = WORLD.run(stage)
    return reached


@cache
def states() -> dict[str, CoordinatorState]:
    """The server where all but h06 have answered in each stage; all have, where one is closed."""
    begun = coordinator.begin(WORLD.terms, WORLD.identities, 3)
    taken = {}
    for stage, step in (
        ("keys", "advert"),
        ("shares", "parcels"),
        ("vectors", "masked"),
        ("confirmations", "confirm"),
        ("revelations", "reveal"),
    ):
        before = begun if stage == "keys" else moment(stage).server
        for name in WORLD.names[:-1]:
            before = take(step, before, *sent(step, name))
        taken[stage] = before
    taken["order"] = coordinator.ready(taken["shares"])
    taken["opened"], _ = coordinator.open_sum(taken["revelations"])
    return taken


def sent(step: str, name: str = LAST) -> tuple[Any, ...]:
    """What a hospital says in a step."""
    if step == "parcels":
        return name, moment("shares").answers[name]
    if step == "masked":
        return vector(moment("vectors").answers[name], name)
    stage = {"advert": "keys", "confirm": "confirmations", "reveal": "revelations"}[step]
    return (moment(stage).answers[name],)


def vector(message: Masked, name: str = LAST) -> tuple[Any, ...]:
    """A vector's message with what came with it."""
    return (
        message,
        moment("vectors").answers[name].vector,
        [int(word) for word in WORLD.views(moment("vectors").vectors[name])[1]],
    )


def take(step: str, state: CoordinatorState, *messages: Any) -> Any:
    """One step by its name."""
    steps: dict[str, Callable[..., Any]] = {name: getattr(coordinator, name) for name in DUE}
    return steps[step](state, *messages)


def messages_in(step: str) -> tuple[Any, ...]:
    return (
        (WORLD.spec,)
        if step == "start"
        else sent(step)
        if step in ("advert", "parcels", "masked", "confirm", "reveal")
        else ()
    )


def refused(step: str, messages: tuple[Any, ...], words: str, at: str = "") -> None:
    """A step raises, and the state is as before, also inside."""
    state = states()[at or DUE[step]]
    before = copy.deepcopy(state)
    with pytest.raises(SecureSumError, match=words):
        take(step, state, *messages)
    assert state == before


@pytest.mark.parametrize("step", DUE)
@pytest.mark.parametrize("state", STATES)
def test_every_pair_of_state_and_step(state: str, step: str) -> None:
    if DUE[step] != state:
        refused(step, messages_in(step), f"waits for {state} cannot take {DUE[step]}", at=state)
        return
    before = copy.deepcopy(states()[state])
    take(step, states()[state], *messages_in(step))
    assert states()[state] == before


def test_the_states_are_all() -> None:
    assert coordinator_state.STEPS == STATES and set(states()) == set(STATES)


# What one hospital says


def forged(step: str, key: str = LAST, **changes: Any) -> tuple[Any, ...]:
    """h06's message with changes, signed by somebody."""
    message = dataclasses.replace(sent(step)[0], **changes).signed(WORLD.me[key].key)
    return vector(message) if step == "masked" else (message,)


SIGNED = ("advert", "masked", "confirm", "reveal")


@pytest.mark.parametrize("step", SIGNED)
def test_a_message_is_signed_by_who_sent_it(step: str) -> None:
    refused(step, forged(step, "h05"), "not signed by 'h06'")
    unsigned = dataclasses.replace(sent(step)[0], signature=bytes(64))
    refused(step, vector(unsigned) if step == "masked" else (unsigned,), "not signed by 'h06'")


@pytest.mark.parametrize("step", SIGNED)
def test_a_message_of_another_sum_is_refused(step: str) -> None:
    refused(
        step, forged(step, terms=secret("another sum")), "of 'h06' belongs to another secure sum"
    )


@pytest.mark.parametrize("step", SIGNED)
def test_a_stranger_is_not_asked(step: str) -> None:
    refused(step, forged(step, site="h99"), "'h99' is not asked")


@pytest.mark.parametrize("step", SIGNED)
def test_the_same_message_twice_counts_once(step: str) -> None:
    once = take(step, states()[DUE[step]], *sent(step))
    assert take(step, once, *sent(step)) == once


@pytest.mark.parametrize(
    ("step", "changes"),
    [("advert", {"commitment": bytes(32)}), ("masked", {"vector": bytes(32)})],
)
def test_two_different_messages_are_refused(step: str, changes: dict[str, Any]) -> None:
    once = take(step, states()[DUE[step]], *sent(step))
    messages = forged(step, **changes)
    if step == "masked":
        messages = (messages[0], bytes(32), messages[2])
    with pytest.raises(SecureSumError, match="'h06' sent two different messages"):
        take(step, once, *messages)


@pytest.mark.parametrize("step", ["masked", "confirm", "reveal"])
def test_who_dropped_out_before_is_not_asked_again(step: str) -> None:
    there = WORLD.names[:-1]
    if step == "masked":
        state = WORLD.vectors(moment("shares"), there).server
    elif step == "confirm":
        state = WORLD.confirmations(moment("vectors"), there).server
    else:
        state = WORLD.revelations(moment("confirmations"), there).server
    with pytest.raises(SecureSumError, match=r"'h06' is not asked|another order"):
        take(step, state, *sent(step))


def resigned(message: Any, name: str = LAST, **changes: Any) -> Any:
    return dataclasses.replace(message, **changes).signed(WORLD.me[name].key)


def dealt(*changed: Parcel) -> tuple[str, list[Parcel]]:
    return LAST, [*changed, *sent("parcels")[1][len(changed) :]]


FIRST: Parcel = sent("parcels")[1][0]


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ((LAST, sent("parcels")[1][:-1]), "'h06' did not deal one parcel to each"),
        ((LAST, ()), "did not deal one parcel"),
        ((LAST, [*sent("parcels")[1], FIRST]), "did not deal one parcel"),
        (dealt(resigned(FIRST, to="h02")), "did not deal one parcel"),
        (dealt(resigned(FIRST, to="h99")), "did not deal one parcel"),
        (("h01", moment("shares").answers["h01"]), "'h01' did not deal"),
        (("h99", sent("parcels")[1]), "'h99' sent a parcel of 'h06'"),
        ((LAST, moment("shares").answers["h01"]), "'h06' sent a parcel of 'h01'"),
        (dealt(moment("shares").answers["h05"][0]), "'h06' sent a parcel of 'h05'"),
        (dealt(dataclasses.replace(FIRST, sealed=b"")), "not signed by 'h06'"),
        (dealt(dataclasses.replace(FIRST, seed_hash=bytes(32))), "not signed by 'h06'"),
        (dealt(resigned(FIRST, "h05")), "not signed by 'h06'"),
        (dealt(resigned(FIRST, terms=secret("another sum"))), "of another sum"),
    ],
)
def test_parcels_that_must_be_refused(messages: tuple[Any, ...], words: str) -> None:
    refused("parcels", messages, words)


def test_a_vector_is_the_one_vouched_for() -> None:
    message, _, tail = sent("masked")
    refused("masked", (message, secret("what came"), tail), "vector of 'h06' is not the one")


def test_a_vector_of_another_context_is_refused() -> None:
    refused(
        "masked",
        forged("masked", context=secret("another order")),
        "'h06' masked its vector for other keys",
    )


def test_a_vector_before_the_order_is_refused() -> None:
    state = moment("shares").server
    for name in WORLD.names:
        state = coordinator.parcels(state, name, moment("shares").answers[name])
    with pytest.raises(SecureSumError, match="waits for order cannot take vectors"):
        coordinator.masked(coordinator.ready(state), *sent("masked"))


def test_other_survivors_or_another_context_are_not_confirmed() -> None:
    for changes in ({"survivors": WORLD.names[:-1]}, {"survivors": ()}, {"context": bytes(32)}):
        refused("confirm", forged("confirm", **changes), "'h06' confirms other survivors")


# Too few


def closing(stage: str, count: int) -> Any:
    """Close a stage after so many hospitals."""
    step = {
        "keys": "shares",
        "shares": "vectors",
        "vectors": "confirmations",
        "confirmations": "revelations",
        "revelations": "opened",
    }
    return getattr(WORLD, step[stage])(moment(stage), WORLD.names[:count])


@pytest.mark.parametrize("stage", ["keys", "shares", "vectors", "confirmations", "revelations"])
def test_a_stage_closes_with_as_many_as_are_needed(stage: str) -> None:
    closing(stage, 4)
    for count in range(4):
        with pytest.raises(TooFewError, match=f"^{count} hospitals .*; 4 are needed"):
            closing(stage, count)


def test_a_server_asks_for_the_larger_of_threshold_and_cohort() -> None:
    assert coordinator.begin(WORLD.terms, WORLD.identities, 3).least == 4
    assert coordinator.begin(WORLD.terms, WORLD.identities, 5).least == 5


def test_messages_are_of_the_kinds_named() -> None:
    kinds = {"advert": Advert, "masked": Masked, "confirm": Confirm, "reveal": Reveal}
    assert all(isinstance(sent(step)[0], kind) for step, kind in kinds.items())
