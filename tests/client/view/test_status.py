"""A hospital at one moment; what is missing or damaged is unknown and said so."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from client.audit import log as audit_log
from client.policy import stop
from client.policy.policy import OPEN, Policy
from client.view import processes, status, terminal
from client.view.processes import RUNNING, Process
from client.view.status import DOWN, STOPPED, WAITING, Status, Viewer
from client.worker import handler
from client.worker import worker as workers
from common.cli import console, main
from tests.client.view import scene
from tests.client.worker import test_handler


def look(hospital: Any) -> Status:
    return Viewer(hospital).look(datetime.now(UTC))


@pytest.fixture
def alive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Worker and gateway as if they ran."""
    both = (Process("worker", RUNNING, 11), Process("gateway", RUNNING, 12))
    monkeypatch.setattr(processes, "look", lambda home: both)


@pytest.mark.usefixtures("alive")
def test_in_the_middle_of_a_study(tmp_path: Path) -> None:
    snapshot = look(
        scene.busy(tmp_path / "home", Policy(rounds_per_day=40, megabytes_per_day=50.0))
    )
    assert (snapshot.site, snapshot.consortium, snapshot.state, snapshot.problems) == (
        "north",
        "chest-4",
        status.OPEN,
        (),
    )
    assert [run.run for run in snapshot.runs] == ["run-7", "run-8"]
    assert (snapshot.runs[0].round, snapshot.runs[0].rounds) == (4, 20)
    spent = snapshot.spent
    assert (spent.rounds, spent.rounds_allowed, spent.sent, spent.sent_allowed, spent.received) == (
        3,
        40,
        7_510_100,
        50e6,
        9_603_000,
    )
    assert spent.left["weight changes, masked"] == 3 and spent.left["refusals"] == 1
    assert [(w.study, w.state, w.by) for w in snapshot.words] == [
        ("retina", "waits", ""),
        ("lungs", "approved", "Dr. A. Rivers"),
    ]
    assert [(rule.name, rule.value) for rule in snapshot.rules if rule.own] == [
        ("rounds_per_day", "40"),
        ("megabytes_per_day", "50.0"),
    ]
    assert (
        snapshot.busy
        and snapshot.stopped is None
        and snapshot.entries == 14
        and snapshot.last == snapshot.busy
    )
    assert (
        json.loads(json.dumps(snapshot.to_json(), allow_nan=False))["runs"][1]["study"] == "retina"
    )


def test_a_hospital_that_nobody_asked_yet(tmp_path: Path) -> None:
    snapshot = look(scene.home(tmp_path / "home"))
    assert (
        snapshot.state,
        snapshot.runs,
        snapshot.refusals,
        snapshot.words,
        snapshot.problems,
    ) == (
        DOWN,
        (),
        (),
        (),
        (),
    )
    assert (
        snapshot.spent.rounds,
        snapshot.spent.sent,
        snapshot.spent.received,
        snapshot.spent.left,
        snapshot.busy,
    ) == (0, 0, None, {}, "")


@pytest.mark.usefixtures("alive")
def test_stopped_goes_before_all(tmp_path: Path) -> None:
    hospital = scene.home(tmp_path / "home")
    stop.stop(hospital.state, "ann", "service", datetime.now(UTC))
    snapshot = look(hospital)
    assert (
        snapshot.state == STOPPED and snapshot.stopped is not None and snapshot.stopped.by == "ann"
    )


@pytest.mark.usefixtures("alive")
def test_outside_its_hours(tmp_path: Path) -> None:
    here = datetime.now(UTC).astimezone()
    hours = f"{here + timedelta(hours=2):%H:00}-{here + timedelta(hours=3):%H:00}"
    assert look(scene.home(tmp_path / "home", Policy(hours=(hours,)))).state == WAITING


DAMAGE = {
    "site.toml": "Site file",
    "policy.toml": "Policy file",
    "worker/state/approvals.json": "list of approved studies",
    "worker/state/budget.json": "record of what left",
    "worker/state/journal.jsonl": "1 lines of the journal",
}


@pytest.mark.usefixtures("alive")
@pytest.mark.parametrize(("name", "words"), DAMAGE.items())
def test_a_damaged_file_is_said_and_nothing_else_is_lost(
    tmp_path: Path, name: str, words: str
) -> None:
    hospital = scene.busy(tmp_path / "home")
    (hospital.path / name).write_bytes(b"\xff{[\n")
    snapshot = look(hospital)
    assert any(words in problem for problem in snapshot.problems), snapshot.problems
    assert (
        len(snapshot.problems) == 2
        if name.endswith("approvals.json")
        else len(snapshot.problems) == 1
    )
    assert (not snapshot.runs) == ("journal" in name)
    assert list(terminal.lines(snapshot))


@pytest.mark.usefixtures("alive")
@pytest.mark.parametrize("name", DAMAGE)
def test_what_cannot_be_opened_is_unknown(tmp_path: Path, name: str) -> None:
    hospital = scene.busy(tmp_path / "home")
    (hospital.path / name).unlink(missing_ok=True)
    (hospital.path / name).mkdir()
    snapshot = look(hospital)
    assert snapshot.problems
    if name.endswith("budget.json"):
        assert snapshot.spent.sent is None and "unknown left" in terminal.today(snapshot.spent)


@pytest.mark.usefixtures("alive")
def test_rules_that_the_worker_has_not_read(tmp_path: Path) -> None:
    hospital = scene.home(tmp_path / "home")
    audit_log.note(
        hospital.state,
        event="policy",
        digest=hashlib.sha256(hospital.policy_toml.read_bytes()).hexdigest(),
    )
    assert look(hospital).problems == ()
    hospital.policy_toml.write_text(Policy(min_cohort=5).to_toml())
    assert "restart the worker" in look(hospital).problems[0]


def test_what_people_and_other_hospitals_did(tmp_path: Path) -> None:
    hospital = scene.home(tmp_path / "home")
    audit_log.note(
        hospital.state,
        event="approved",
        study="lungs",
        digest="ab",
        by="Dr. A. Rivers",
        until="2027-01-01",
        user="ann",
    )
    audit_log.note(hospital.state, event="heads", run="run-1", heads={"south": [3, "ff"]})
    audit_log.note(
        hospital.state,
        event="history rewritten",
        run="run-1",
        site="south",
        reason="two heads over 3 entries",
    )
    snapshot = look(hospital)
    assert [(event.event, event.alarm) for event in snapshot.events] == [
        ("history rewritten", True),
        ("approved", False),
    ]
    assert snapshot.events[1].about == "study lungs, by Dr. A. Rivers, user ann, until 2027-01-01"
    [problem] = snapshot.problems
    assert problem.endswith("history rewritten: site south, reason two heads over 3 entries")
    assert snapshot.runs == () and snapshot.entries == 3


def test_lines_as_the_desk_writes_them(tmp_path: Path) -> None:
    """Two real peers: what the desk notes, the view understands."""
    workers.forget()
    from client.site import Site
    from client.virtual_site import NoIdentity
    from tests import small

    hospital = scene.home(tmp_path / "home")
    kind = {"identity": NoIdentity(), "trust": test_handler.TRUST}
    site = Site(
        "north", (small.hospital(tmp_path / "data", 8),), hospital.state, "cpu", policy=OPEN, **kind
    )
    envelopes = [
        handler.answer(site, test_handler.question_envelope(seal))
        for seal in (test_handler.sealed(), None)
    ]
    snapshot = look(hospital)
    assert (
        snapshot.runs[1].answered == 1
        and snapshot.runs[1].sent == envelopes[0].size
        and snapshot.runs[1].study == "small"
    )
    assert {"counts in clear", "readiness"} <= snapshot.runs[1].left.keys()
    assert not any(kind.startswith("other") for run in snapshot.runs for kind in run.left)
    assert (
        snapshot.refusals[0].reason.startswith("The study is not signed")
        and len(snapshot.refusals[0].id) == 8
    )
    assert snapshot.refusals[0].id in (hospital.state / "site.log").read_text()


def consilium(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = main.main([str(word) for word in words])
    return code, *capsys.readouterr()


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hospital = scene.busy(tmp_path / "home")
    code, out, _ = consilium(capsys, "site", "status", "--home", hospital.path)
    assert (
        code == 0
        and out.startswith("north, consortium chest-4: not running\n")
        and "round 4 of 20" in out
    )
    code, out, _ = consilium(
        capsys, "site", "stop", "--home", hospital.path, "--reason", "service", "--json"
    )
    assert code == 0 and json.loads(out)["stopped"]["reason"] == "service"
    code, out, _ = consilium(capsys, "site", "status", "--home", hospital.path, "--json")
    assert code == 0 and (json.loads(out)["state"], json.loads(out)["stopped"]["reason"]) == (
        "stopped",
        "service",
    )
    code, out, _ = consilium(capsys, "site", "resume", "--home", hospital.path)
    assert code == 0 and out.startswith("resumed; it was stopped at ")
    code, out, _ = consilium(capsys, "site", "resume", "--home", hospital.path, "--json")
    assert code == 0 and json.loads(out) == {"stopped": None, "ended": None}
    assert [line["event"] for line in scene.lines(hospital) if "user" in line] == [
        "stopped",
        "resumed",
    ]


def test_the_page_is_this_machines_unless_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = threading.Event()
    ended.set()
    monkeypatch.setattr(console, "stop_event", lambda: ended)
    hospital = scene.home(tmp_path / "home")
    code, out, errors = consilium(capsys, "site", "view", "--home", hospital.path, "--port", 0)
    assert (
        code == 0
        and re.fullmatch(r"http://127\.0\.0\.1:\d+/\?key=\S{43}\n", out)
        and "warning" not in errors
    )
    code, out, errors = consilium(
        capsys, "site", "view", "--home", hospital.path, "--port", 0, "--host", "0.0.0.0"
    )
    assert (
        code == 0
        and out.startswith("http://0.0.0.0:")
        and errors.startswith("warning: 0.0.0.0 is not this machine alone")
    )
    code, out, _ = consilium(capsys, "site", "status", "--home", hospital.path, "--watch", "--json")
    assert code == 0 and out.count("\n") == 1


def test_the_commands_refuse_what_is_no_hospital(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("status", "view", "stop", "resume"):
        code, out, errors = consilium(capsys, "site", name, "--home", tmp_path / "away")
        assert (code, out) == (2, "") and "is not a folder" in errors
