"""The server's state of a sum: one step is due at a time, and no seed is ever shown."""

from __future__ import annotations

import numpy as np
import pytest

from common.errors import SecureSumError
from common.secagg import coordinator, coordinator_state
from common.secagg.coordinator_state import CheatError, Opening
from common.secagg.mask_streams import Pad
from tests.common.secagg.world import World, secret

WORLD = World(3)
BEGUN = coordinator.begin(WORLD.terms, WORLD.identities, 3)


@pytest.mark.parametrize("step", coordinator_state.STEPS)
def test_only_messages_of_the_first_step_are_due_at_the_beginning(step: str) -> None:
    if step == coordinator_state.STEPS[0]:
        BEGUN.needs(step)
        return
    with pytest.raises(SecureSumError, match=f"waits for keys cannot take {step}"):
        BEGUN.needs(step)


def test_a_sum_that_is_opened_takes_nothing_any_more() -> None:
    now = WORLD.run("revelations")
    state, _ = coordinator.open_sum(WORLD.gathered(now))
    for step in coordinator_state.STEPS[:-1]:
        with pytest.raises(SecureSumError, match=f"waits for opened cannot take {step}"):
            state.needs(step)


def test_the_pads_of_an_opening_take_every_mask_off() -> None:
    """A survivor's own mask goes, and what it shares with a dropped hospital, by its sign."""
    own = secret("own")
    pair = secret("pair")
    reverse = secret("reverse")
    opening = Opening({"b": own}, {("b", "a"): pair, ("b", "c"): reverse})
    # The hospital whose name comes first added the mask that two share; the other took it off.
    words = np.arange(100, dtype=np.uint64)
    Pad([(own, 1), (pair, -1), (reverse, 1)]).add(words)
    assert not np.array_equal(words, np.arange(100))
    Pad(opening.pads).add(words)
    assert np.array_equal(words, np.arange(100))


def test_an_opening_shows_no_seed() -> None:
    seed = secret("own")
    assert repr(seed) not in repr(Opening({"b": seed}, {("b", "a"): seed}))


def test_who_cheated_is_told_apart_from_what_is_said() -> None:
    names = ["h02", "h01"]
    error = CheatError("The keys do not fit.", names)
    names.clear()
    assert error.sites == ("h02", "h01") and str(error) == "The keys do not fit."
