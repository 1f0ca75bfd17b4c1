"""The coordinator's commands: what they print, on which stream, and with which code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from common.cli import main
from common.study import toml
from server.commands import server_commands, study_runs
from server.commands.study_runs import Submission

RUN = {
    "run": "lungs-1",
    "run_id": 71,
    "state": "finished",
    "details": "",
    "round": 2,
    "rounds": 2,
    "loss": 0.25,
    "refused": [{"site": "valley", "reason": "Full."}],
    "report": None,
}
OVERVIEW = {
    "consortium": "chest-4",
    "server": "running",
    "sites": {
        "north": {"state": "enrolled since 2026-03-01", "online": True},
        "valley": {"state": "token good until 2026-03-15", "online": False},
    },
    "runs": [RUN],
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    table = {"name": "chest-4", "address": "localhost", "sites": ["north"]}
    (tmp_path / "c.toml").write_text(toml.dumps(table))
    code = main.main(["provision", str(tmp_path / "c.toml"), "--out", str(tmp_path / "home")])
    assert code == 0
    return tmp_path / "home"


def run(home: Path, *words: str) -> int:
    return main.main(["server", *words, "--home", str(home)])


def test_provision_says_what_was_made_and_what_to_do_next(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    consortium = str(home / "consortium.toml")
    assert main.main(["provision", consortium, "--out", str(home), "--renew", "north"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"Kit of north: {home / 'kits' / 'north'}; ")
    assert f"Next: consilium server start --home {home}" in lines


@pytest.mark.parametrize("as_json", [False, True])
def test_a_submission_prints_the_name_of_its_run(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    as_json: bool,
) -> None:
    capsys.readouterr()
    submissions: list[Submission] = []

    def submit(home: object, submission: Submission, now: object) -> str:
        submissions.append(submission)
        return "lungs-1"

    monkeypatch.setattr(study_runs, "submit", submit)
    words = ["submit", "s.toml", "--name", "n", "--rounds", "7", "--seed", "3", "--days", "5"]
    assert run(home, *words, *(["--json"] if as_json else [])) == 0
    assert submissions == [Submission(Path("s.toml"), "n", 7, 3, 5)]
    out = capsys.readouterr().out
    if as_json:
        assert json.loads(out) == {"run": "lungs-1"}
    else:
        assert out == (
            f"lungs-1 is queued; follow it with: consilium server status --home {home} --watch\n"
        )


def test_status_is_a_line_for_each_hospital_and_run(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    monkeypatch.setattr(study_runs, "status", lambda home, now: OVERVIEW)
    assert run(home, "status") == 0
    assert capsys.readouterr().out.splitlines() == [
        "chest-4: server running",
        "  north   connected, enrolled since 2026-03-01",
        "  valley  not connected, token good until 2026-03-15",
        "  lungs-1: finished, round 2/2, loss 0.2500, refused valley: Full.",
    ]
    assert run(home, "status", "--json") == 0
    assert json.loads(capsys.readouterr().out) == OVERVIEW


def test_a_watched_status_comes_again_until_no_run_is_left(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    states = iter(["pending", "running", "finished"])
    pauses: list[float] = []

    def status(home: object, now: object) -> dict[str, Any]:
        return {**OVERVIEW, "runs": [{**RUN, "state": next(states)}]}

    monkeypatch.setattr(study_runs, "status", status)
    monkeypatch.setattr(server_commands.time, "sleep", pauses.append)
    assert run(home, "status", "--watch", "--every", "9") == 0
    assert pauses == [9, 9] and next(states, None) is None


def test_a_report_that_is_not_there_yet_is_one_sentence(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    folder = home / "runs" / "lungs-1"
    folder.mkdir(parents=True)
    monkeypatch.setattr(study_runs, "find", lambda home, name: folder)
    assert run(home, "report", "lungs-1") == 2
    out, err = capsys.readouterr()
    assert out == "" and "The run 'lungs-1' has no report yet" in err
    (folder / "report.html").touch()
    assert run(home, "report", "lungs-1") == 0
    assert capsys.readouterr().out == f"{folder / 'report.html'}\n"


def test_a_stopped_run_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    stopped: list[str] = []
    monkeypatch.setattr(study_runs, "stop", lambda home, name: stopped.append(name))
    assert run(home, "stop", "lungs-1") == 0
    assert stopped == ["lungs-1"]
    assert capsys.readouterr().out.startswith("lungs-1 stops; ")
