"""Who is asked for a sum: who is there, who was silent, who was caught."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.protocol.envelopes import Question
from common.secagg.coordinator_state import TooFewError
from server.aggregation.cohort import Cohort
from tests.server.parties import World, silence


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, 4)


def ask(cohort: Cohort, *names: str) -> dict[str, bool]:
    """Ask hospitals to agree on nothing; whether each was silent."""
    question = Question("agree", {"a": "study"})
    return {site: reply.silent for site, reply in cohort.ask(dict.fromkeys(names, question), 1.0)}


def test_every_sum_has_the_next_number_and_names_who_is_there(world: World) -> None:
    first, second = (world.cohort.terms(world.names[::-1]).terms for _ in range(2))
    assert (first.number, second.number) == (1, 2)
    assert first.cohort == second.cohort == world.names
    assert (first.consortium, first.run, first.roster) == ("consortium", "run", world.digest)


def test_who_was_caught_is_never_asked_again_and_the_reason_is_told(world: World) -> None:
    world.cohort.catch(["h02"], "Its mask is wrong.")
    assert world.cohort.awake(world.names) == ["h01", "h03", "h04"]
    world.cohort.catch(["h03"], "Its share is wrong.")
    with pytest.raises(
        TooFewError,
        match=r"^2 hospitals can take part; secure_aggregation\.min_cohort asks for 3\. "
        r"h02: Its mask is wrong\.; h03: Its share is wrong\.$",
    ):
        world.cohort.terms(world.names)
    assert world.cohort.progress["caught"] == {
        "h02": "Its mask is wrong.",
        "h03": "Its share is wrong.",
    }


def test_who_is_silent_rests_and_an_answer_ends_that(world: World) -> None:
    world.cohort.terms(world.names)
    world.away.add(("parcels", "h04"))
    assert ask(world.cohort, "h03", "h04") == {"h03": False, "h04": True}
    assert world.cohort.awake(world.names) == ["h01", "h02", "h03"]
    world.away.clear()
    assert ask(world.cohort, "h04") == {"h04": False}
    assert world.cohort.awake(world.names) == list(world.names)


def test_who_rests_is_asked_all_the_same_where_the_others_are_too_few(world: World) -> None:
    world.cohort.terms(world.names)
    world.away |= {("parcels", "h03"), ("parcels", "h04")}
    ask(world.cohort, "h03", "h04")
    assert world.cohort.awake(world.names) == list(world.names)


def test_a_prepared_sum_fits_the_cohort_that_it_was_prepared_for(world: World) -> None:
    ready = world.cohort.terms(world.names[:3])
    assert world.cohort.fits(ready, world.names[:3])
    assert not world.cohort.fits(ready, world.names)


def test_exchanges_are_counted_with_their_answers_as_they_come(world: World) -> None:
    terms = world.cohort.terms(world.names).terms
    messages = dict.fromkeys(world.names, (terms,))
    sites = [site for site, _ in world.cohort.exchange(messages)]
    assert sites == list(world.names) and world.cohort.exchanges == 1
    assert world.exchanges == [dict.fromkeys(world.names, "keys")]


def test_silence_is_what_the_transport_says(world: World) -> None:
    """The control of the tests above: their silence is one."""
    assert silence(Question("agree", {})).silent
