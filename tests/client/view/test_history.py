"""What the journal says, summed up; read once, however it grows, is cut, replaced or damaged."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from client.view.history import SiteHistory
from tests.client.view import scene


def note(state: Path, **fields: Any) -> None:
    scene.write(
        state,
        **{
            "run": "a",
            "study": "lungs",
            "kind": "train",
            "round": 1,
            "left": [],
            "bytes": 10,
            "seconds": 1.0,
            **fields,
        },
    )


def test_runs_and_refusals(tmp_path: Path) -> None:
    hospital = scene.busy(tmp_path / "home")
    record = SiteHistory(hospital.state).read()
    second, first = record.runs.values()
    assert (first.run, first.study, first.round, first.answered, first.refused, first.sent) == (
        "run-7",
        "lungs",
        4,
        6,
        0,
        7_510_100,
    )
    assert (second.run, second.refused, second.fault) == (
        "run-8",
        1,
        "This hospital has not approved the study yet.",
    )
    [refusal] = record.refusals
    assert (refusal.study, refusal.kind, refusal.code, refusal.id) == (
        "retina",
        "join",
        "approval.missing",
        "1f2e3d4c",
    )
    assert refusal.at == scene.lines(hospital)[-2]["at"]


def test_a_line_is_counted_once(tmp_path: Path) -> None:
    record = SiteHistory(tmp_path)
    assert record.read().runs == {}
    for count in (1, 2, 3):
        scene.write(tmp_path, event="asked", run="a", received=5)
        note(tmp_path, out=7)
        run = record.read().runs["a"]
        assert (run.answered, run.sent, run.received) == (count, 7 * count, 5 * count)
    assert record.read().runs["a"].answered == 3


def test_a_replaced_journal_is_read_from_its_beginning(tmp_path: Path) -> None:
    note(tmp_path)
    record = SiteHistory(tmp_path).read()
    (tmp_path / "journal.jsonl").unlink()
    note(tmp_path, run="b")
    assert list(record.read().runs) == ["b"]


def test_events_are_no_questions(tmp_path: Path) -> None:
    for event in ("approved", "opened", "heads", "a new one"):
        scene.write(tmp_path, event=event, study="lungs", by="Dr. A. Rivers")
    record = SiteHistory(tmp_path).read()
    assert record.runs == {} and [entry.event for entry in record.events] == [
        "a new one",
        "approved",
    ]


def test_whether_a_question_is_worked_on(tmp_path: Path) -> None:
    record = SiteHistory(tmp_path)
    steps = [
        ({"event": "policy"}, None),
        ({"event": "asked"}, True),
        ({"kind": "train"}, False),
        ({"event": "asked"}, True),
    ]
    for values, busy in (*steps, ({"event": "stopped"}, True), ({"event": "started"}, False)):
        scene.write(tmp_path, **values)
        assert (None if record.read().busy is None else bool(record.busy)) is busy


@pytest.mark.parametrize(
    "content", [b"{", b"\xff\xfe", b"null", b"[1]", b"[" * 5000, b"{" + b" " * 70_000 + b"}"]
)
def test_damaged_lines_are_passed_over(tmp_path: Path, content: bytes) -> None:
    note(tmp_path)
    with (tmp_path / "journal.jsonl").open("ab") as file:
        file.write(content + b"\n")
    note(tmp_path)
    record = SiteHistory(tmp_path).read()
    assert record.runs["a"].answered == 2
    assert record.damaged == int(len(content) < 1 << 16)


def test_values_of_the_wrong_kind_count_as_nothing(tmp_path: Path) -> None:
    fields = {"at": "2026-01-01T00:00:00+00:00", "kind": "train", "run": ["x"], "seconds": 1.0}
    damaged = (
        {**fields, "study": 3, "round": "9", "bytes": -1, "left": {"a": 1}, "digest": None},
        {**fields, "study": None, "round": True, "bytes": 1e300, "left": [1, None]},
    )
    (tmp_path / "journal.jsonl").write_text("".join(json.dumps(line) + "\n" for line in damaged))
    run = SiteHistory(tmp_path).read().runs[""]
    assert (run.study, run.round, run.sent, run.left, run.answered) == ("", 0, 0, {}, 2)


def test_memory_is_bounded(tmp_path: Path) -> None:
    with (tmp_path / "journal.jsonl").open("w") as file:
        for i in range(1000):
            file.write(
                json.dumps(
                    {
                        "at": f"2026-01-{1 + i % 28:02d}T00:00:00+00:00",
                        "run": f"r{i}",
                        "fault": "No.",
                    }
                )
                + "\n"
            )
    record = SiteHistory(tmp_path).read()
    assert (len(record.runs), len(record.refusals), record.refused) == (200, 50, 1000)
    assert list(record.runs)[-1] == "r999" and record.refusals[0].run == "r999"
    assert len(record._days) <= 28


def test_only_two_days_are_kept(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    with (tmp_path / "journal.jsonl").open("w") as file:
        for ago in (5, 1, 0):
            at = (now - timedelta(days=ago)).isoformat()
            file.write(
                json.dumps({"at": at, "kind": "tally", "left": ["vector", "Masked"], "seconds": 1})
                + "\n"
            )
    record, here = SiteHistory(tmp_path).read(), now.astimezone().date()
    assert record.left_on(here) == {"counts, masked": 1}
    assert record.left_on(here - timedelta(days=5)) == {}
