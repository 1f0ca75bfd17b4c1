"""The button: what is pressed is in the audit log, and stopping goes before writing."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from client.audit import log as audit_log
from client.policy import stop as stops
from client.view import button
from common.errors import InputError

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def events(state: Path) -> list[str]:
    lines = (state / audit_log.NAME).read_text().splitlines()
    return [json.loads(line)["event"] for line in lines]


def test_stop_and_resume_are_noted(tmp_path: Path) -> None:
    stopped = button.stop(tmp_path, "service", NOW, pytest.fail)
    assert stops.read(tmp_path) == stopped and stopped.reason == "service"
    assert button.resume(tmp_path) == stopped
    assert stops.read(tmp_path) is None
    assert events(tmp_path) == ["stopped", "resumed"]


def test_what_is_not_stopped_is_not_resumed(tmp_path: Path) -> None:
    assert button.resume(tmp_path) is None
    assert not (tmp_path / audit_log.NAME).exists()


def test_it_stops_even_if_the_log_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / audit_log.NAME).mkdir()
    notes: list[str] = []
    button.stop(tmp_path, "", NOW, notes.append)
    assert stops.read(tmp_path) is not None
    assert len(notes) == 1 and notes[0].startswith("stopped, but the journal could not be written")
    with pytest.raises(InputError, match="stays stopped"):
        button.resume(tmp_path)
    assert stops.read(tmp_path) is not None
