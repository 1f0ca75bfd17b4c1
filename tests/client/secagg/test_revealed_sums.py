"""What a hospital has opened is on disk before its answer leaves, and is never opened again,
whatever happened to the disk.
"""

from __future__ import annotations

import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from client.secagg.revealed_sums import RevealedSums
from common.errors import SecureSumError
from common.secagg.messages import SumSpec, Terms
from tests.patience import patient

TERMS = Terms("consortium", "run-1", 4, ("a", "b", "c"), 3, bytes(32))
SPEC = SumSpec("train", 2, "", b"m" * 32, "layout", 8, 32, 20, 32.0, ("weight",), 100)
SCORE = replace(SPEC, kind="evaluate", part="test", size=0)
STUDY = "f" * 64
SITES = ("a", "b", "c")


def path(folder: Path) -> Path:
    return folder / "opened.jsonl"


def test_a_note_is_there_for_a_hospital_that_starts_anew(tmp_path: Path) -> None:
    RevealedSums(tmp_path / "state", STUDY).note(TERMS, SPEC, SITES)
    again = RevealedSums(tmp_path / "state", STUDY)
    assert (again.last("run-1"), again.last("run-2")) == (4, 0)
    with pytest.raises(
        SecureSumError,
        match=r"A secure sum for train in round 2 was opened before; a second one is refused\.",
    ):
        again.check("run-1", SPEC)
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700 and path(
        tmp_path / "state"
    ).stat().st_mode & 0o777 == 0o600


def test_a_line_names_no_hospital_and_no_number_of_patients(tmp_path: Path) -> None:
    RevealedSums(tmp_path, STUDY).note(
        replace(TERMS, cohort=("north", "valley", "west")), SPEC, ("north", "valley", "west")
    )
    text = path(tmp_path).read_text()
    assert set(json.loads(text)) == {
        "run",
        "number",
        "study",
        "kind",
        "part",
        "round",
        "model",
        "survivors",
        "hospitals",
    } and text.endswith("\n")
    assert not any(name in text for name in ("north", "valley", "west"))


@pytest.mark.parametrize(
    "change",
    [
        {"number": 9},
        {"model": b"x" * 32},
        {"layout": "other"},
        {"size": 9},
        {"limit": 1.0},
        {"lanes": ()},
        {"total": 5},
        {"ring_bits": 64},
    ],
)
def test_the_same_round_once_more_is_refused_however_the_order_differs(
    tmp_path: Path, change: dict[str, object]
) -> None:
    revealed_sums = RevealedSums(tmp_path, STUDY)
    revealed_sums.note(TERMS, SPEC, SITES)
    terms = (
        replace(TERMS, number=9, cohort=("a", "b"))
        if "number" in change
        else replace(TERMS, number=9)
    )
    spec = SPEC if "number" in change else replace(SPEC, **change)  # type: ignore[arg-type]
    with pytest.raises(SecureSumError, match="opened before"):
        revealed_sums.note(terms, spec, ("a", "b"))
    assert len(path(tmp_path).read_text().splitlines()) == 1


def test_what_is_something_else_may_be_opened(tmp_path: Path) -> None:
    revealed_sums = RevealedSums(tmp_path, STUDY)
    for number, spec in enumerate(
        (SPEC, replace(SPEC, round=3), replace(SPEC, kind="tally", round=0), SCORE), 5
    ):
        revealed_sums.note(replace(TERMS, number=number), spec, SITES)
    assert revealed_sums.last("run-1") == 8


@pytest.mark.parametrize("change", [{"round": 7}, {"model": b"n" * 32}, {"round": 2}])
def test_scores_are_opened_once_for_a_model_and_once_in_a_round(
    tmp_path: Path, change: dict[str, object]
) -> None:
    revealed_sums = RevealedSums(tmp_path, STUDY)
    revealed_sums.note(TERMS, SCORE, SITES)
    with pytest.raises(SecureSumError, match=r"evaluate in round \d was opened before"):
        revealed_sums.check("run-1", replace(SCORE, **change))  # type: ignore[arg-type]
    revealed_sums.check("run-1", replace(SCORE, part="validation"))
    revealed_sums.check("run-1", replace(SCORE, round=7, model=b"n" * 32))


def test_another_run_of_the_study_may_open_the_same_over_the_same_hospitals_only(
    tmp_path: Path,
) -> None:
    RevealedSums(tmp_path, STUDY).note(TERMS, SPEC, SITES)
    again = replace(TERMS, run="run-2", number=1)
    with pytest.raises(
        SecureSumError,
        match=r"earlier run of this study "
        r"a secure sum for train in round 2 was opened over other hospitals",
    ):
        RevealedSums(tmp_path, STUDY).note(again, SPEC, ("a", "b"))
    assert RevealedSums(tmp_path, STUDY).last("run-2") == 0
    RevealedSums(tmp_path, STUDY).note(again, SPEC, SITES)
    RevealedSums(tmp_path, "another study").note(replace(TERMS, run="run-3"), SPEC, ("a", "b"))
    with pytest.raises(SecureSumError, match="opened before"):
        RevealedSums(tmp_path, STUDY).check("run-2", SPEC)


def test_a_line_cut_by_a_loss_of_power_is_passed_over(tmp_path: Path) -> None:
    RevealedSums(tmp_path, STUDY).note(TERMS, SPEC, SITES)
    with path(tmp_path).open("ab") as file:
        file.write(b'{"run": "run-1", "numb')
    revealed_sums = RevealedSums(tmp_path, STUDY)
    assert revealed_sums.last("run-1") == 4
    with pytest.raises(SecureSumError, match="opened before"):
        revealed_sums.check("run-1", SPEC)
    revealed_sums.note(replace(TERMS, number=6), replace(SPEC, round=3), SITES)
    assert json.loads(path(tmp_path).read_bytes().splitlines()[-1])["number"] == 6


def test_after_a_cut_line_the_list_can_be_read_again(tmp_path: Path) -> None:
    RevealedSums(tmp_path, STUDY).note(TERMS, SPEC, SITES)
    with path(tmp_path).open("ab") as file:
        file.write(b'{"run": "run-1", "numb')
    RevealedSums(tmp_path, STUDY).note(replace(TERMS, number=6), replace(SPEC, round=3), SITES)
    assert RevealedSums(tmp_path, STUDY).last("run-1") == 6


@pytest.mark.parametrize("line", [b"{", b"\x00\x00\x00", b'{"run": "run-1", "numb', b"\xff\xfe"])
def test_a_damaged_line_in_the_middle_stops_the_hospital(tmp_path: Path, line: bytes) -> None:
    RevealedSums(tmp_path, STUDY).note(TERMS, SPEC, SITES)
    whole = path(tmp_path).read_bytes()
    path(tmp_path).write_bytes(line + b"\n" + whole)
    for ask in (
        lambda revealed_sums: revealed_sums.last("run-1"),
        lambda revealed_sums: revealed_sums.check("run-9", SPEC),
        lambda revealed_sums: revealed_sums.note(TERMS, SCORE, SITES),
    ):
        with pytest.raises(
            SecureSumError,
            match=r"The list of opened sums at this hospital is damaged; "
            r"its IT must look at worker/state",
        ):
            ask(RevealedSums(tmp_path, STUDY))


@pytest.mark.parametrize("line", [b"3", b"[]", b"{}", b'{"run": "run-1"}'])
def test_a_line_that_is_something_else_stops_the_hospital_with_the_same_sentence(
    tmp_path: Path, line: bytes
) -> None:
    path(tmp_path).write_bytes(line + b"\n")
    with pytest.raises(SecureSumError, match="is damaged"):
        RevealedSums(tmp_path, STUDY).check("run-1", SPEC)


def test_a_line_that_another_process_wrote_is_seen(tmp_path: Path) -> None:
    one = RevealedSums(tmp_path, STUDY)
    other = RevealedSums(tmp_path, STUDY)
    assert one.last("run-1") == 0
    other.note(TERMS, SPEC, SITES)
    with pytest.raises(SecureSumError, match="opened before"):
        one.note(TERMS, SPEC, SITES)


def _full(*_: object) -> int:
    raise OSError(28, os.strerror(28))


@pytest.mark.parametrize("call", ["open", "write", "fsync"])
def test_what_cannot_be_written_down_is_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    revealed_sums = RevealedSums(tmp_path, STUDY)
    with monkeypatch.context() as patch:
        patch.setattr(os, call, _full)
        with pytest.raises(
            SecureSumError, match="cannot write down which sums it opens; its disk may be full"
        ):
            revealed_sums.note(TERMS, SPEC, SITES)
    assert RevealedSums(tmp_path, STUDY).last("run-1") == 0
    revealed_sums.note(TERMS, SPEC, SITES)
    assert revealed_sums.last("run-1") == 4


def test_a_disk_that_takes_half_a_line_does_not_count_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write may take less than was given to it."""
    honest = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda handle, content: honest(handle, content[:20]))
        patch.setattr(os, "fsync", _full)
        with pytest.raises(SecureSumError, match="disk may be full"):
            RevealedSums(tmp_path, STUDY).note(TERMS, SPEC, SITES)
    assert RevealedSums(tmp_path, STUDY).last("run-1") == 0


def test_half_a_line_is_not_taken_for_a_whole_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = os.write
    monkeypatch.setattr(os, "write", lambda handle, content: honest(handle, content[:20]))
    try:
        RevealedSums(tmp_path, STUDY).note(TERMS, SPEC, SITES)
    except SecureSumError:
        return
    assert RevealedSums(tmp_path, STUDY).last("run-1") == 4


def test_of_many_at_the_same_moment_one_opens(tmp_path: Path) -> None:
    """Two workers on one folder, as when an old one has not ended yet.

    Reading and writing are one step.
    """
    ready = threading.Barrier(8)

    def opened() -> bool:
        revealed_sums = RevealedSums(tmp_path, STUDY)
        ready.wait(patient(10))
        try:
            revealed_sums.note(TERMS, SPEC, SITES)
        except SecureSumError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        outcomes = [future.result() for future in [pool.submit(opened) for _ in range(8)]]
    assert outcomes.count(True) == 1 and len(path(tmp_path).read_text().splitlines()) == 1
