"""The last door: whatever a worker puts into its answer, only what has leave to go goes, and a refusal tells nothing of it."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
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
    FREE,
    KINDS,
    SECRET,
    LyingNumber,
    LyingTable,
    LyingText,
    ask,
    honest,
    question,
    refused,
    study,
)

CLEAR, SECURE = study(hostile.PLAIN), study()
STRICT = Policy(approval=False, floor=0)
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


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return hostile.hospital(tmp_path / "state")


ASKED = [(SECURE, kind) for kind in KINDS] + [
    (CLEAR, kind) for kind in ("join", "train", "evaluate")
]


@pytest.mark.parametrize(
    ("about", "kind"),
    ASKED,
    ids=[f"{kind}, {'masked' if about is SECURE else 'plain'}" for about, kind in ASKED],
)
def test_a_value_without_a_rule_takes_the_whole_answer_with_it(
    monkeypatch: pytest.MonkeyPatch, site: Site, about: Study, kind: str
) -> None:
    plan = question(about, kind)
    for value in SMUGGLED.values():
        letter = ask(monkeypatch, site, plan, honest(kind, **{FEWEST: 50, "patient": value}))
        refused(site, letter, "outbox", "nothing of it has left")


@pytest.mark.parametrize(
    ("kind", "name"),
    [(kind, name) for kind in KINDS for name in release_rules.RULES[kind] if name != "head"],
)
def test_a_value_of_the_wrong_type_under_a_name_that_may_leave(
    monkeypatch: pytest.MonkeyPatch, site: Site, kind: str, name: str
) -> None:
    plan, sentences = question(SECURE, kind), name in ("notes", "reasons", "refused")
    for what in SMUGGLED.keys() - ({"list"} if sentences else set()):  # of sentences, see below
        letter = ask(monkeypatch, site, plan, honest(kind, **{FEWEST: 50, name: SMUGGLED[what]}))
        reply = refused(site, letter, "")
        assert reply.sentence is not None and reply.sentence.code.startswith(
            ("outbox.", "failure.unexpected")
        ), (what, reply.sentence)


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
    plan = question(SECURE, kind)
    for heading in HEADINGS:
        letter = ask(monkeypatch, site, plan, replace(honest(kind), **heading))
        refused(site, letter, "outbox", "not to the question that was asked")
        assert b"19570314" not in hostile.all_bytes(letter)
    for field in ("kind", "site", "layout", "fault"):
        letter = ask(monkeypatch, site, plan, replace(honest(kind), **{field: LyingText(SECRET)}))
        assert SECRET.encode() not in hostile.all_bytes(letter)


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
    letter = ask(monkeypatch, site, question(SECURE, kind), honest(kind, **{FEWEST: 50}, **values))
    assert SECRET.encode() not in hostile.all_bytes(letter)
    if not any(
        isinstance(value, LyingTable) for value in values.values()
    ):  # of these the first look counts
        refused(site, letter, "outbox")


def test_pictures_leave_a_folder_of_phantoms_only(
    monkeypatch: pytest.MonkeyPatch, site: Site
) -> None:
    pictures = [{"caption": "phantom 1", "image": "data:image/png;base64,AAAA"}]
    says = honest("evaluate", **{FEWEST: 50, "examples": pictures})
    refused(site, ask(monkeypatch, site, question(CLEAR, "evaluate"), says), "outbox")
    monkeypatch.setattr(Site, "synthetic", property(lambda _: True))
    assert (
        envelopes.read_reply(ask(monkeypatch, site, question(CLEAR, "evaluate"), says)).values[
            "examples"
        ]
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
        letter = ask(
            monkeypatch,
            site,
            question(CLEAR, "evaluate"),
            honest("evaluate", **{FEWEST: 50, "examples": other}),
        )
        assert envelopes.read_reply(letter).fault and SECRET.encode() not in hostile.all_bytes(
            letter
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
    letter = ask(monkeypatch, site, question(SECURE, kind), honest(kind, **{FEWEST: 50}, **values))
    assert b"MUELLER" not in hostile.all_bytes(letter)


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
    about=some.sampled_from([CLEAR, SECURE]),
    own=some.sampled_from(POLICIES),
)
def test_what_leaves_is_in_the_table_and_passes_its_rule(
    site: Site, values: dict[str, Any], kind: str, about: Study, own: Policy
) -> None:
    plan, here = question(about, kind), replace(site, policy=own)
    try:
        letter = outbox.release(here, plan, about, honest(kind, **values))
    except (OutboxError, PolicyError):
        return
    left, allowed = envelopes.read_reply(letter).values, release_rules.RULES[kind]
    extra = {"counts", "metrics"} if kind == "join" else set()
    assert left.keys() <= (allowed.keys() & values.keys()) | extra
    for name, value in left.items():
        if name in extra and value == "kept":
            continue
        rule, switch = allowed[name]
        assert rule(outbox.Door(here, plan, about), value)
        assert not switch or about is CLEAR or getattr(own, f"share_{switch}")
    assert (
        "metrics" not in left
        or left["metrics"] == "kept"
        or not own.metrics
        or left["metrics"].keys() <= set(own.metrics)
    )


def test_a_study_that_asks_for_a_plan_of_its_own_learns_nothing(
    monkeypatch: pytest.MonkeyPatch, site: Site
) -> None:
    """What stands in a question's settings comes back in no answer."""
    plan: Question = question(
        SECURE, "train", settings={"part": SECRET, "examples": True, "repeat": SECRET}
    )
    assert SECRET.encode() not in hostile.all_bytes(ask(monkeypatch, site, plan, honest("train")))


def test_the_head_of_the_record_is_the_desk_s_own_word(
    monkeypatch: pytest.MonkeyPatch, site: Site
) -> None:
    for value in (SECRET, {"site": SECRET}, {"site": "north", SECRET: 1}, LyingNumber()):
        letter = ask(
            monkeypatch,
            site,
            question(SECURE, "train"),
            honest("train", **{FEWEST: 50, "head": value}),
        )
        assert SECRET.encode() not in hostile.all_bytes(letter)
        with pytest.raises(OutboxError):
            outbox.release(
                site,
                question(SECURE, "evaluate"),
                SECURE,
                honest("evaluate", **{FEWEST: 50, "head": value}),
            )
