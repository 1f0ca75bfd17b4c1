"""The commands with which the hospital's people see it and stop it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from client.home import SiteHome
from client.policy import stop as stops
from common.cli import main
from tests.client.isolation.test_preflight import hospital


@pytest.fixture
def home(tmp_path: Path) -> SiteHome:
    return hospital(tmp_path / "home")


def typed(capsys: pytest.CaptureFixture[str], home: SiteHome, words: str) -> str:
    """What a command prints that succeeds."""
    assert main.main(["site", *words.split(), "--home", str(home.path)]) == 0
    return capsys.readouterr().out


def test_stopped_until_it_is_resumed(home: SiteHome, capsys: pytest.CaptureFixture[str]) -> None:
    assert "nothing is answered until consilium site resume" in typed(
        capsys, home, "stop --reason maintenance"
    )
    stopped = stops.read(home.state)
    assert stopped is not None and stopped.reason == "maintenance"
    assert typed(capsys, home, "resume").startswith("resumed; it was stopped at ")
    assert stops.read(home.state) is None


def test_a_resume_that_ends_nothing_says_so(
    home: SiteHome, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(capsys, home, "resume") == "this hospital was not stopped\n"
    assert json.loads(typed(capsys, home, "resume --json")) == {"stopped": None, "ended": None}


def test_status_once_as_text_and_as_json(
    home: SiteHome, capsys: pytest.CaptureFixture[str]
) -> None:
    typed(capsys, home, "stop --json")
    assert "north" in typed(capsys, home, "status")
    status = typed(capsys, home, "status --json")
    assert status.count("\n") == 1 and json.loads(status)["stopped"]
