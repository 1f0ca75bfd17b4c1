"""Studies on the coordinator's server.

What a submission leaves on disk, what it leaves when it fails, and what can be seen without a
server.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from common.errors import InputError, StudyError
from common.storage import files
from common.study import study as studies
from common.study import toml
from common.trust import certificates, study_signature
from common.trust.certificates import Credential
from server.commands import roster_signing, study_runs
from server.commands.provision import provision
from server.commands.study_runs import Submission
from server.host import site_registry
from server.host.server_home import ServerHome
from server.host.site_registry import Enrolment, Registry
from server.host.superlink_control import ControlError, RunState
from tests import small

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass
class Link:
    """A SuperLink's Control API from memory."""

    states: dict[int, RunState] = field(default_factory=dict)
    nodes: dict[int, str] = field(default_factory=dict)
    up: set[int] = field(default_factory=set)
    stopped: list[int] = field(default_factory=list)
    submitted: list[str] = field(default_factory=list)
    down: bool = False
    refuses: bool = False

    def __enter__(self) -> Link:
        return self

    def __exit__(self, *_: object) -> None: ...

    def runs(self) -> dict[int, RunState]:
        if self.down:
            raise ControlError("The server on this host does not answer.")
        return self.states

    def submit(self, run: str) -> int:
        if self.refuses:
            raise ControlError("The SuperLink refuses: full.")
        self.submitted.append(run)
        number = 70 + len(self.submitted)
        self.states[number] = RunState(number, "pending", "", "")
        return number

    def stop(self, run_id: int) -> bool:
        self.stopped.append(run_id)
        return True

    def online(self) -> set[int]:
        return self.up

    def names(self) -> dict[int, str]:
        return self.nodes


@dataclass(frozen=True)
class Coordinator(ServerHome):
    """A home whose SuperLink is :class:`Link`."""

    link: Link = field(default_factory=Link)

    def control(self) -> Any:
        return self.link


@pytest.fixture
def home(tmp_path: Path) -> Coordinator:
    (tmp_path / "c.toml").write_text(
        toml.dumps(
            {"name": "chest-4", "address": "localhost", "sites": ["north", "valley", "harbour"]}
        )
    )
    provision(tmp_path / "c.toml", tmp_path / "home", NOW)
    files.folder(tmp_path / "home" / "runs")
    small.study(tmp_path / "s.toml")
    return Coordinator(tmp_path / "home")


def study(home: Coordinator) -> Path:
    return home.path.parent / "s.toml"


def enrol(home: Coordinator, *names: str) -> None:
    registry = Registry(home.path)
    enrolled = Enrolment(NOW.isoformat(), "01", "", "", "", "", "")
    registered = registry.load()
    files.replace(
        home.path / "sites.json",
        site_registry.dumps(
            {**registered, **{n: replace(registered[n], enrolled=enrolled) for n in names}}
        ),
    )


def put(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text, "utf-8")


def test_a_submission_is_a_request_that_hospitals_can_verify(home: Coordinator) -> None:
    enrol(home, "north", "valley")
    name = study_runs.submit(home, Submission(study(home), rounds=7, seed=3, days=5), NOW)
    folder = home.runs / name
    assert name == "small-20260301-120000" and home.link.submitted == [name]
    request = json.loads((folder / "order.json").read_text())
    assert (request["study"], request["out"], request["engine"]) == (
        str(folder / "submitted.toml"),
        str(folder),
        "deployed",
    )
    assert (request["expected"], request["run"], request["roster"]) == (2, name, {})
    requested = studies.read(Path(request["study"]))
    assert (requested.federation.rounds, requested.seed) == (7, 3)
    certificate, ca = (home.path / "coordinator.crt").read_bytes(), home.authority.read_bytes()
    statement = study_signature.verify(
        request["seal"], certificate, ca, "chest-4", requested.digest, NOW + timedelta(days=4)
    )
    assert statement.run == name
    with pytest.raises(study_signature.SignatureError, match="expired on 2026-03-06"):
        study_signature.verify(
            request["seal"],
            certificate,
            ca,
            "chest-4",
            requested.digest,
            NOW + timedelta(days=5, seconds=1),
        )
    assert json.loads((folder / "run.json").read_text()) == {
        "run_id": 71,
        "submitted": "2026-03-01T12:00:00+00:00",
    }
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_a_masked_study_goes_with_the_signed_roster(home: Coordinator) -> None:
    small.study(study(home), secure_aggregation={"enabled": True})
    with pytest.raises(
        InputError, match=f"run: consilium server roster --home {home.path} --key KEY"
    ):
        study_runs.submit(home, Submission(study(home), "a"), NOW)
    assert home.link.submitted == [] and not (home.runs / "a").exists()
    ca = Credential((home.path / "ca.crt").read_bytes(), (home.path / "ca.key").read_bytes())
    identity = {
        n: certificates.signer(ca, n, NOW, 9).certificate.decode() for n in ("north", "valley")
    }
    registered = Registry(home.path).load()
    enrolled = {
        n: replace(registered[n], enrolled=Enrolment(NOW.isoformat(), "01", "", "", "", "", c))
        for n, c in identity.items()
    }
    files.replace(home.path / "sites.json", site_registry.dumps({**registered, **enrolled}))
    key = home.path / "offline" / "roster.key"
    roster_signing.sign(home, roster_signing.look(home, NOW, key), key, NOW)
    study_runs.submit(home, Submission(study(home), "a"), NOW)
    request = json.loads((home.runs / "a" / "order.json").read_text())
    assert request["roster"]["signed"]["roster"]["sites"] == identity
    enrol(home, "harbour")
    with pytest.raises(InputError, match="The signed roster lacks harbour"):
        study_runs.submit(home, Submission(study(home), "b"), NOW)
    small.study(study(home))
    study_runs.submit(home, Submission(study(home), "plain"), NOW)
    assert (
        json.loads((home.runs / "plain" / "order.json").read_text())["roster"] == request["roster"]
    )


def test_at_least_as_many_hospitals_are_expected_as_the_study_needs(home: Coordinator) -> None:
    small.study(study(home), federation={"min_sites": 3})
    enrol(home, "north")
    study_runs.submit(home, Submission(study(home), "a"), NOW)
    assert json.loads((home.runs / "a" / "order.json").read_text())["expected"] == 3


def test_a_name_that_is_taken(home: Coordinator) -> None:
    study_runs.submit(home, Submission(study(home), "lungs"), NOW)
    before = (home.runs / "lungs" / "order.json").read_bytes()
    with pytest.raises(
        InputError, match=r"cannot be called 'lungs': there is one; give another --name"
    ):
        study_runs.submit(home, Submission(study(home), "lungs", seed=9), NOW)
    assert (home.runs / "lungs" / "order.json").read_bytes() == before and home.link.submitted == [
        "lungs"
    ]


@pytest.mark.parametrize("name", ["../x", "a/b", "a b", ".", "-x", "x" * 200])
def test_a_name_that_is_no_name(home: Coordinator, name: str) -> None:
    with pytest.raises(InputError, match="cannot be called"):
        study_runs.submit(home, Submission(study(home), name), NOW)
    assert home.link.submitted == [] and list(home.runs.iterdir()) == []


def test_start_weights_go_along_under_their_name(home: Coordinator) -> None:
    (home.path.parent / "weights").mkdir()
    (home.path.parent / "weights" / "start.safetensors").write_bytes(b"weights")
    small.study(study(home), training={"pretrained": "weights/start.safetensors"})
    study_runs.submit(home, Submission(study(home), "a"), NOW)
    assert (home.runs / "a" / "weights" / "start.safetensors").read_bytes() == b"weights"


def test_start_weights_given_by_their_whole_path_stay_there(home: Coordinator) -> None:
    start = home.path.parent / "start.safetensors"
    start.write_bytes(b"weights")
    small.study(study(home), training={"pretrained": str(start)})
    study_runs.submit(home, Submission(study(home), "a"), NOW)
    assert start.read_bytes() == b"weights" and sorted(
        p.name for p in (home.runs / "a").iterdir()
    ) == [
        "order.json",
        "run.json",
        "submitted.toml",
    ]


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ("none.safetensors", "cannot be copied"),
        ("../home/sites.json", "leads out of the study's folder"),
    ],
)
def test_start_weights_that_cannot_go_along(home: Coordinator, weights: str, words: str) -> None:
    registry = (home.path / "sites.json").read_bytes()
    small.study(study(home), training={"pretrained": weights})
    with pytest.raises(StudyError, match=words):
        study_runs.submit(home, Submission(study(home), "a"), NOW)
    assert (
        list(home.runs.iterdir()) == []
        and home.link.submitted == []
        and (home.path / "sites.json").read_bytes() == registry
    )


@pytest.mark.parametrize("fault", ["down", "refuses"])
def test_nothing_is_left_when_the_superlink_does_not_take_it(home: Coordinator, fault: str) -> None:
    setattr(home.link, fault, True)
    with pytest.raises(ControlError):
        study_runs.submit(home, Submission(study(home), "a"), NOW)
    assert list(home.runs.iterdir()) == []


def test_status_without_a_server(home: Coordinator) -> None:
    study_runs.submit(home, Submission(study(home), "a"), NOW)
    enrol(home, "north")
    home.link.down = True
    overview = study_runs.status(home, NOW)
    assert (overview["consortium"], overview["server"]) == ("chest-4", "not running")
    assert overview["sites"]["north"] == {"state": "enrolled since 2026-03-01", "online": False}
    [run] = overview["runs"]
    assert (run["run"], run["run_id"], run["state"], run["round"], run["rounds"], run["loss"]) == (
        "a",
        71,
        "unknown",
        0,
        2,
        None,
    )
    json.dumps(overview)


def test_status_of_a_running_study(home: Coordinator) -> None:
    study_runs.submit(home, Submission(study(home), "a"), NOW)
    home.link.states[71] = RunState(71, "running", "", "")
    home.link.nodes, home.link.up = (
        {5: "north", 6: "stranger"},
        {5, 6, 7},
    )  # 7 was unregistered between two looks
    whole = json.dumps({"round": 1, "loss": {"north": 1.0, "valley": 2.0}, "refused": []})
    put(
        home.runs / "a", "rounds.jsonl", f'{{"round": 0}}\n{whole}\n{{"round": 2, "lo'
    )  # the next line is being written
    overview = study_runs.status(home, NOW)
    assert overview["server"] == "running" and [
        name for name, site in overview["sites"].items() if site["online"]
    ] == ["north"]
    [run] = overview["runs"]
    assert (run["state"], run["round"], run["loss"], run["report"]) == ("running", 1, 1.5, None)


@pytest.mark.parametrize(
    ("report", "shown"),
    [
        ({"status": "interrupted"}, "interrupted"),
        ({"status": "finished"}, "finished"),
        ({}, "finished"),
    ],
)
def test_status_of_an_ended_study_is_that_of_its_report(
    home: Coordinator, report: dict[str, str], shown: str
) -> None:
    study_runs.submit(home, Submission(study(home), "a"), NOW)
    put(home.runs / "a", "report.json", json.dumps(report))
    put(home.runs / "a", "report.html", "")
    [run] = study_runs.status(home, NOW)["runs"]
    assert run["state"] == shown and run["report"] == str(home.runs / "a" / "report.html")


def test_status_says_why_a_run_failed(home: Coordinator) -> None:
    study_runs.submit(home, Submission(study(home), "a"), NOW)
    home.link.states[71] = RunState(71, "finished", "failed", "InputError: 0 usable hospitals")
    [run] = study_runs.status(home, NOW)["runs"]
    assert (run["state"], run["details"]) == ("failed", "InputError: 0 usable hospitals")


def test_find_with_a_slip_of_the_pen(home: Coordinator) -> None:
    with pytest.raises(InputError, match="There is no run 'lungs'; runs: none"):
        study_runs.find(home, "lungs")
    study_runs.submit(home, Submission(study(home), "lungs-1"), NOW)
    assert study_runs.find(home, "lungs-1") == home.runs / "lungs-1"
    for wrong in ("lung-1", "../runs/lungs-1"):
        with pytest.raises(InputError, match=r"did you mean 'lungs-1'\?"):
            study_runs.find(home, wrong)


def test_a_run_that_waits_is_stopped_at_the_superlink(home: Coordinator) -> None:
    study_runs.submit(home, Submission(study(home), "a"), NOW)
    study_runs.stop(home, "a")
    assert home.link.stopped == [71]


def test_a_run_that_works_is_told_to_stop_and_one_whose_process_died_is_stopped(
    home: Coordinator,
) -> None:
    study_runs.submit(home, Submission(study(home), "a"), NOW)
    home.link.states[71] = RunState(71, "running", "", "")
    with subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"]) as process:
        put(home.runs / "a", "pid", f"{process.pid}\n")
        study_runs.stop(home, "a")
        assert process.wait() == -15 and home.link.stopped == []
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)
    study_runs.stop(home, "a")
    assert home.link.stopped == [71]


@pytest.mark.parametrize("states", [{}, {71: RunState(71, "finished", "completed", "")}])
def test_a_run_that_has_ended_is_not_stopped(
    home: Coordinator, states: dict[int, RunState]
) -> None:
    study_runs.submit(home, Submission(study(home), "a"), NOW)
    put(home.runs / "a", "pid", f"{os.getpid()}\n")
    home.link.states = states
    with pytest.raises(InputError, match="The run 'a' has ended already"):
        study_runs.stop(home, "a")
    assert home.link.stopped == []
