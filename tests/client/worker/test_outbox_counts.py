"""The last door: no number over few patients, none that the policy keeps, in clear or in a sum; and nobody else writes letters."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from client.policy.policy import Policy
from client.site import Site
from client.worker import release_rules
from client.worker import worker as workers
from common.protocol import envelopes, sum_specs
from tests.client import hostile
from tests.client.hostile import FREE, MODEL, LyingNumber, ask, honest, question, refused, study

HOUSE = Path(__file__).resolve().parents[3]


CLEAR, SECURE = study(hostile.PLAIN), study()
STRICT = Policy(approval=False, floor=0)
FEWEST = release_rules.FEWEST


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return hostile.hospital(tmp_path / "state")


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
    reply = envelopes.read_reply(ask(monkeypatch, site, question(SECURE, kind), says))
    assert not reply.fault and FEWEST not in reply.values
    assert set(reply.values) - {"head"} == (
        set(TOLD[kind]) if leaves else {"counts", "metrics"} if kind == "join" else set()
    )
    letter = ask(
        monkeypatch,
        site,
        question(CLEAR, kind),
        replace(says, delta=MODEL if kind == "train" else None),
    )
    if leaves:
        assert set(envelopes.read_reply(letter).values) - {"head"} == set(TOLD[kind])
    else:
        refused(site, letter, "policy", f"fewer than {floor} patients")
        assert letter.vector is None


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
        ask(monkeypatch, site, question(SECURE, kind), honest(kind, **values))
    )
    assert not set(TOLD[kind]) & set(reply.values)
    letter = ask(
        monkeypatch,
        site,
        question(CLEAR, kind),
        replace(honest(kind, **values), delta=MODEL if kind == "train" else None),
    )
    assert letter.vector is None and not set(TOLD[kind]) & set(envelopes.read_reply(letter).values)


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
    letter = ask(
        monkeypatch,
        site,
        question(SECURE, "evaluate"),
        honest("evaluate", **TOLD["evaluate"], **{FEWEST: 12}),
    )
    assert (
        set(envelopes.read_reply(letter).values) == left == set(hostile.journal(site)[-1]["left"])
    )


@pytest.mark.parametrize(
    ("listed", "left"), [((), {"dice"}), (("dice",), {"dice"}), (("iou",), set())]
)
def test_a_metric_that_the_policy_does_not_list_stays(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, listed: tuple[str, ...], left: set[str]
) -> None:
    site = hostile.hospital(tmp_path, replace(FREE, metrics=listed))
    for about in (CLEAR, SECURE):
        letter = ask(
            monkeypatch,
            site,
            question(about, "evaluate"),
            honest("evaluate", **TOLD["evaluate"], **{FEWEST: 12}),
        )
        reply = envelopes.read_reply(letter)
        assert set(reply.values["metrics"]) == set(reply.values["intervals"]) == left


def test_a_metric_that_the_policy_does_not_list_is_nothing_in_a_sum() -> None:
    found = {"dice": 0.5, "iou": 0.25, "hd95": None, "nan": math.nan}
    everything = workers._lanes(found, ())
    assert (
        everything["dice"] == 0.5
        and everything["iou"] == 0.25
        and everything["hd95"] == everything["nan"] == 0.0
    )
    chosen = workers._lanes(found, ("dice",))
    assert chosen["dice"] == 0.5 and chosen["iou"] == 0.0
    assert {name for name, value in chosen.items() if value} == {"dice", sum_specs.defined("dice")}


def calls(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func).rsplit(".", maxsplit=1)[-1]


def test_one_file_of_a_hospital_writes_letters() -> None:
    files = {path: set(calls(path)) for path in (HOUSE / "client").rglob("*.py")}
    assert {path.name for path, found in files.items() if "write_reply" in found} == {"outbox.py"}
    assert {
        path.name for path, found in files.items() if "envelopes.refusal" in path.read_text("utf-8")
    } == {"outbox.py", "relay.py"}
    gateway = [
        node
        for node in ast.walk(ast.parse((HOUSE / "client/gateway/relay.py").read_text("utf-8")))
        if isinstance(node, ast.Call)
    ]
    said = [ast.unparse(node) for node in gateway if ast.unparse(node.func) == "envelopes.refusal"]
    assert said == [
        "envelopes.refusal(site, sentence, {'step': 'gateway'})"
    ]  # it has no data: a code that its worker does not answer
    envelopes = {path.name for path, found in files.items() if "Envelope" in found}
    assert envelopes == {"fleet_api.py"}  # of questions, on their way in
    assert {path.name for path, found in files.items() if "Reply" in found} == {
        "worker.py",
        "outbox.py",
    }
    assert {
        path.name
        for path, found in files.items()
        if "release" in found and "outbox.release" in path.read_text()
    } == {"handler.py"}


def test_what_is_sent_comes_from_the_desk() -> None:
    for name in ("app.py", "worker/process.py"):
        tree = ast.parse((HOUSE / "client" / name).read_text("utf-8"))
        given_to = [
            ast.unparse(node.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "letter"
        ]
        assert len(given_to) == 2 and all(
            text.startswith(("handler.answer(", "handler.fault(")) for text in given_to
        ), (name, given_to)
