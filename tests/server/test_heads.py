"""Heads of the hospitals' records on their way.

With training's questions and answers, through a server that cannot change them unnoticed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from client.audit import log as audit_log
from client.audit import verification, witness
from client.identity import raw_key
from common.protocol.envelopes import Question, Reply
from common.trust import roster as rosters
from common.trust import tree_heads
from tests.client.worker import conftest as fixtures
from tests.client.worker import hospitals as stage
from tests.client.worker.hospitals import IDENTITIES, NAMES, Consortium, Make

data = fixtures.data
make = fixtures.make
Heads = dict[str, Any]


def entries(consortium: Consortium, name: str, event: str) -> list[dict[str, Any]]:
    return verification.show(consortium.sites[name].state, event=event)


def public(name: str) -> bytes:
    return rosters.public_key(IDENTITIES[name].certificate, stage.CA.certificate, name, stage.NOW)


def forged(signed: Heads, name: str, **changes: Any) -> Heads:
    """A head that a hospital itself signs."""
    return tree_heads.sign(
        replace(tree_heads.read(signed), **changes), raw_key(IDENTITIES[name].key)
    )


def passing(consortium: Consortium, change: Callable[[Heads], Any]) -> None:
    """From now on the server changes the heads that it passes on."""
    put = consortium.put

    def bent(name: str, question: Question) -> Reply:
        heads = question.settings.get("heads")
        return put(
            name,
            question
            if heads is None
            else replace(question, settings={**question.settings, "heads": change(dict(heads))}),
        )

    consortium.put = bent  # type: ignore[method-assign]


def test_after_two_rounds_every_hospital_holds_a_head_of_every_other(make: Make) -> None:
    consortium = make()
    federation = consortium.begin()
    records = [consortium.round(federation), consortium.round(federation)]
    assert (
        all(tuple(record.heads) == NAMES for record in records)
        and dict(records[1].heads) == federation.heads
    )
    for name in NAMES:
        state = consortium.sites[name].state
        verdict = verification.verify(state, public(name), "trial", name)
        assert (
            verdict.wrong == []
            and verdict.heads == 2
            and verdict.entries == audit_log.head(state)[0]
        )
        others_heads = witness.others(state)
        assert others_heads == {other: records[0].heads[other] for other in NAMES if other != name}
        verification.add_others(verdict, state, {other: public(other) for other in NAMES}, "trial")
        assert (verdict.others, verdict.wrong, verdict.evidence) == (2, [], [])
        for other, head in others_heads.items():
            assert (
                verification.verify(
                    consortium.sites[other].state, public(other), "trial", other, head
                ).wrong
                == []
            )


def test_the_record_tells_what_was_asked_answered_accepted_and_opened(make: Make) -> None:
    consortium = make()
    consortium.round(consortium.begin())
    for name in NAMES:
        questions = entries(consortium, name, "asked")
        answers = consortium.audit_entries(name)
        assert len(questions) == len(answers) and all(
            line["run"] == "run-1" and line["received"] > 0 for line in questions
        )
        assert [line["hospitals"] for line in entries(consortium, name, "roster")] == [3]
        opened = [
            (line["kind"], line["round"], line["hospitals"])
            for line in entries(consortium, name, "opened")
        ]
        assert opened == [("tally", 0, 3), ("train", 1, 3)]


def test_heads_cost_no_exchange_and_few_bytes(make: Make) -> None:
    consortium = make()
    federation = consortium.begin()
    consortium.round(federation)
    consortium.heard.clear()
    consortium.round(federation)
    assert {
        question.kind for _, question, _ in consortium.heard if "heads" in question.settings
    } == {"train"}
    assert len(json.dumps(federation.heads)) < 600 * len(NAMES)


def test_a_hospital_that_rewrote_its_past_is_noticed_by_the_others_who_go_on(make: Make) -> None:
    consortium = make(federation={"rounds": 3})
    federation = consortium.begin()
    consortium.round(federation)
    consortium.round(federation)
    first = witness.others(consortium.sites["north"].state)["east"]
    passing(consortium, lambda heads: {**heads, "east": forged(first, "east", root="ab" * 32)})
    record = consortium.round(federation)
    assert record.accepted == NAMES
    for name in ("north", "west"):
        [alarm] = entries(consortium, name, "history rewritten")
        assert (
            alarm["site"] == "east"
            and alarm["reason"] == f"two different records of {first['size']} entries"
        )
        assert witness.others(consortium.sites[name].state)["east"] == first
    [alarm_at_home] = entries(consortium, "east", "unknown own head")
    assert alarm_at_home["run"] == "run-1"


@pytest.mark.parametrize("change", ["root", "size", "whose"])
def test_a_server_that_changes_heads_is_noted_by_every_hospital_and_breaks_no_round(
    make: Make, change: str
) -> None:
    consortium = make()
    federation = consortium.begin()
    consortium.round(federation)

    def bent(heads: Heads) -> Heads:
        other = {"root": {"root": "ab" * 32}, "size": {"size": 1}, "whose": heads["west"]}[change]
        return {**heads, "east": {**heads["east"], **other}}

    passing(consortium, bent)
    assert consortium.round(federation).accepted == NAMES
    assert all(
        [line["site"] for line in entries(consortium, name, "head refused")] == ["east"]
        for name in NAMES
    )


@pytest.mark.parametrize(
    "heads", [None, 3, [], {"east": None}, {"east": {"size": "x"}}, {"nobody": 1}]
)
def test_heads_of_no_form_break_no_round(make: Make, heads: Any) -> None:
    consortium = make()
    federation = consortium.begin()
    consortium.round(federation)
    passing(consortium, lambda _: heads)
    assert consortium.round(federation).accepted == NAMES


@pytest.mark.parametrize("head", [None, 3, {}, {"site": "east"}, "whose"])
def test_the_server_passes_on_only_what_has_the_form_of_the_sender_s_head(
    make: Make, head: Any
) -> None:
    consortium = make()
    federation = consortium.begin()

    def trouble(name: str, question: Question, reply: Reply) -> Reply:
        if name != "east" or question.kind != "train":
            return reply
        of_another = next(
            (r.values["head"] for n, p, r in consortium.heard if n != "east" and p.kind == "train"),
            None,
        )
        return replace(
            reply, values={**reply.values, "head": of_another if head == "whose" else head}
        )

    consortium.trouble = trouble
    record = consortium.round(federation)
    assert record.accepted == NAMES and tuple(record.heads) == tuple(federation.heads) == (
        "north",
        "west",
    )
