"""The hospital's own stop: only that it is certainly not there lets a question through."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from client.policy import stop
from client.policy.stop import SENTENCE, Stop
from client.view import button
from common.errors import InputError, PolicyError

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def events(state: Path) -> list[dict[str, str]]:
    path = state / "journal.jsonl"
    return (
        [
            {k: v for k, v in json.loads(line).items() if k not in ("at", "seq", "prev", "salt")}
            for line in path.read_text().splitlines()
        ]
        if path.exists()
        else []
    )


def test_a_full_turn(tmp_path: Path) -> None:
    state = tmp_path / "state"
    assert stop.stopped(state) is None
    made = stop.stop(state, "ann", "  scanner \n service ", NOW)
    assert made == Stop("2026-11-21T12:00:00+00:00", "ann", "scanner service") == stop.read(state)
    assert (
        state / "stopped"
    ).stat().st_mode & 0o777 == 0o600 and state.stat().st_mode & 0o777 == 0o700
    assert stop.stopped(state) == SENTENCE
    assert stop.resume(state) == made and stop.stopped(state) is None and stop.resume(state) is None


def test_the_coordinator_learns_neither_who_nor_why(tmp_path: Path) -> None:
    stop.check(tmp_path)
    stop.stop(tmp_path, "ann", "complaint of a patient", NOW)
    with pytest.raises(PolicyError) as caught:
        stop.check(tmp_path)
    assert caught.value.public == SENTENCE and "complaint of a patient" in caught.value.local


def test_the_first_stop_stands(tmp_path: Path) -> None:
    first = stop.stop(tmp_path, "ann", "one", NOW)
    assert stop.stop(tmp_path, "bob", "two", NOW) == first == stop.read(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"{",
        b"[]",
        b"null",
        b'{"at": 1, "by": "a", "reason": ""}',
        b'{"at": "x", "by": "a"}',
        b"[" * 9000,
        b'{"a": "' + b"x" * 9000,
    ],
)
def test_whatever_stands_there_stops(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "stopped").write_bytes(content)
    assert stop.stopped(tmp_path) == SENTENCE
    record = stop.read(tmp_path)
    assert record is not None and record.at == record.by == "unknown"
    assert stop.resume(tmp_path) is not None and stop.stopped(tmp_path) is None


def test_a_link_into_nowhere_and_a_folder_stop(tmp_path: Path) -> None:
    (tmp_path / "stopped").symlink_to(tmp_path / "away")
    assert stop.stopped(tmp_path) == SENTENCE
    assert stop.resume(tmp_path) and stop.stopped(tmp_path) is None
    (tmp_path / "stopped").mkdir()
    assert stop.stopped(tmp_path) == SENTENCE
    with pytest.raises(InputError, match="cannot be removed"):
        stop.resume(tmp_path)


def test_a_state_that_is_no_folder_stops(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"")
    assert stop.stopped(tmp_path / "state") == SENTENCE


@pytest.mark.parametrize("reason", ["x" * 201, "bell \x07 rings", "turned \u202e round"])
def test_a_reason_is_short_and_printable(tmp_path: Path, reason: str) -> None:
    with pytest.raises(InputError, match="give up to 200 that can be printed"):
        stop.stop(tmp_path, "ann", reason, NOW)
    assert stop.stopped(tmp_path) is None


def test_the_button_writes_each_change_down_once(tmp_path: Path) -> None:
    notes: list[str] = []
    for _ in range(2):
        button.stop(tmp_path, "service", NOW, notes.append)
    for _ in range(2):
        button.resume(tmp_path)
    assert events(tmp_path) == [
        {"event": "stopped", "user": stop.user(), "reason": "service"},
        {"event": "resumed", "user": stop.user()},
    ]
    assert notes == []


def test_stopping_needs_no_journal_and_resuming_does(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").mkdir()
    notes: list[str] = []
    button.stop(tmp_path, "", NOW, notes.append)
    assert (
        stop.stopped(tmp_path) == SENTENCE
        and len(notes) == 1
        and notes[0].startswith("stopped, but the journal could not be written")
    )
    with pytest.raises(InputError, match="so this hospital stays stopped"):
        button.resume(tmp_path)
    assert stop.stopped(tmp_path) == SENTENCE


@pytest.mark.skipif(os.geteuid() != 0, reason="only an administrator can give files away")
def test_what_an_administrator_stops_its_worker_can_resume(tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, 65534)
    button.stop(tmp_path, "", NOW, lambda _: None)
    assert {path.stat().st_uid for path in tmp_path.iterdir()} == {65534}
