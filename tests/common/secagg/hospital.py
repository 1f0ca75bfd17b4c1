"""One hospital, h02 of five, in every state of an honest sum; and what it is told in each step."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from common.errors import SecureSumError
from common.secagg import derive, participant, participant_opening
from common.secagg.messages import Survivors
from common.secagg.participant_state import Me, ParticipantState
from tests.common.secagg.world import World

STATES = ("advertised", "shared", "armed", "masked", "confirmed", "revealed", "closed")
STEPS = ("share", "arm", "mask", "confirm", "reveal", "close")
LEGAL = {
    ("advertised", "share"): "shared",
    ("shared", "arm"): "armed",
    ("armed", "mask"): "masked",
    ("masked", "confirm"): "confirmed",
    ("confirmed", "confirm"): "confirmed",
    ("confirmed", "reveal"): "revealed",
    ("revealed", "reveal"): "revealed",
    ("revealed", "close"): "closed",
}
"""Written down on its own, from the protocol: a legal step and the state after it."""
ME = "h02"
WORLD = World(5)


@cache
def messages() -> dict[str, Any]:
    """What the server honestly says to h02 in each step."""
    shares, vectors, confirmations = (
        WORLD.run(stage) for stage in ("shares", "vectors", "confirmations")
    )
    return {
        "share": [WORLD.keys().answers[name] for name in WORLD.names],
        "arm": [next(p for p in shares.answers[name] if p.to == ME) for name in WORLD.names],
        "mask": derive.vector_digest(vectors.vectors[ME].data),
        "confirm": Survivors(WORLD.terms.digest, WORLD.names),
        "reveal": [confirmations.answers[name] for name in WORLD.names],
        "close": WORLD.result(WORLD.run()),
    }


def me(**changes: Any) -> Me:
    """Who h02 is."""
    return dataclasses.replace(WORLD.me[ME], **changes)


def take(step: str, state: ParticipantState, message: Any, who: Me | None = None) -> Any:
    """One step, as a function of the state and what is told: ``(state, answer)``."""
    who = who or me()
    if step == "close":
        return participant_opening.close(state, message), None
    if step == "arm":
        return participant.arm(who, state, message, WORLD.spec)
    steps: dict[str, Callable[..., Any]] = {
        "share": participant.share,
        "mask": participant.mask,
        "confirm": participant_opening.confirm,
        "reveal": participant_opening.reveal,
    }
    return steps[step](who, state, message)


@cache
def states() -> dict[str, ParticipantState]:
    """h02 in every state of an honest sum."""
    reached = {"advertised": WORLD.keys().sites[ME]}
    state = reached["advertised"]
    for step in STEPS:
        state, _ = take(step, state, messages()[step])
        reached[state.step] = state
    return reached


def refused(step: str, message: Any, words: str, at: str = "", who: Me | None = None) -> None:
    """A step raises, and the state is as before, also inside."""
    state = states()[at or next(state for state, action in LEGAL if action == step)]
    before = copy.deepcopy(state)
    with pytest.raises(SecureSumError, match=words):
        take(step, state, message, who)
    assert state == before
