"""Of several who change a file none undoes another's change, and readers see whole files only."""

from __future__ import annotations

import json
import os
from multiprocessing import get_context
from pathlib import Path

import pytest

from common.storage import locked_json
from tests.patience import patient


def test_a_value_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with locked_json.held(path) as file:
        with pytest.raises(FileNotFoundError):
            file.read()
        file.write({"b": [1, None, "ü"]})
        assert file.read() == {"b": [1, None, "ü"]}
    assert locked_json.read(path) == {"b": [1, None, "ü"]}
    assert path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'{"a": 1'])
def test_what_is_no_json_is_said_and_stays(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(ValueError), locked_json.held(path) as file:
        file.write([file.read()])
    assert path.read_bytes() == content


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, float("inf")], ids=str)
def test_what_json_has_no_word_for_changes_nothing(tmp_path: Path, value: object) -> None:
    path = tmp_path / "a.json"
    locked_json.write(path, "before")
    with pytest.raises((ValueError, TypeError)):
        locked_json.write(path, value)
    assert locked_json.read(path) == "before" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("step", ["open", "fsync", "replace"])
def test_a_crash_at_any_step_leaves_the_old_or_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path, honest = tmp_path / "a.json", getattr(os, step)
    for at in range(1, 9):
        locked_json.write(path, "old")
        count = iter(range(1, 100))

        def call(
            *arguments: object, _count: object = count, _at: int = at, **more: object
        ) -> object:
            if next(_count) == _at:  # type: ignore[call-overload]
                raise OSError(5, "Input/output error")
            return honest(*arguments, **more)

        with monkeypatch.context() as patch:
            patch.setattr(os, step, call)
            try:
                locked_json.write(path, "new")
            except OSError:
                assert locked_json.read(path) in ("old", "new")
            else:
                assert locked_json.read(path) == "new" and at > 1
                break
        assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
    else:
        raise AssertionError("no write ended well")


def _adder(path: Path, lock: Path | None, times: int) -> None:
    for _ in range(times):
        with locked_json.held(path, lock) as file:
            file.write({"count": file.read()["count"] + 1})


@pytest.mark.parametrize("lock", [None, "own.lock"])
def test_two_processes_lose_no_change(tmp_path: Path, lock: str | None) -> None:
    path, context = tmp_path / "a.json", get_context("fork")
    locked_json.write(path, {"count": 0})
    adders = [
        context.Process(target=_adder, args=(path, tmp_path / lock if lock else None, 50))
        for _ in range(2)
    ]
    for adder in adders:
        adder.start()
    while any(adder.is_alive() for adder in adders):
        assert set(json.loads(path.read_bytes())) == {"count"}  # a reader takes no lock
    for adder in adders:
        adder.join(patient(30))
    assert locked_json.read(path) == {"count": 100}
