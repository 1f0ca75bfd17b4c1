"""The outbox.

Of a worker's answer only what has a rule leaves, and a refusal tells nothing of it.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from client.policy.policy import Policy
from client.site import Site
from client.worker import outbox, release_rules
from common.errors import OutboxError, PolicyError
from common.protocol import envelopes
from common.protocol.envelopes import Question
from common.study.study import Study
from tests.client import hostile
from tests.client.hostile import (
    CLEAR,
    FREE,
    KINDS,
    SECRET,
    SECURE,
    STRICT,
    LyingNumber,
    LyingTable,
    LyingText,
    ask,
    honest,
    refused,
    signed_question,
)

FEWEST = release_rules.FEWEST


def nested(depth: int) -> Any:
    return SECRET if depth == 0 else {"a": [nested(depth - 1)]}


SMUGGLED: dict[str, Any] = {
    "text": SECRET,
    "nested": nested(3),
    "deep": nested(400),
    "list": [SECRET] * 3,
    "long list": list(range(100_000)),
    "bytes": SECRET.encode(),
    "huge": 10**4000,
    "nan": math.nan,
    "infinite": math.inf,
    "control": "fine\n" + SECRET,
    "scalar": np.float32(3),
    "array": np.zeros(3),
    "object": LyingNumber(),
    "subclass": LyingText(SECRET),
    "set": {SECRET},
    "none": None,
}


ASKED = [(SECURE, kind) for kind in KINDS] + [
    (CLEAR, kind) for kind in ("join", "train", "evaluate")
]


@pytest.mark.parametrize(
    ("study", "kind"),
    ASKED,
    ids=[f"{kind}, {'masked' if study is SECURE else 'plain'}" for study, kind in ASKED],
)
def test_a_value_without_a_rule_takes_the_whole_answer_with_it(
    monkeypatch: pytest.MonkeyPatch, site: Site, study: Study, kind: str
) -> None:
    question = signed_question(study, kind)
    for value in SMUGGLED.values():
        envelope = ask(monkeypatch, site, question, honest(kind, **{FEWEST: 50, "patient": value}))
        refused(site, envelope, "outbox", "nothing of it has left")


@pytest.mark.parametrize(
    ("kind", "name"),
    [(kind, name) for kind in KINDS for name in release_rules.RULES[kind] if name != "head"],
)
def test_a_value_of_the_wrong_type_under_a_name_that_may_leave(
    monkeypatch: pytest.MonkeyPatch, site: Site, kind: str, name: str
) -> None:
    question, sentences = signed_question(SECURE, kind), name in ("notes", "reasons", "refused")
    for smuggled in SMUGGLED.keys() - ({"list"} if sentences else set()):  # of sentences, see below
        envelope = ask(
            monkeypatch, site, question, honest(kind, **{FEWEST: 50, name: SMUGGLED[smuggled]})
        )
        reply = refused(site, envelope, "")
        assert reply.sentence is not None and reply.sentence.code.startswith(
            ("outbox.", "failure.unexpected")
        ), (smuggled, reply.sentence)


HEADINGS: tuple[dict[str, Any], ...] = (
    {"kind": "elsewhere"},
    {"site": "south"},
    {"round": 19570314},
    {"round": -1},
    {"layout": SECRET},
    {"fault": SECRET},
)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_leaves_in_a_heading(
    monkeypatch: pytest.MonkeyPatch, site: Site, kind: str
) -> None:
    question = signed_question(SECURE, kind)
    for heading in HEADINGS:
        envelope = ask(monkeypatch, site, question, replace(honest(kind), **heading))
        refused(site, envelope, "outbox", "not to the question that was asked")
        assert b"19570314" not in hostile.all_bytes(envelope)
    for field in ("kind", "site", "layout", "fault"):
        envelope = ask(
            monkeypatch, site, question, replace(honest(kind), **{field: LyingText(SECRET)})
        )
        assert SECRET.encode() not in hostile.all_bytes(envelope)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("train", {"counted": LyingTable({"a.num_batches_tracked": 3}, {SECRET: 3})}),
        ("evaluate", {"metrics": LyingTable({"dice": 0.5}, {SECRET: 0.5})}),
        ("evaluate", {"compute": LyingTable({"device": "CPU"}, {SECRET: 0.5})}),
        ("train", {"notes": [LyingText(SECRET + "\n" * 1000)]}),
        ("evaluate", {"metrics": {LyingText(SECRET): 0.5}}),
        ("evaluate", {"metrics": {SECRET: 0.5}}),
        ("evaluate", {"metrics": {"dice": SECRET}}),
        ("evaluate", {"metrics": {"dice": 10**300}}),
        ("evaluate", {"metrics": {"dice": [0.5]}}),
        ("evaluate", {"metrics": {"dice": True}}),
        ("evaluate", {"intervals": {"dice": [0.1, 0.2, 0.3]}}),
        ("evaluate", {"intervals": {"dice": [0.1, math.nan]}}),
        ("evaluate", {"intervals": {"dice": "12"}}),
        ("evaluate", {"intervals": {SECRET: [0.1, 0.2]}}),
        ("evaluate", {"images": 1 << 41}),
        ("evaluate", {"images": -1}),
        ("evaluate", {"images": True}),
        ("evaluate", {"compute": {SECRET: "CPU"}}),
        ("evaluate", {"compute": {"device": {"a": SECRET}}}),
        ("train", {"loss": 10**300}),
        ("train", {"counted": {SECRET: 1}}),
        ("train", {"counted": {"a": SECRET}}),
        ("train", {"counted": {"a" * 201: 1}}),
        ("train", {"notes": ["x" * 501]}),
        ("train", {"notes": ["fine"] * 51}),
        ("train", {"notes": ["two\nlines"]}),
        ("train", {"notes": [3]}),
    ],
    ids=str,
)
def test_a_value_that_only_looks_right(
    monkeypatch: pytest.MonkeyPatch, site: Site, kind: str, values: dict[str, Any]
) -> None:
    envelope = ask(
        monkeypatch, site, signed_question(SECURE, kind), honest(kind, **{FEWEST: 50}, **values)
    )
    assert SECRET.encode() not in hostile.all_bytes(envelope)
    if not any(
        isinstance(value, LyingTable) for value in values.values()
    ):  # of these the first look counts
        refused(site, envelope, "outbox")


def test_pictures_leave_a_folder_of_phantoms_only(
    monkeypatch: pytest.MonkeyPatch, site: Site
) -> None:
    pictures = [{"caption": "phantom 1", "image": "data:image/png;base64,AAAA"}]
    says = honest("evaluate", **{FEWEST: 50, "examples": pictures})
    refused(site, ask(monkeypatch, site, signed_question(CLEAR, "evaluate"), says), "outbox")
    monkeypatch.setattr(Site, "synthetic", property(lambda _: True))
    assert (
        envelopes.read_reply(
            ask(monkeypatch, site, signed_question(CLEAR, "evaluate"), says)
        ).values["examples"]
        == pictures
    )
    for other in (
        [{"caption": SECRET, "path": "x"}],
        SECRET,
        [SECRET],
        {"image": SECRET},
        [{"image": {"a": 1}}],
        [{"image": 3}],
    ):
        envelope = ask(
            monkeypatch,
            site,
            signed_question(CLEAR, "evaluate"),
            honest("evaluate", **{FEWEST: 50, "examples": other}),
        )
        assert envelopes.read_reply(envelope).fault and SECRET.encode() not in hostile.all_bytes(
            envelope
        )


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("train", {"notes": [SECRET]}),
        ("join", {"reasons": [f"1 left out: {SECRET}"]}),
        ("agree", {"refused": [SECRET]}),
        ("evaluate", {"compute": {"device": SECRET}}),
        ("train", {"counted": {SECRET.replace("^", "."): 1}}),
    ],
    ids=["notes", "reasons", "refused", "compute", "counted"],
)
def test_a_sentence_that_nobody_wrote_in_our_code_stays(
    monkeypatch: pytest.MonkeyPatch, site: Site, kind: str, values: dict[str, Any]
) -> None:
    envelope = ask(
        monkeypatch, site, signed_question(SECURE, kind), honest(kind, **{FEWEST: 50}, **values)
    )
    assert b"MUELLER" not in hostile.all_bytes(envelope)


TREES = some.recursive(
    some.none()
    | some.booleans()
    | some.integers(-(10**30), 10**30)
    | some.floats()
    | some.text(max_size=20)
    | some.binary(max_size=4)
    | some.just(SECRET)
    | some.just(np.float64(0.5)),
    lambda inner: (
        some.lists(inner, max_size=4)
        | some.dictionaries(
            some.sampled_from(["dice", "device", "a.b", "1", SECRET]), inner, max_size=3
        )
    ),
    max_leaves=8,
)


NAMES = sorted(
    {name for table in release_rules.RULES.values() for name in table}
    | {FEWEST, "patient", SECRET, ""}
)


POLICIES = (
    FREE,
    STRICT,
    replace(STRICT, share_counts=True, floor=5),
    replace(FREE, metrics=("dice",)),
)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    values=some.dictionaries(some.sampled_from(NAMES), TREES, max_size=5),
    kind=some.sampled_from(KINDS),
    study=some.sampled_from([CLEAR, SECURE]),
    own=some.sampled_from(POLICIES),
)
def test_what_leaves_is_in_the_table_and_passes_its_rule(
    site: Site, values: dict[str, Any], kind: str, study: Study, own: Policy
) -> None:
    question, here = signed_question(study, kind), replace(site, policy=own)
    try:
        envelope = outbox.release(here, question, study, honest(kind, **values))
    except (OutboxError, PolicyError):
        return
    left, allowed = envelopes.read_reply(envelope).values, release_rules.RULES[kind]
    extra = {"counts", "metrics"} if kind == "join" else set()
    assert left.keys() <= (allowed.keys() & values.keys()) | extra
    for name, value in left.items():
        if name in extra and value == "kept":
            continue
        rule, switch = allowed[name]
        assert rule(release_rules.ReleaseContext(here, question, study), value)
        assert not switch or study is CLEAR or getattr(own, f"share_{switch}")
    assert (
        "metrics" not in left
        or left["metrics"] == "kept"
        or not own.metrics
        or left["metrics"].keys() <= set(own.metrics)
    )


def test_a_question_with_settings_of_its_own_learns_nothing(
    monkeypatch: pytest.MonkeyPatch, site: Site
) -> None:
    """What stands in a question's settings comes back in no answer."""
    question: Question = signed_question(
        SECURE, "train", settings={"part": SECRET, "examples": True, "repeat": SECRET}
    )
    assert SECRET.encode() not in hostile.all_bytes(
        ask(monkeypatch, site, question, honest("train"))
    )


def test_the_head_of_the_audit_log_is_the_handler_s_own_word(
    monkeypatch: pytest.MonkeyPatch, site: Site
) -> None:
    for value in (SECRET, {"site": SECRET}, {"site": "north", SECRET: 1}, LyingNumber()):
        envelope = ask(
            monkeypatch,
            site,
            signed_question(SECURE, "train"),
            honest("train", **{FEWEST: 50, "head": value}),
        )
        assert SECRET.encode() not in hostile.all_bytes(envelope)
        with pytest.raises(OutboxError):
            outbox.release(
                site,
                signed_question(SECURE, "evaluate"),
                SECURE,
                honest("evaluate", **{FEWEST: 50, "head": value}),
            )
