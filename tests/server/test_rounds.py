"""Rounds over an in-process grid: drawing, weights, order, deadline."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import numpy as np
import pytest
from flwr.app import Message

from common.errors import RoundError
from common.simulation.inline import InlineGrid
from common.wire import Plan
from server import rounds
from server.roster import Member
from server.rounds import Federation
from server.transport import Transport
from tests.benchmarks import null

WATCH = lambda number, site, done, of: None  # noqa: E731


def _federation(sites: int = 4, number: int = 3, **settings: object) -> Federation:
    study = null.study(number)
    study = dataclasses.replace(study, federation=dataclasses.replace(study.federation, **settings))  # type: ignore[arg-type]
    return Federation(study, null.layout(1000), np.zeros(1000, np.float32), null.members(sites))


def test_every_round_adds_the_constant() -> None:
    federation = _federation()
    records = list(rounds.run(federation, Transport(InlineGrid(null.client(), 4)), WATCH))
    assert np.allclose(federation.model, 3e-3) and [r.round for r in records] == [1, 2, 3]
    assert records[0].accepted == ("site1", "site2", "site3", "site4") and records[0].bytes["up"] > 4 * 4000


def test_a_share_of_the_hospitals_is_drawn_by_the_seed() -> None:
    federation = _federation(10, fraction=0.3)
    drawn = [[m.site for m in rounds.draw(federation.study, federation.members, r)] for r in range(1, 30)]
    assert all(len(d) == 3 for d in drawn) and len({tuple(d) for d in drawn}) > 10
    assert drawn[4] == [m.site for m in rounds.draw(federation.study, federation.members, 5)]
    assert {site for d in drawn for site in d} == {m.site for m in federation.members}


class _Reversed(InlineGrid):
    """Answers arrive in the opposite order, and each only at the second time of asking."""

    def __init__(self, nodes: int) -> None:
        super().__init__(null.client(), nodes)
        self._asked: set[str] = set()

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        for identifier in message_ids:
            if identifier in self._asked or int(identifier) % 2:
                yield from super().pull_messages([identifier])
            self._asked.add(identifier)


def test_the_order_of_arrival_does_not_change_a_bit() -> None:
    models = []
    for grid in (InlineGrid(null.client(), 4), _Reversed(4)):
        federation = _federation()
        list(rounds.run(federation, Transport(grid), WATCH))
        models.append(federation.model.tobytes())
    assert models[0] == models[1]


class _Silent(InlineGrid):
    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        return super().pull_messages([i for i in message_ids if i != "1"])


def test_a_silent_hospital_misses_the_deadline_and_nobody_else_does() -> None:
    transport = Transport(_Silent(null.client(), 3))
    federation = _federation(3)
    plan = rounds.training_plan(federation, 1)
    answers = dict(transport.ask(dict.fromkeys([1, 2, 3], plan), deadline=0.2))
    assert "deadline" in answers[1].fault and not answers[2].fault and not answers[3].fault


def test_weights_follow_the_study() -> None:
    counts = {"train": 30, "train_patients": 12, "validation": 0, "test": 0, "patients": 15, "left_out": 0}
    member = Member(1, "north", counts)
    assert [member.weight(rule) for rule in ("patients", "images", "equal")] == [12.0, 30.0, 1.0]


def test_a_step_that_is_not_finite_is_refused_and_the_model_stays() -> None:
    federation = _federation()
    with pytest.raises(RoundError, match="not finite"):
        rounds.advance(federation, np.full(1000, np.inf, np.float32))
    assert federation.rounds_done == 0 and not federation.model.any()


def test_a_question_carries_the_model_and_the_study() -> None:
    plan: Plan = rounds.training_plan(_federation(), 2)
    assert plan.round == 2 and plan.model is not None and plan.study["name"] == "null"
