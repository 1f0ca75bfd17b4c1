"""The hospital's own list of what it was asked."""

from __future__ import annotations

import json
from pathlib import Path

from client.audit import log as audit_log


def test_an_entry_for_each_run(tmp_path: Path) -> None:
    state = tmp_path / "state"
    about = {"run": "a", "study": "lungs", "digest": "ab"}
    audit_log.note(state, **about, kind="join", round=0)
    audit_log.note(state, **about, kind="train", round=1, fault="No images.")
    audit_log.note(state, **about, kind="train", round=2)
    audit_log.note(state, **{**about, "run": "b"}, kind="join", round=0, fault="No images.")
    first, second = audit_log.studies(state)
    assert (
        first["run"],
        first["study"],
        first["digest"],
        first["rounds"],
        first["questions"],
        first["fault"],
    ) == (
        "a",
        "lungs",
        "ab",
        2,
        3,
        "",
    )
    assert first["first"] <= first["last"] and first["last"].endswith("+00:00")
    assert (second["run"], second["fault"], second["rounds"]) == ("b", "No images.", 0)


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    state = tmp_path / "state"
    audit_log.note(state, run="a")
    assert state.stat().st_mode & 0o777 == 0o700
    assert [path.stat().st_mode & 0o777 for path in state.iterdir()] == [0o600, 0o600]


def test_questions_that_were_refused_unread_are_one_entry(tmp_path: Path) -> None:
    audit_log.note(tmp_path, fault="The study is not signed.")
    audit_log.note(tmp_path, kind="train", round=3, fault="The study is not signed.")
    [study] = audit_log.studies(tmp_path)
    assert (study["run"], study["study"], study["questions"], study["fault"]) == (
        "refused",
        "",
        2,
        "The study is not signed.",
    )


def test_half_a_last_line_is_passed_over_and_spoils_no_later_one(tmp_path: Path) -> None:
    audit_log.note(tmp_path, run="a", round=1)
    path = tmp_path / "journal.jsonl"
    with path.open("a") as file:
        file.write('{"at": "2026-03-01T12:00:00+00:00", "run": "a", "rou')
    assert [(run["run"], run["rounds"]) for run in audit_log.studies(tmp_path)] == [("a", 1)]
    audit_log.note(tmp_path, run="b", round=2)
    assert [(run["run"], run["rounds"]) for run in audit_log.studies(tmp_path)] == [
        ("a", 1),
        ("b", 2),
    ]


def test_a_line_without_words_of_ours_is_passed_over(tmp_path: Path) -> None:
    audit_log.note(tmp_path, run="a")
    path = tmp_path / "journal.jsonl"
    with path.open("a") as file:
        file.write('3\n"x"\nnull\n{}\n')
    assert [run["run"] for run in audit_log.studies(tmp_path)] == ["a"]


def test_a_new_hospital_has_none(tmp_path: Path) -> None:
    assert audit_log.studies(tmp_path / "state") == []


def test_a_text_with_a_line_break_stays_one_line(tmp_path: Path) -> None:
    audit_log.note(tmp_path, run="a", fault='x\n{"run": "forged"}')
    path = tmp_path / "journal.jsonl"
    assert len(path.read_text().splitlines()) == 1 and json.loads(path.read_text())[
        "fault"
    ].startswith("x\n")
    assert [run["run"] for run in audit_log.studies(tmp_path)] == ["a"]
