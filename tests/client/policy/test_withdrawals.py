"""Patients who take no further part.

Named to nobody, gone with the next look, and nobody's images are used where the list is not clear.
"""

from __future__ import annotations

import json
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from client.policy import withdrawals
from common.errors import InputError, PolicyError
from tests.client.hostile import SECRET
from tests.patience import patient


def test_a_patient_is_out_and_nobody_else(tmp_path: Path) -> None:
    assert withdrawals.reader(tmp_path) is None
    assert withdrawals.add(tmp_path, f"  {SECRET}\n") == 1 == withdrawals.add(tmp_path, SECRET)
    assert withdrawals.add(tmp_path, "4711") == 2
    gone = withdrawals.reader(tmp_path)
    assert gone is not None and gone(SECRET) and gone(f" {SECRET} ") and gone("4711")
    assert not any(gone(other) for other in ("", "471", "47110", SECRET.lower(), "P001"))


def test_the_file_names_nobody(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        withdrawals.add(tmp_path / folder, SECRET)
    first, second = (
        json.loads((tmp_path / folder / withdrawals.NAME).read_bytes()) for folder in ("one", "two")
    )
    text = json.dumps(first)
    assert all(part not in text for part in SECRET.split("^")) and first["key"] != second["key"]
    assert not set(first["patients"]) & set(
        second["patients"]
    )  # keys of their own: two hospitals cannot compare
    path = tmp_path / "one" / withdrawals.NAME
    assert path.parent.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("patient", ["", " ", "\n"])
def test_nobody_is_no_patient(tmp_path: Path, patient: str) -> None:
    with pytest.raises(InputError, match="--patient is empty"):
        withdrawals.add(tmp_path, patient)
    assert not (tmp_path / withdrawals.NAME).exists()


def test_each_change_is_seen(tmp_path: Path) -> None:
    seen = [withdrawals.version(tmp_path)]
    for name in ("a", "b", "c"):
        withdrawals.add(tmp_path, name)
        seen.append(withdrawals.version(tmp_path))
    assert len(set(seen)) == 4


def test_every_truncation_stops_the_hospital(tmp_path: Path) -> None:
    withdrawals.add(tmp_path, SECRET)
    path = tmp_path / withdrawals.NAME
    whole = path.read_bytes().rstrip()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        for call in (
            lambda: withdrawals.reader(tmp_path),
            lambda: withdrawals.add(tmp_path, "another"),
        ):
            with pytest.raises(PolicyError, match="cannot be read; the hospital's IT must look"):
                call()
        assert path.read_bytes() == whole[:length]


GOOD = {"key": "ab" * 32, "patients": ["cd" * 32]}


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        3,
        {},
        {"key": GOOD["key"]},
        {"patients": GOOD["patients"]},
        {**GOOD, "key": "ab" * 31},
        {**GOOD, "key": ""},
        {**GOOD, "key": "x" * 64},
        {**GOOD, "key": 3},
        {**GOOD, "patients": "cd" * 32},
        {**GOOD, "patients": [3]},
        {**GOOD, "patients": [[]]},
        {**GOOD, "patients": ["cd"]},
        {**GOOD, "patients": None},
        {**GOOD, "patients": {"cd": 1}},
    ],
    ids=str,
)
def test_a_file_of_another_form_stops_the_hospital(tmp_path: Path, content: Any) -> None:
    (tmp_path / withdrawals.NAME).write_text(json.dumps(content))
    with pytest.raises(PolicyError, match="cannot be read") as caught:
        withdrawals.reader(tmp_path)
    assert withdrawals.NAME not in caught.value.public


@pytest.mark.parametrize("content", [b"[" * 200_000, b"\xff\xfe"])
def test_a_file_that_is_no_json_stops_the_hospital(tmp_path: Path, content: bytes) -> None:
    (tmp_path / withdrawals.NAME).write_bytes(content)
    with pytest.raises(PolicyError, match="cannot be read"):
        withdrawals.reader(tmp_path)


def adder(state: str, name: str) -> None:
    for number in range(15):
        withdrawals.add(Path(state), f"{name}{number}")


def test_two_processes_at_once_lose_nobody(tmp_path: Path) -> None:
    context = get_context("fork")
    running = [context.Process(target=adder, args=(str(tmp_path), name)) for name in "ab"]
    for one in running:
        one.start()
    for one in running:
        one.join(patient(30))
    gone = withdrawals.reader(tmp_path)
    assert all(gone(f"{name}{number}") for name in "ab" for number in range(15))
