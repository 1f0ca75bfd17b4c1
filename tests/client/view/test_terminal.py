"""The status as lines for a terminal."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from client.view import terminal
from client.view.status import Status, TodaysUse, Viewer
from tests.client.view import scene


def look(hospital: Any) -> Status:
    return Viewer(hospital).look(datetime.now(UTC))


def test_a_hostile_name_reaches_no_terminal(tmp_path: Path) -> None:
    hospital = scene.busy(tmp_path / "home")
    scene.refuse(hospital, study=scene.HOSTILE, run="\x1b]0;x\x07", fault="a\nb\u2066", id="\x9b2J")
    text = "\n".join(terminal.lines(look(hospital)))
    assert not {"\x1b", "\x07", "\x9b", "\u202e", "\u2066"} & set(text)
    assert "a\ufffdb\ufffd" in text


def test_what_is_unknown_is_said_so() -> None:
    spent = TodaysUse(
        day="2026-01-01",
        rounds=None,
        rounds_allowed=None,
        sent=None,
        sent_allowed=None,
        received=None,
        left={},
    )
    assert terminal.today(spent) == ("an unknown number of rounds, unknown left, unknown came in")
    full = replace(spent, rounds=1, rounds_allowed=40, sent=2_000_000, sent_allowed=5e6)
    assert terminal.today(full).startswith("1 round of 40, ")


def test_lists_end_after_ten(tmp_path: Path) -> None:
    hospital = scene.home(tmp_path / "home")
    for number in range(12):
        scene.refuse(hospital, study=f"study{number}", run=f"run{number}", fault="No.")
    text = "\n".join(terminal.lines(look(hospital)))
    assert "refused: 12" in text and "runs: 12" in text
    assert "study11" in text and "study1 " not in text
