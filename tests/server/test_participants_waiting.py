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


class Hospitals:
    """A transport with a clock of its own, whose hospitals have an answer for each question.

    The last answer holds from then on.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, replies: Mapping[int, list[Reply]]) -> None:
        self._replies = {node: list(answers) for node, answers in replies.items()}
        self.now, self.times = 0.0, dict.fromkeys(replies, 0)
        monkeypatch.setattr(participants.time, "monotonic", lambda: self.now)

    def nodes(self) -> list[int]:
        return list(self._replies)

    def names(self) -> Mapping[int, str]:
        return {node: NAMES[node] for node in self._replies}

    def pause(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds

    def ask(
        self, questions: Mapping[int, Question], deadline: float | None = None
    ) -> Iterator[tuple[int, Reply]]:
        for node in questions:
            self.times[node] += 1
            answers = self._replies[node]
            yield node, answers.pop(0) if len(answers) > 1 else answers[0]


Run = Callable[..., tuple[Participants, Hospitals, list[str]]]


def patient(seconds: float, least: int = 1) -> Study:
    template = study(least)
    return dataclasses.replace(
        template, federation=dataclasses.replace(template.federation, approval=seconds)
    )


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    def joined(
        replies: Mapping[int, list[Reply]],
        patience: float = 3600.0,
        least: int = 1,
        scoring: bool = False,
    ) -> Any:
        transport: Any = Hospitals(monkeypatch, replies)
        lines = list[str]()
        members = participants.join(transport, patient(patience, least), scoring, lines.append)
        return members, transport, lines

    return joined


def test_who_has_decided_is_in_and_is_not_asked_again(run: Run) -> None:
    roster, transport, lines = run({1: [reply("north")], 2: [WAITS, WAITS, WAITS, reply("valley")]})
    assert [m.site for m in roster.members] == ["north", "valley"] and roster.excluded == {}
    assert transport.times == {1: 1, 2: 4} and transport.now == 35.0
    assert lines == [
        "waiting for a person's approval at valley, up to 1 hours (federation.approval)"
    ]


def test_each_change_of_who_is_waited_for_is_said_once(run: Run) -> None:
    _, _, lines = run(
        {
            1: [WAITS, reply("north")],
            2: [WAITS, WAITS, WAITS, reply("valley")],
            3: [WAITS, WAITS, reply("harbour")],
        }
    )
    assert [line.split(" at ")[1].split(", up")[0] for line in lines] == [
        "harbour, north, valley",
        "harbour, valley",
        "valley",
    ]


def test_nobody_is_waited_for_beyond_the_study_s_patience(run: Run) -> None:
    roster, transport, _ = run({1: [reply("north")], 2: [WAITS]}, patience=95.0)
    assert [m.site for m in roster.members] == ["north"] and transport.now == pytest.approx(95.0)
    assert roster.excluded == {"valley": f"{WAITS.fault} [approval.missing, admission, 0a1b2c3d]"}


def test_no_patience_asks_once(run: Run) -> None:
    roster, transport, lines = run({1: [reply("north")], 2: [WAITS]}, patience=0.0)
    assert (
        transport.times == {1: 1, 2: 1}
        and transport.now == 0.0
        and lines == []
        and set(roster.excluded) == {"valley"}
    )


def test_a_run_without_enough_hospitals_names_the_reason_and_its_id(run: Run) -> None:
    words = re.escape(f"asks for 2. valley [approval.missing, admission, 0a1b2c3d]: {WAITS.fault}")
    with pytest.raises(InputError, match=words):
        run({1: [reply("north")], 2: [WAITS]}, patience=0.0, least=2)


def test_another_refusal_is_not_waited_for(run: Run) -> None:
    refusal = Reply(
        "", "", values={"step": "admission", "id": "0a1b2c3d"}, sentence=say("policy.training")
    )
    roster, transport, lines = run({1: [reply("north")], 2: [refusal, reply("valley")]})
    assert transport.times[2] == 1 and lines == [] and set(roster.excluded) == {"valley"}


def test_a_person_may_decide_against_it(run: Run) -> None:
    refusal = Reply("", "", sentence=say("policy.training"))
    roster, _, _ = run({1: [reply("north")], 2: [WAITS, WAITS, refusal]})
    assert roster.excluded == {"valley": f"{refusal.fault} [policy.training]"}


def test_a_hospital_that_is_away_for_a_moment_is_waited_for_on(run: Run) -> None:
    roster, _, _ = run({1: [reply("north")], 2: [WAITS, SILENT, reply("valley")]})
    assert [m.site for m in roster.members] == ["north", "valley"]


def test_who_waits_keeps_no_name_that_is_not_its_own(run: Run) -> None:
    roster, _, _ = run({1: [reply("north")], 2: [WAITS, reply("north")]})
    assert [(m.site, m.node) for m in roster.members] == [("north", 1)] and set(
        roster.excluded
    ) == {"valley"}


def test_hospitals_that_only_score_are_members_and_no_trainers(run: Run) -> None:
    roster, _, _ = run(
        {1: [reply("north")], 2: [reply("valley", trains=False)], 3: [reply("harbour")]}, least=2
    )
    assert [m.site for m in roster.members] == ["harbour", "north", "valley"]
    assert [m.site for m in roster.trainers] == ["harbour", "north"]


def test_hospitals_that_only_score_do_not_make_up_the_number_that_trains(run: Run) -> None:
    replies = {1: [reply("north")], 2: [reply("valley", trains=False)]}
    with pytest.raises(
        InputError, match=r"federation.min_sites asks for 2\. valley: trains no models\."
    ):
        run(replies, least=2)
    roster, _, _ = run(replies, least=2, scoring=True)
    assert len(roster.members) == 2


@pytest.mark.parametrize("trains", [None, 0, "no", [], 1, "false"])
def test_only_a_clear_no_takes_a_hospital_out_of_training(run: Run, trains: Any) -> None:
    roster, _, _ = run({1: [reply("north", trains=trains)]})
    assert roster.trainers == roster.members


def test_one_reason_at_several_hospitals_is_said_once_with_each_id() -> None:
    reasons = {"b": "No. [data, x, 11111111]", "a": "No. [data, x, 22222222]", "c": "Else."}
    text = participants.grouped(reasons)
    assert (
        text.count("No.") == 1
        and "11111111" in text
        and "22222222" in text
        and text.index("a") < text.index("b") < text.index("c")
    )
