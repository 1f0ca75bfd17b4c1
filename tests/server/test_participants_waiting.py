"""Hospitals at which a person must decide first, and hospitals that only score models."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from common.errors import InputError
from common.protocol.envelopes import Question, Reply
from common.sentences.table import say
from common.study.study import Study
from server import participants
from server.participants import Participants
from tests.server.test_participants import reply, study

WAITS = Reply(
    "", "", values={"step": "admission", "id": "0a1b2c3d"}, sentence=say("approval.missing")
)
SILENT = Reply("", "join", fault="No answer before the deadline.", silent=True)
NAMES = {1: "north", 2: "valley", 3: "harbour"}


class Asked:
    """A transport with a clock of its own, whose hospitals have an answer for each question.

    The last answer holds from then on.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, said: Mapping[int, list[Reply]]) -> None:
        self._said = {node: list(answers) for node, answers in said.items()}
        self.now, self.times = 0.0, dict.fromkeys(said, 0)
        monkeypatch.setattr(participants.time, "monotonic", lambda: self.now)

    def nodes(self) -> list[int]:
        return list(self._said)

    def names(self) -> Mapping[int, str]:
        return {node: NAMES[node] for node in self._said}

    def pause(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds

    def ask(
        self, plans: Mapping[int, Question], deadline: float | None = None
    ) -> Iterator[tuple[int, Reply]]:
        for node in plans:
            self.times[node] += 1
            answers = self._said[node]
            yield node, answers.pop(0) if len(answers) > 1 else answers[0]


Run = Callable[..., tuple[Participants, Asked, list[str]]]


def patient(seconds: float, least: int = 1) -> Study:
    made = study(least)
    return dataclasses.replace(
        made, federation=dataclasses.replace(made.federation, approval=seconds)
    )


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    def joined(
        said: Mapping[int, list[Reply]],
        patience: float = 3600.0,
        least: int = 1,
        scoring: bool = False,
    ) -> Any:
        asked, told = Asked(monkeypatch, said), list[str]()
        transport: Any = asked
        members = participants.join(transport, patient(patience, least), scoring, told.append)
        return members, asked, told

    return joined


def test_who_has_decided_is_in_and_is_not_asked_again(run: Run) -> None:
    found, asked, told = run({1: [reply("north")], 2: [WAITS, WAITS, WAITS, reply("valley")]})
    assert [m.site for m in found.members] == ["north", "valley"] and found.excluded == {}
    assert asked.times == {1: 1, 2: 4} and asked.now == 35.0
    assert told == [
        "waiting for a person's approval at valley, up to 1 hours (federation.approval)"
    ]


def test_each_change_of_who_is_waited_for_is_said_once(run: Run) -> None:
    _, _, told = run(
        {
            1: [WAITS, reply("north")],
            2: [WAITS, WAITS, WAITS, reply("valley")],
            3: [WAITS, WAITS, reply("harbour")],
        }
    )
    assert [line.split(" at ")[1].split(", up")[0] for line in told] == [
        "harbour, north, valley",
        "harbour, valley",
        "valley",
    ]


def test_nobody_is_waited_for_beyond_the_study_s_patience(run: Run) -> None:
    found, asked, _ = run({1: [reply("north")], 2: [WAITS]}, patience=95.0)
    assert [m.site for m in found.members] == ["north"] and asked.now == pytest.approx(95.0)
    assert found.excluded == {"valley": f"{WAITS.fault} [approval.missing, admission, 0a1b2c3d]"}


def test_no_patience_asks_once(run: Run) -> None:
    found, asked, told = run({1: [reply("north")], 2: [WAITS]}, patience=0.0)
    assert (
        asked.times == {1: 1, 2: 1}
        and asked.now == 0.0
        and told == []
        and set(found.excluded) == {"valley"}
    )


def test_a_run_without_enough_hospitals_names_the_reason_and_its_id(run: Run) -> None:
    words = re.escape(f"asks for 2. valley [approval.missing, admission, 0a1b2c3d]: {WAITS.fault}")
    with pytest.raises(InputError, match=words):
        run({1: [reply("north")], 2: [WAITS]}, patience=0.0, least=2)


def test_another_refusal_is_not_waited_for(run: Run) -> None:
    refusal = Reply(
        "", "", values={"step": "admission", "id": "0a1b2c3d"}, sentence=say("policy.training")
    )
    found, asked, told = run({1: [reply("north")], 2: [refusal, reply("valley")]})
    assert asked.times[2] == 1 and told == [] and set(found.excluded) == {"valley"}


def test_a_person_may_decide_against_it(run: Run) -> None:
    refusal = Reply("", "", sentence=say("policy.training"))
    found, _, _ = run({1: [reply("north")], 2: [WAITS, WAITS, refusal]})
    assert found.excluded == {"valley": f"{refusal.fault} [policy.training]"}


def test_a_hospital_that_is_away_for_a_moment_is_waited_for_on(run: Run) -> None:
    found, _, _ = run({1: [reply("north")], 2: [WAITS, SILENT, reply("valley")]})
    assert [m.site for m in found.members] == ["north", "valley"]


def test_who_waits_keeps_no_name_that_is_not_its_own(run: Run) -> None:
    found, _, _ = run({1: [reply("north")], 2: [WAITS, reply("north")]})
    assert [(m.site, m.node) for m in found.members] == [("north", 1)] and set(found.excluded) == {
        "valley"
    }


def test_hospitals_that_only_score_are_members_and_no_trainers(run: Run) -> None:
    found, _, _ = run(
        {1: [reply("north")], 2: [reply("valley", trains=False)], 3: [reply("harbour")]}, least=2
    )
    assert [m.site for m in found.members] == ["harbour", "north", "valley"]
    assert [m.site for m in found.trainers] == ["harbour", "north"]


def test_hospitals_that_only_score_do_not_make_up_the_number_that_trains(run: Run) -> None:
    said = {1: [reply("north")], 2: [reply("valley", trains=False)]}
    with pytest.raises(
        InputError, match=r"federation.min_sites asks for 2\. valley: trains no models\."
    ):
        run(said, least=2)
    found, _, _ = run(said, least=2, scoring=True)
    assert len(found.members) == 2


@pytest.mark.parametrize("said", [None, 0, "no", [], 1, "false"])
def test_only_a_clear_no_takes_a_hospital_out_of_training(run: Run, said: Any) -> None:
    found, _, _ = run({1: [reply("north", trains=said)]})
    assert found.trainers == found.members


def test_one_reason_at_several_hospitals_is_said_once_with_each_id() -> None:
    reasons = {"b": "No. [data, x, 11111111]", "a": "No. [data, x, 22222222]", "c": "Else."}
    text = participants.grouped(reasons)
    assert (
        text.count("No.") == 1
        and "11111111" in text
        and "22222222" in text
        and text.index("a") < text.index("b") < text.index("c")
    )
