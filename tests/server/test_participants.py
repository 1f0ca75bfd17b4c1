"""Who takes part.

Names, declarations that cannot be believed, and how long the coordinator waits.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest
from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from common.errors import InputError
from common.protocol import envelopes, flower_records
from common.protocol.envelopes import Reply
from common.sentences.table import Sentence, say
from common.simulation.inline import InlineGrid
from common.study.study import Study
from server import participants
from server.transport import Transport
from tests.benchmarks import null

UNREAD, NO_IMAGES = say("picture.damaged"), say("data.no_images")
COUNTS = {
    "train": 30,
    "validation": 2,
    "test": 3,
    "patients": 15,
    "train_patients": 12,
    "left_out": 0,
}
Replies = Mapping[int, Reply]


def reply(site: str, fault: Sentence | None = None, **change: Any) -> Reply:
    return Reply(site, "join", values={**COUNTS, **change}, sentence=fault)


class Grid(InlineGrid):
    """Hospitals that give prepared answers, under the names that they were enrolled with."""

    def __init__(self, replies: Replies, enrolled: Mapping[int, str] | None = None) -> None:
        client = ClientApp()

        @client.query()
        def join(message: Message, context: Context) -> Message:
            return Message(
                flower_records.pack(envelopes.write_reply(replies[context.node_id]), shared=True),
                reply_to=message,
            )

        super().__init__(client, len(replies))
        self._enrolled = enrolled or {}

    def names(self) -> Mapping[int, str]:
        return self._enrolled


def study(least: int = 1) -> Study:
    template = null.study(1)
    return dataclasses.replace(
        template, federation=dataclasses.replace(template.federation, min_sites=least)
    )


def joined(
    replies: Replies, enrolled: Mapping[int, str] | None = None, least: int = 1
) -> participants.Participants:
    return participants.join(Transport(Grid(replies, enrolled)), study(least))


def test_members_come_sorted_with_what_they_declared() -> None:
    roster = joined(
        {1: reply("valley", reasons=[{**UNREAD.to_json(), "images": 2}]), 2: reply("north")}
    )
    assert [(m.site, m.node) for m in roster.members] == [
        ("north", 2),
        ("valley", 1),
    ] and roster.excluded == {}
    assert (
        roster.members[1].reasons == (f"2 left out: {UNREAD.render()}",)
        and roster.members[0].counts == COUNTS
    )


def test_a_hospital_that_calls_itself_by_another_s_name_is_out_and_the_other_stays() -> None:
    enrolled = {1: "north", 2: "valley", 3: "harbour"}
    roster = joined({1: reply("north"), 2: reply("north"), 3: reply("")}, enrolled)
    assert [(m.site, m.node) for m in roster.members] == [("north", 1)]
    assert (
        roster.excluded["valley"]
        == "It calls itself 'north', which is not the name that it was enrolled under."
    )
    assert set(roster.excluded) == {"valley", "harbour"}


def test_the_impostor_may_come_first() -> None:
    roster = joined({1: reply("north"), 2: reply("north")}, {1: "valley", 2: "north"})
    assert [(m.site, m.node) for m in roster.members] == [("north", 2)] and set(
        roster.excluded
    ) == {"valley"}


def test_a_node_that_nobody_enrolled_is_out() -> None:
    roster = joined({1: reply("north"), 2: reply("guest")}, {1: "north"})
    assert [m.site for m in roster.members] == ["north"] and set(roster.excluded) == {"guest"}


def test_where_nobody_enrols_a_second_one_of_a_name_is_out() -> None:
    roster = joined({1: reply("north"), 2: reply("north")})
    assert len(roster.members) == 1 and "already joined" in roster.excluded["north (second)"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (reply("bad", fault=NO_IMAGES), NO_IMAGES.render()),
        (reply("bad", train=-1), "train = -1"),
        (reply("bad", train=True), "train = True"),
        (reply("bad", train="7"), "train = '7'"),
        (reply("bad", patients=10**9), "patients = 1000000000"),
        (reply("bad", left_out=1.5), "left_out = 1.5"),
        (reply("bad", train=0), "no training images"),
        (reply("bad", reasons=3), "reasons that are not a list"),
        (reply("bad", reasons="unreadable"), "reasons that are not a list"),
        (Reply("bad", "join"), "train = None"),
    ],
)
def test_one_hospital_that_talks_nonsense_does_not_end_the_run(answer: Reply, words: str) -> None:
    roster = joined({1: answer, 2: reply("north")})
    assert [m.site for m in roster.members] == ["north"]
    assert words in roster.excluded["bad"]


def test_reasons_are_few_and_short() -> None:
    good = {**UNREAD.to_json(), "images": 2}
    strange = [
        "Smith, Anna",
        "x" * 1000,
        {"a": 1},
        3,
        None,
        [],
        {**good, "code": "Smith"},
        {**good, "arguments": {"Smith": 3}},
        {"images": 3},
    ]
    [member] = joined({1: reply("north", reasons=[*strange, *[good] * 100])}).members
    assert len(member.reasons) == 20 and set(member.reasons[len(strange) :]) == {
        f"2 left out: {UNREAD.render()}"
    }
    assert {
        reason.removeprefix("2 left out: ").removeprefix("3 left out: ")
        for reason in member.reasons[: len(strange)]
    } == {say("message.unknown").render()}


def test_too_few_hospitals_is_an_error_that_names_each_reason_once() -> None:
    replies = {1: reply("a", fault=NO_IMAGES), 2: reply("b", fault=NO_IMAGES), 3: reply("c")}
    with pytest.raises(
        InputError,
        match=re.escape(
            "1 usable hospitals joined; federation.min_sites asks for 2. "
            f"a [data.no_images], b [data.no_images]: {NO_IMAGES.render()}"
        ),
    ):
        joined(replies, least=2)


class Arrivals:
    """A transport whose hospitals arrive one look after the other.

    Each pause takes so many seconds of a clock of its own.
    """

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, connected: Iterable[int], pause: float
    ) -> None:
        self._connected, self._pause = list(connected), pause
        self.now, self.looks = 0.0, 0
        monkeypatch.setattr(participants.time, "monotonic", lambda: self.now)

    def nodes(self) -> list[int]:
        self.looks += 1
        return list(
            range(self._connected.pop(0) if len(self._connected) > 1 else self._connected[0])
        )

    def pause(self, _: float) -> None:
        self.now += self._pause


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Arrivals, list[str]]]:
    def gathered(
        connected: list[int], expected: int, least: int, pause: float = 1.0
    ) -> tuple[Arrivals, list[str]]:
        arrivals, lines = Arrivals(monkeypatch, connected, pause), list[str]()
        transport: Any = arrivals
        participants.gather(transport, expected, least, lines.append, grace=10.0)
        return arrivals, lines

    return gathered


Waits = Callable[..., tuple[Arrivals, list[str]]]


def test_all_expected_hospitals_start_at_once(waits: Waits) -> None:
    arrivals, lines = waits([3], 3, 1)
    assert (arrivals.now, lines) == (0.0, [])


def test_it_waits_for_the_expected_ones_and_says_so_once_for_each_change(waits: Waits) -> None:
    arrivals, lines = waits([0, 0, 1, 1, 2, 3], 3, 1)
    assert arrivals.now == 5.0
    assert lines == [
        f"waiting for hospitals: {n} of 3 are connected, at least 1 are needed" for n in (0, 1, 2)
    ]


def test_the_least_number_starts_after_the_grace(waits: Waits) -> None:
    arrivals, _ = waits([2], 3, 2)
    assert arrivals.now == 11.0


def test_each_arrival_begins_the_grace_anew(waits: Waits) -> None:
    arrivals, _ = waits([1] * 9 + [2], 3, 1)
    assert arrivals.now == 9.0 + 11.0


def test_too_few_are_waited_for_without_end(waits: Waits) -> None:
    arrivals, _ = waits([1] * 500 + [2], 3, 2)
    assert arrivals.now == 500.0 + 11.0
