"""What an answer adds to an attempt, and what becomes of one that adds nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from common.errors import SecureSumError
from common.protocol.envelopes import Question, Reply
from common.secagg.coordinator_state import CheatError, CoordinatorState
from common.secagg.messages import Advert
from server.aggregation.sum_attempt import Attempt
from tests.server.parties import DISK, NO_DISK, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, 3)


@pytest.fixture
def attempt(world: World) -> Attempt:
    return Attempt(world.cohort.terms(world.names))


def answer(world: World, attempt: Attempt, name: str) -> Reply:
    """A hospital's fresh keys for the attempt's terms."""
    question = Question("agree", {"a": "study"}, secure=(attempt.state.terms.encode(),))
    return world.hospitals[name].answer(question)


def test_keys_are_taken(world: World, attempt: Attempt) -> None:
    for name in world.names:
        attempt.take_advert(name, answer(world, attempt, name))
    assert set(attempt.state.adverts) == set(world.names)
    assert (attempt.dropped, attempt.failures) == ({}, "")


def test_an_answer_without_keys_or_with_two_drops_its_hospital(
    world: World, attempt: Attempt
) -> None:
    reply = answer(world, attempt, "h01")
    attempt.take_advert("h01", replace(reply, secure=()))
    attempt.take_advert("h02", replace(reply, secure=reply.secure * 2))
    assert attempt.state.adverts == {}
    assert attempt.failures == (
        "h01: The answer has 0 messages of kind Advert; 1 is expected.; "
        "h02: The answer has 2 messages of kind Advert; 1 is expected."
    )


def test_nobody_sends_another_s_keys(world: World, attempt: Attempt) -> None:
    attempt.take_advert("h02", answer(world, attempt, "h01"))
    assert attempt.dropped == {"h02": "'h02' sent a message of 'h01'."}


def test_a_hospital_s_own_reason_comes_first(attempt: Attempt) -> None:
    attempt.take_advert("h01", Reply("h01", "agree", sentence=DISK))
    assert attempt.dropped == {"h01": NO_DISK}


def test_parcels_of_who_sent_no_keys_are_passed_over(attempt: Attempt) -> None:
    attempt.take_parcels("h01", Reply("h01", "agree"))
    assert attempt.dropped == {}


def test_a_cheat_drops_the_hospital_and_is_raised(world: World, attempt: Attempt) -> None:
    def cheated(state: CoordinatorState, message: Advert) -> CoordinatorState:
        raise CheatError("'h01' lied.", ["h01"])

    def refused(state: CoordinatorState, message: Advert) -> CoordinatorState:
        raise SecureSumError("Not now.")

    with pytest.raises(CheatError):
        attempt.take("h01", answer(world, attempt, "h01"), Advert, cheated)
    attempt.take("h02", answer(world, attempt, "h02"), Advert, refused)
    assert attempt.dropped == {"h01": "'h01' lied.", "h02": "Not now."}
