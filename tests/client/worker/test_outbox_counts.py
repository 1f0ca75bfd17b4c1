"""The outbox: no number over few patients, none that the policy keeps; and nobody else answers."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from client.worker import release_rules
from common.protocol import envelopes
from tests.client import hostile
from tests.client.hostile import (
    CLEAR,
    FREE,
    MODEL,
    SECURE,
    STRICT,
    LyingNumber,
    ask,
    honest,
    refused,
    signed_question,
)

HOUSE = Path(__file__).resolve().parents[3]


FEWEST = release_rules.FEWEST


TORN = {"code": "picture.damaged", "arguments": {}, "images": 1}
TOLD = {
    "join": {
        "train": 9,
        "validation": 1,
        "test": 2,
        "patients": 12,
        "train_patients": 9,
        "left_out": 1,
        "reasons": [TORN],
    },
    "train": {"weight": 9.0, "steps": 4, "loss": 0.5, "seconds": 1.0},
    "evaluate": {
        "metrics": {"dice": 0.5},
        "intervals": {"dice": [0.1, 0.9]},
        "images": 12,
        "patients": 12,
    },
}


@pytest.mark.parametrize("kind", TOLD)
@pytest.mark.parametrize(
    ("fewest", "floor", "leaves"),
    [(9, 10, False), (10, 10, True), (11, 10, True), (0, 0, True), (0, 1, False)],
)
def test_numbers_over_few_patients_stay(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    kind: str,
    fewest: int,
    floor: int,
    leaves: bool,
) -> None:
    site = hostile.hospital(
        tmp_path,
        replace(STRICT, plain_updates=True, share_counts=True, share_metrics=True, floor=floor),
    )
    says = honest(kind, **{**TOLD[kind], FEWEST: fewest})
    reply = envelopes.read_reply(ask(monkeypatch, site, signed_question(SECURE, kind), says))
    assert not reply.fault and FEWEST not in reply.values
    assert set(reply.values) - {"head"} == (
        set(TOLD[kind]) if leaves else {"counts", "metrics"} if kind == "join" else set()
    )
    envelope = ask(
        monkeypatch,
        site,
        signed_question(CLEAR, kind),
        replace(says, delta=MODEL if kind == "train" else None),
    )
    if leaves:
        assert set(envelopes.read_reply(envelope).values) - {"head"} == set(TOLD[kind])
    else:
        refused(site, envelope, "policy", f"fewer than {floor} patients")
        assert envelope.vector is None


@pytest.mark.parametrize("kind", TOLD)
@pytest.mark.parametrize(
    "fewest", [None, math.nan, math.inf, True, "50", 50.0, -1, LyingNumber()], ids=repr
)
def test_where_nobody_says_how_many_patients_there_are_nothing_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str, fewest: Any
) -> None:
    site = hostile.hospital(
        tmp_path,
        replace(STRICT, plain_updates=True, share_counts=True, share_metrics=True, floor=1),
    )
    values = TOLD[kind] if fewest is None else {**TOLD[kind], FEWEST: fewest}
    reply = envelopes.read_reply(
        ask(monkeypatch, site, signed_question(SECURE, kind), honest(kind, **values))
    )
    assert not set(TOLD[kind]) & set(reply.values)
    envelope = ask(
        monkeypatch,
        site,
        signed_question(CLEAR, kind),
        replace(honest(kind, **values), delta=MODEL if kind == "train" else None),
    )
    assert envelope.vector is None and not set(TOLD[kind]) & set(
        envelopes.read_reply(envelope).values
    )


@pytest.mark.parametrize(
    ("counts", "metrics", "left"),
    [
        (False, False, set()),
        (True, False, {"images", "patients"}),
        (False, True, {"metrics", "intervals"}),
        (True, True, {"images", "patients", "metrics", "intervals"}),
    ],
)
def test_each_switch_lets_its_own_values_go(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, counts: bool, metrics: bool, left: set[str]
) -> None:
    site = hostile.hospital(tmp_path, replace(STRICT, share_counts=counts, share_metrics=metrics))
    envelope = ask(
        monkeypatch,
        site,
        signed_question(SECURE, "evaluate"),
        honest("evaluate", **TOLD["evaluate"], **{FEWEST: 12}),
    )
    assert (
        set(envelopes.read_reply(envelope).values)
        == left
        == set(hostile.audit_entries(site)[-1]["left"])
    )


@pytest.mark.parametrize(
    ("listed", "left"), [((), {"dice"}), (("dice",), {"dice"}), (("iou",), set())]
)
def test_a_metric_that_the_policy_does_not_list_stays(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, listed: tuple[str, ...], left: set[str]
) -> None:
    site = hostile.hospital(tmp_path, replace(FREE, metrics=listed))
    for study in (CLEAR, SECURE):
        envelope = ask(
            monkeypatch,
            site,
            signed_question(study, "evaluate"),
            honest("evaluate", **TOLD["evaluate"], **{FEWEST: 12}),
        )
        reply = envelopes.read_reply(envelope)
        assert set(reply.values["metrics"]) == set(reply.values["intervals"]) == left


def calls(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func).rsplit(".", maxsplit=1)[-1]


def test_one_file_of_a_hospital_writes_answers() -> None:
    texts = {path: path.read_text("utf-8") for path in (HOUSE / "client").rglob("*.py")}
    names = {path: set(calls(path)) for path in texts}
    assert {path.name for path in names if "write_reply" in names[path]} == {"outbox.py"}
    assert {path.name for path in texts if "envelopes.write_refusal" in texts[path]} == {
        "outbox.py",
        "relay.py",
    }
    # Of questions, on their way in.
    assert {path.name for path in names if "Envelope" in names[path]} == {"fleet_api.py"}
    assert {path.name for path in names if "Reply" in names[path]} == {"worker.py", "outbox.py"}
    assert {path.name for path in texts if "outbox.release(" in texts[path]} == {"handler.py"}


def test_the_gateway_s_one_answer_has_nothing_of_the_hospital_in_it() -> None:
    tree = ast.parse((HOUSE / "client/gateway/relay.py").read_text("utf-8"))
    refusals = [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "envelopes.write_refusal"
    ]
    assert refusals == ["envelopes.write_refusal(site, sentence, {'step': 'gateway'})"]


def test_what_is_sent_comes_from_the_handler() -> None:
    for name in ("app.py", "worker/process.py"):
        tree = ast.parse((HOUSE / "client" / name).read_text("utf-8"))
        sources = [
            ast.unparse(node.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "envelope"
        ]
        assert len(sources) == 2, (name, sources)
        assert all(text.startswith(("handler.answer(", "handler.fault(")) for text in sources)
