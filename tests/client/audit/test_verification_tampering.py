"""The record as an auditor reads it.

Every change of what is written is found, and nothing else is called a change.
"""

from __future__ import annotations

import json
import shutil
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from client.audit import log as audit_log
from client.audit import verification, witness
from tests.client import record
from tests.patience import patient

KINDS = ("edit", "delete", "swap", "truncate", "insert", "cut")


def wrong(state: Path) -> list[str]:
    return verification.verify(state, record.public(), record.CONSORTIUM, "north").wrong


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record of 60 entries with heads signed over some of them."""
    site = record.site(tmp_path_factory.mktemp("whole"))
    for number in range(6):
        record.fill(site.state, 10)
        witness.sign(site, "run-1", number)
    return site.state


def changed(content: bytes, kind: str, draw: np.random.Generator) -> bytes:
    """The record with one change, somewhere."""
    lines = content.splitlines(keepends=True)
    one, two = sorted(int(n) for n in draw.choice(len(lines), 2, replace=False))
    if kind == "edit":
        spot = int(draw.integers(len(content)))
        return (
            content[:spot]
            + bytes([content[spot] ^ int(draw.integers(1, 256))])
            + content[spot + 1 :]
        )
    if kind == "delete":
        del lines[one : one + int(draw.integers(1, 4))]
    elif kind == "swap":
        lines[one], lines[two] = lines[two], lines[one]
    elif kind == "truncate":
        lines = lines[: one + 1] if draw.integers(2) else lines[:-1]
    elif kind == "insert":
        lines.insert(two, lines[one])
    else:
        return content[: int(draw.integers(len(content)))]
    return b"".join(lines)


def test_a_thousand_random_changes_are_a_thousand_findings(whole: Path, tmp_path: Path) -> None:
    draw = np.random.default_rng(6962)
    detections = 0
    state = tmp_path / "state"
    shutil.copytree(whole, state)
    content = (whole / audit_log.NAME).read_bytes()
    for number in range(1000):
        after = changed(content, KINDS[number % len(KINDS)], draw)
        assert after != content
        (state / audit_log.NAME).write_bytes(after)
        detections += bool(verification.verify(state).wrong)
    assert detections == 1000
    (state / audit_log.NAME).write_bytes(content)
    assert wrong(state) == []


def test_a_shortened_record_is_found_by_the_signed_heads_alone(whole: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    shutil.copytree(whole, state)
    (state / audit_log.NAME).write_bytes(
        b"".join((whole / audit_log.NAME).read_bytes().splitlines(keepends=True)[:45])
    )
    size, root = audit_log.head(state)
    (state / audit_log.HEAD).write_text(json.dumps({"size": size, "root": root}))
    assert wrong(state) == [
        f"The record had {n} entries once, and has 45: entries are missing at its end."
        for n in (50, 60)
    ]
    held = witness.own(whole)[-1]
    (state / witness.OWN).unlink()
    assert wrong(state) == []
    assert verification.verify(state, record.public(), record.CONSORTIUM, "north", held).wrong == [
        "The record had 60 entries once, and has 45: entries are missing at its end."
    ]


def test_a_rewritten_record_with_a_good_chain_contradicts_the_heads(
    whole: Path, tmp_path: Path
) -> None:
    site = record.site(tmp_path)
    record.fill(site.state, 60)
    shutil.copy(whole / witness.OWN, site.state / witness.OWN)
    assert wrong(site.state) == [
        f"The record of the first {n} entries had another root: one of them was changed afterwards."
        for n in range(10, 61, 10)
    ]


def test_own_heads_that_were_changed_are_found(whole: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    shutil.copytree(whole, state)
    lines = (whole / witness.OWN).read_text().splitlines()
    forged = json.loads(lines[2]) | {"run": "another"}
    (state / witness.OWN).write_text("\n".join([*lines[:2], json.dumps(forged), *lines[3:]]) + "\n")
    assert len(wrong(state)) == 1 and "not signed" in wrong(state)[0]
    (state / witness.OWN).write_text("\n".join([*lines[:2], "{", *lines[3:]]) + "\n")
    assert wrong(state) == [
        "1 lines of heads.jsonl are no heads; they were changed after they were written."
    ]


def test_a_head_of_another_hospital_is_not_taken_for_ours(whole: Path, tmp_path: Path) -> None:
    verdict = verification.verify(whole, record.public("south"), record.CONSORTIUM, "south")
    assert len(verdict.wrong) == 6 and all("not signed" in sentence for sentence in verdict.wrong)


def test_what_a_machine_without_power_left_is_cut_and_is_no_finding(tmp_path: Path) -> None:
    site = record.site(tmp_path)
    record.fill(site.state, 5)
    before = (site.state / audit_log.HEAD).read_bytes()
    record.fill(site.state, 3)
    with (site.state / audit_log.NAME).open("ab") as file:
        file.write(b'{"seq": 8, "prev": "ab')
    (site.state / audit_log.HEAD).write_bytes(before)  # the head was not on the disk yet
    assert wrong(site.state) == []
    record.fill(site.state, 1)
    assert wrong(site.state) == [] and [line["seq"] for line in record.lines(site.state)] == list(
        range(9)
    )


def test_an_empty_record_is_whole(tmp_path: Path) -> None:
    verdict = verification.verify(tmp_path)
    assert (verdict.entries, verdict.wrong, verdict.heads) == (0, [], 0)


def test_a_damaged_or_missing_last_head_is_said(whole: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    shutil.copytree(whole, state)
    (state / audit_log.HEAD).write_text("[" * 100_000)
    assert wrong(state) == ["journal.head cannot be read."]
    (state / audit_log.HEAD).unlink()
    assert wrong(state) == ["journal.head is missing."]


def test_what_is_no_entry_is_a_finding_and_stops_nothing(whole: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    shutil.copytree(whole, state)
    for junk in (b"\xff\xfe\n", b"[" * 100_000 + b"\n", b"null\n", b"3\n", b"\n", b'{"seq": 0}\n'):
        (state / audit_log.NAME).write_bytes(junk + (whole / audit_log.NAME).read_bytes())
        assert any("Entry 0 is damaged" in sentence for sentence in wrong(state))
        assert len(verification.show(state)) == 60 + (b"seq" in junk)


def test_entries_of_a_kind_and_the_last_ones(tmp_path: Path) -> None:
    record.fill(tmp_path, 4)
    audit_log.note(tmp_path, event="stopped", user="root", reason="scanner service")
    assert [line["seq"] for line in verification.show(tmp_path, 2)] == [3, 4]
    assert [line["reason"] for line in verification.show(tmp_path, event="stopped")] == [
        "scanner service"
    ]
    assert [line["round"] for line in verification.show(tmp_path, 1, "train")] == [4]


def test_equal_entries_have_hashes_that_nobody_can_guess(tmp_path: Path) -> None:
    """Who sees a root, or the neighbours in a proof, must not find a small number by trying."""
    audit_log.note(tmp_path, event="patient withdrawn", patients=3)
    audit_log.note(tmp_path, event="patient withdrawn", patients=3)
    salts = [line["salt"] for line in record.lines(tmp_path)]
    assert len(set(salts)) == 2 and all(len(bytes.fromhex(salt)) == 16 for salt in salts)


def test_a_line_that_the_disk_did_not_keep_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record.fill(tmp_path, 2)

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(audit_log.os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            record.fill(tmp_path, 1)
    assert len(record.lines(tmp_path)) == 2
    record.fill(tmp_path, 1)
    assert verification.verify(tmp_path).wrong == [] and verification.verify(tmp_path).entries == 3


def _fill(state: str) -> None:
    record.fill(Path(state), 40)


def test_two_processes_write_one_record(tmp_path: Path) -> None:
    started = [get_context("spawn").Process(target=_fill, args=(str(tmp_path),)) for _ in range(2)]
    for process in started:
        process.start()
    record.fill(tmp_path, 20)
    for process in started:
        process.join(patient(60))
    assert (
        verification.verify(tmp_path).wrong == [] and verification.verify(tmp_path).entries == 100
    )
