"""A hospital at one moment; what is missing or damaged is unknown and said so."""

from __future__ import annotations

import hashlib
import json
import re
import socket
import tempfile
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from client.audit import log as audit_log
from client.policy import stop
from client.policy.policy import OPEN, Policy
from client.view import processes, status, terminal
from client.view.processes import GONE, RUNNING, UNKNOWN, Process
from client.view.status import DOWN, STOPPED, WAITING, Status, Viewer
from client.worker import handler
from client.worker import worker as workers
from common.cli import console, main
from tests.client.view import scene
from tests.client.worker import test_handler


def look(made: Any) -> Status:
    return Viewer(made).look(datetime.now(UTC))


@pytest.fixture
def alive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Worker and gateway as if they ran."""
    both = (Process("worker", RUNNING, 11), Process("gateway", RUNNING, 12))
    monkeypatch.setattr(processes, "look", lambda home: both)


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose path is short enough for a socket's."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder)


@pytest.mark.usefixtures("alive")
def test_in_the_middle_of_a_study(tmp_path: Path) -> None:
    found = look(scene.busy(tmp_path / "home", Policy(rounds_per_day=40, megabytes_per_day=50.0)))
    assert (found.site, found.consortium, found.state, found.problems) == (
        "north",
        "chest-4",
        status.OPEN,
        (),
    )
    assert [run.run for run in found.runs] == ["run-7", "run-8"]
    assert (found.runs[0].round, found.runs[0].rounds) == (4, 20)
    spent = found.spent
    assert (spent.rounds, spent.rounds_allowed, spent.sent, spent.sent_allowed, spent.received) == (
        3,
        40,
        7_510_100,
        50e6,
        9_603_000,
    )
    assert spent.left["weight changes, masked"] == 3 and spent.left["refusals"] == 1
    assert [(w.study, w.state, w.by) for w in found.words] == [
        ("retina", "waits", ""),
        ("lungs", "approved", "Dr. A. Rivers"),
    ]
    assert [(rule.name, rule.value) for rule in found.rules if rule.own] == [
        ("rounds_per_day", "40"),
        ("megabytes_per_day", "50.0"),
    ]
    assert found.busy and found.stopped is None and found.entries == 14 and found.last == found.busy
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["runs"][1]["study"] == "retina"


def test_a_hospital_that_nobody_asked_yet(tmp_path: Path) -> None:
    found = look(scene.home(tmp_path / "home"))
    assert (found.state, found.runs, found.refusals, found.words, found.problems) == (
        DOWN,
        (),
        (),
        (),
        (),
    )
    assert (
        found.spent.rounds,
        found.spent.sent,
        found.spent.received,
        found.spent.left,
        found.busy,
    ) == (0, 0, None, {}, "")


@pytest.mark.usefixtures("alive")
def test_stopped_goes_before_all(tmp_path: Path) -> None:
    made = scene.home(tmp_path / "home")
    stop.stop(made.state, "ann", "service", datetime.now(UTC))
    found = look(made)
    assert found.state == STOPPED and found.stopped is not None and found.stopped.by == "ann"


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
    made = scene.busy(tmp_path / "home")
    (made.path / name).write_bytes(b"\xff{[\n")
    found = look(made)
    assert any(words in problem for problem in found.problems), found.problems
    assert len(found.problems) == 2 if name.endswith("approvals.json") else len(found.problems) == 1
    assert (not found.runs) == ("journal" in name)
    assert list(terminal.lines(found))


@pytest.mark.usefixtures("alive")
@pytest.mark.parametrize("name", DAMAGE)
def test_what_cannot_be_opened_is_unknown(tmp_path: Path, name: str) -> None:
    made = scene.busy(tmp_path / "home")
    (made.path / name).unlink(missing_ok=True)
    (made.path / name).mkdir()
    found = look(made)
    assert found.problems
    if name.endswith("budget.json"):
        assert found.spent.sent is None and "unknown left" in terminal.today(found.spent)


@pytest.mark.usefixtures("alive")
def test_rules_that_the_worker_has_not_read(tmp_path: Path) -> None:
    made = scene.home(tmp_path / "home")
    audit_log.note(
        made.state, event="policy", digest=hashlib.sha256(made.policy_toml.read_bytes()).hexdigest()
    )
    assert look(made).problems == ()
    made.policy_toml.write_text(Policy(min_cohort=5).to_toml())
    assert "restart the worker" in look(made).problems[0]


def test_what_people_and_other_hospitals_did(tmp_path: Path) -> None:
    made = scene.home(tmp_path / "home")
    audit_log.note(
        made.state,
        event="approved",
        study="lungs",
        digest="ab",
        by="Dr. A. Rivers",
        until="2027-01-01",
        user="ann",
    )
    audit_log.note(made.state, event="heads", run="run-1", heads={"south": [3, "ff"]})
    audit_log.note(
        made.state,
        event="history rewritten",
        run="run-1",
        site="south",
        reason="two heads over 3 entries",
    )
    found = look(made)
    assert [(event.event, event.alarm) for event in found.events] == [
        ("history rewritten", True),
        ("approved", False),
    ]
    assert found.events[1].about == "study lungs, by Dr. A. Rivers, user ann, until 2027-01-01"
    [problem] = found.problems
    assert problem.endswith("history rewritten: site south, reason two heads over 3 entries")
    assert found.runs == () and found.entries == 3


def test_lines_as_the_desk_writes_them(tmp_path: Path) -> None:
    """Two real peers: what the desk notes, the view understands."""
    workers.forget()
    from client.site import Site
    from client.virtual_site import NoIdentity
    from tests import small

    made = scene.home(tmp_path / "home")
    kind = {"identity": NoIdentity(), "trust": test_handler.TRUST}
    site = Site(
        "north", (small.hospital(tmp_path / "data", 8),), made.state, "cpu", policy=OPEN, **kind
    )
    letters = [
        handler.answer(site, test_handler.question(seal)) for seal in (test_handler.sealed(), None)
    ]
    found = look(made)
    assert (
        found.runs[1].answered == 1
        and found.runs[1].sent == letters[0].size
        and found.runs[1].study == "small"
    )
    assert {"counts in clear", "readiness"} <= found.runs[1].left.keys()
    assert not any(kind.startswith("other") for run in found.runs for kind in run.left)
    assert (
        found.refusals[0].reason.startswith("The study is not signed")
        and len(found.refusals[0].id) == 8
    )
    assert found.refusals[0].id in (made.state / "site.log").read_text()


def test_a_hostile_name_reaches_no_terminal(tmp_path: Path) -> None:
    made = scene.busy(tmp_path / "home")
    scene.refuse(made, study=scene.HOSTILE, run="\x1b]0;x\x07", fault="a\nb\u2066", id="\x9b2J")
    text = "\n".join(terminal.lines(look(made)))
    assert not {"\x1b", "\x07", "\x9b", "\u202e", "\u2066"} & set(text)
    assert "a\ufffdb\ufffd" in text


def test_processes_by_socket_and_command(short: Path) -> None:
    made, proc = scene.home(short / "home"), short / "proc"
    scene.process(proc, 1, "init")
    words = ("python", "-c", "x", "site", "start", "--home", made.path, "--only")
    assert [p.state for p in processes.look(made, proc)] == [GONE, GONE]
    scene.process(proc, 21, *words, "gateway")
    scene.process(proc, 22, *words, "worker")
    scene.process(
        proc, 23, "python", "site", "start", "--home", short / "another", "--only", "worker"
    )
    scene.process(proc, 24, "site", "start", "--home", made.path)
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(made.socket))
        assert processes.look(made, proc)[0] == Process("worker", GONE, 22)
        door.listen()
        assert processes.look(made, proc) == (
            Process("worker", RUNNING, 22),
            Process("gateway", RUNNING, 21),
        )


def test_a_worker_in_another_container(short: Path) -> None:
    """The socket answers and no process is seen: the gateway is unknown as well."""
    made = scene.home(short / "home")
    scene.process(short / "proc", 1, "init")
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(made.socket))
        door.listen()
        assert [p.state for p in processes.look(made, short / "proc")] == [RUNNING, UNKNOWN]


def test_where_others_processes_are_hidden(short: Path) -> None:
    """proc(5), hidepid: the worker's user does not see whether the gateway's has a process."""
    made, proc = scene.home(short / "home"), short / "proc"
    scene.process(proc, 22, "consilium", "site", "start", f"--home={made.path}", "--only=worker")
    assert processes.look(made, proc)[1].state == UNKNOWN
    scene.process(proc, 1, "init")
    assert processes.look(made, proc)[1].state == GONE


def consilium(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = main.main([str(word) for word in words])
    return code, *capsys.readouterr()


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = scene.busy(tmp_path / "home")
    code, out, _ = consilium(capsys, "site", "status", "--home", made.path)
    assert (
        code == 0
        and out.startswith("north, consortium chest-4: not running\n")
        and "round 4 of 20" in out
    )
    code, out, _ = consilium(
        capsys, "site", "stop", "--home", made.path, "--reason", "service", "--json"
    )
    assert code == 0 and json.loads(out)["stopped"]["reason"] == "service"
    code, out, _ = consilium(capsys, "site", "status", "--home", made.path, "--json")
    assert code == 0 and (json.loads(out)["state"], json.loads(out)["stopped"]["reason"]) == (
        "stopped",
        "service",
    )
    code, out, _ = consilium(capsys, "site", "resume", "--home", made.path)
    assert code == 0 and out.startswith("resumed; it was stopped at ")
    code, out, _ = consilium(capsys, "site", "resume", "--home", made.path, "--json")
    assert code == 0 and json.loads(out) == {"stopped": None, "ended": None}
    assert [line["event"] for line in scene.lines(made) if "user" in line] == ["stopped", "resumed"]


def test_the_page_is_this_machines_unless_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = threading.Event()
    ended.set()
    monkeypatch.setattr(console, "stop_event", lambda: ended)
    made = scene.home(tmp_path / "home")
    code, out, said = consilium(capsys, "site", "view", "--home", made.path, "--port", 0)
    assert (
        code == 0
        and re.fullmatch(r"http://127\.0\.0\.1:\d+/\?key=\S{43}\n", out)
        and "warning" not in said
    )
    code, out, said = consilium(
        capsys, "site", "view", "--home", made.path, "--port", 0, "--host", "0.0.0.0"
    )
    assert (
        code == 0
        and out.startswith("http://0.0.0.0:")
        and said.startswith("warning: 0.0.0.0 is not this machine alone")
    )
    code, out, _ = consilium(capsys, "site", "status", "--home", made.path, "--watch", "--json")
    assert code == 0 and out.count("\n") == 1


def test_the_commands_refuse_what_is_no_hospital(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("status", "view", "stop", "resume"):
        code, out, said = consilium(capsys, "site", name, "--home", tmp_path / "away")
        assert (code, out) == (2, "") and "is not a folder" in said
