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
Shown = dict[str, Any]


def entries(made: Consortium, name: str, event: str) -> list[dict[str, Any]]:
    return verification.show(made.sites[name].state, event=event)


def public(name: str) -> bytes:
    return rosters.public_key(IDENTITIES[name].certificate, stage.CA.certificate, name, stage.NOW)


def forged(signed: Shown, name: str, **changes: Any) -> Shown:
    """A head that a hospital itself signs."""
    return tree_heads.sign(
        replace(tree_heads.read(signed), **changes), raw_key(IDENTITIES[name].key)
    )


def passing(made: Consortium, change: Callable[[Shown], Any]) -> None:
    """From now on the server changes the heads that it passes on."""
    put = made.put

    def bent(name: str, plan: Question) -> Reply:
        shown = plan.settings.get("heads")
        return put(
            name,
            plan
            if shown is None
            else replace(plan, settings={**plan.settings, "heads": change(dict(shown))}),
        )

    made.put = bent  # type: ignore[method-assign]


def test_after_two_rounds_every_hospital_holds_a_head_of_every_other(make: Make) -> None:
    made = make()
    federation = made.begin()
    records = [made.round(federation), made.round(federation)]
    assert (
        all(tuple(record.heads) == NAMES for record in records)
        and dict(records[1].heads) == federation.heads
    )
    for name in NAMES:
        state = made.sites[name].state
        verdict = verification.verify(state, public(name), "trial", name)
        assert (
            verdict.wrong == []
            and verdict.heads == 2
            and verdict.entries == audit_log.head(state)[0]
        )
        kept = witness.others(state)
        assert kept == {other: records[0].heads[other] for other in NAMES if other != name}
        verification.add_others(verdict, state, {other: public(other) for other in NAMES}, "trial")
        assert (verdict.others, verdict.wrong, verdict.evidence) == (2, [], [])
        for other, head in kept.items():
            assert (
                verification.verify(
                    made.sites[other].state, public(other), "trial", other, head
                ).wrong
                == []
            )


def test_the_record_tells_what_was_asked_answered_accepted_and_opened(make: Make) -> None:
    made = make()
    made.round(made.begin())
    for name in NAMES:
        asked = entries(made, name, "asked")
        answers = made.audit_entries(name)
        assert len(asked) == len(answers) and all(
            line["run"] == "run-1" and line["received"] > 0 for line in asked
        )
        assert [line["hospitals"] for line in entries(made, name, "roster")] == [3]
        opened = [
            (line["kind"], line["round"], line["hospitals"])
            for line in entries(made, name, "opened")
        ]
        assert opened == [("tally", 0, 3), ("train", 1, 3)]


def test_heads_cost_no_exchange_and_few_bytes(make: Make) -> None:
    made = make()
    federation = made.begin()
    made.round(federation)
    made.heard.clear()
    made.round(federation)
    assert {plan.kind for _, plan, _ in made.heard if "heads" in plan.settings} == {"train"}
    assert len(json.dumps(federation.heads)) < 600 * len(NAMES)


def test_a_hospital_that_rewrote_its_past_is_noticed_by_the_others_who_go_on(make: Make) -> None:
    made = make(federation={"rounds": 3})
    federation = made.begin()
    made.round(federation)
    made.round(federation)
    first = witness.others(made.sites["north"].state)["east"]
    passing(made, lambda shown: {**shown, "east": forged(first, "east", root="ab" * 32)})
    record = made.round(federation)
    assert record.accepted == NAMES
    for name in ("north", "west"):
        [alarm] = entries(made, name, "history rewritten")
        assert (
            alarm["site"] == "east"
            and alarm["reason"] == f"two different records of {first['size']} entries"
        )
        assert witness.others(made.sites[name].state)["east"] == first
    [shown_back] = entries(made, "east", "unknown own head")
    assert shown_back["run"] == "run-1"


@pytest.mark.parametrize("change", ["root", "size", "whose"])
def test_a_server_that_changes_heads_is_noted_by_every_hospital_and_breaks_no_round(
    make: Make, change: str
) -> None:
    made = make()
    federation = made.begin()
    made.round(federation)

    def bent(shown: Shown) -> Shown:
        other = {"root": {"root": "ab" * 32}, "size": {"size": 1}, "whose": shown["west"]}[change]
        return {**shown, "east": {**shown["east"], **other}}

    passing(made, bent)
    assert made.round(federation).accepted == NAMES
    assert all(
        [line["site"] for line in entries(made, name, "head refused")] == ["east"] for name in NAMES
    )


@pytest.mark.parametrize(
    "shown", [None, 3, [], {"east": None}, {"east": {"size": "x"}}, {"nobody": 1}]
)
def test_heads_of_no_form_break_no_round(make: Make, shown: Any) -> None:
    made = make()
    federation = made.begin()
    made.round(federation)
    passing(made, lambda _: shown)
    assert made.round(federation).accepted == NAMES


@pytest.mark.parametrize("head", [None, 3, {}, {"site": "east"}, "whose"])
def test_the_server_passes_on_only_what_has_the_form_of_the_sender_s_head(
    make: Make, head: Any
) -> None:
    made = make()
    federation = made.begin()

    def trouble(name: str, plan: Question, reply: Reply) -> Reply:
        if name != "east" or plan.kind != "train":
            return reply
        of_another = next(
            (r.values["head"] for n, p, r in made.heard if n != "east" and p.kind == "train"), None
        )
        return replace(
            reply, values={**reply.values, "head": of_another if head == "whose" else head}
        )

    made.trouble = trouble
    record = made.round(federation)
    assert record.accepted == NAMES and tuple(record.heads) == tuple(federation.heads) == (
        "north",
        "west",
    )
