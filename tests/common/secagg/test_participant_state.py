"""A hospital's state of a sum: which step is legal, and secrets that are never shown."""

from __future__ import annotations

import dataclasses

import pytest

from common.errors import SecureSumError
from common.secagg import participant_state
from common.secagg.participant_state import Fresh
from tests.common.secagg.hospital import LEGAL, ME, STATES, WORLD, states


def test_the_legal_steps_are_those_of_the_protocol() -> None:
    assert {
        (state, step) for step, allowed in participant_state.STEPS.items() for state in allowed
    } == set(LEGAL)


@pytest.mark.parametrize("state", STATES)
def test_a_step_that_is_not_legal_says_when_it_would_be(state: str) -> None:
    for step, allowed in participant_state.STEPS.items():
        if state in allowed:
            states()[state].needs(step)
            continue
        with pytest.raises(SecureSumError) as caught:
            states()[state].needs(step)
        assert all(name in str(caught.value) for name in (state, step, *allowed))


@pytest.mark.parametrize("changed", ["mask_key", "channel_key", "seed", "polynomials"])
def test_secrets_are_four_different_values_of_32_bytes(changed: str) -> None:
    other = "seed" if changed != "seed" else "mask_key"
    for value in (b"", bytes(31), bytes(33), getattr(WORLD.fresh[ME], other)):
        with pytest.raises(SecureSumError, match="four different"):
            dataclasses.replace(WORLD.fresh[ME], **{changed: value})


def test_secrets_are_gone_from_the_moment_of_revelation() -> None:
    """Whoever opens the state afterwards finds nothing that would open the vector."""
    last = STATES.index("revealed")
    for place, state in enumerate(STATES):
        if place < last:
            assert states()[state].secrets == WORLD.fresh[ME]
            continue
        with pytest.raises(SecureSumError, match="erased"):
            _ = states()[state].secrets
        kept = {field.name: getattr(states()[state], field.name) for field in held()}
        assert not any(kept.values()), state


def held() -> list[dataclasses.Field[object]]:
    """The fields of a state that hold secrets of others or of its own."""
    names = ("fresh", "shares", "canary_pads")
    return [f for f in dataclasses.fields(states()["closed"]) if f.name in names]


@pytest.mark.parametrize("state", STATES)
def test_nothing_secret_is_shown(state: str) -> None:
    fresh: Fresh = WORLD.fresh[ME]
    text = repr(states()[state]) + repr(fresh) + repr(WORLD.me[ME])
    secrets = [getattr(fresh, field.name) for field in dataclasses.fields(fresh)]
    shares = [share for pair in states()[state].shares.values() for share in pair]
    for value in (*secrets, *shares, WORLD.me[ME].key):
        assert repr(value)[2:-1] not in text
