"""Files of a folder appear together.

Of a folder that is replaced, the old or the new one is always whole.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import itertools
import os
import shutil
from pathlib import Path

import pytest

from common.storage import atomic_folder

STEPS = ("fsync", "rename")


def put(path: Path, text: str) -> None:
    with atomic_folder.replacing(path) as draft:
        (draft / "one").write_text(text)
        (draft / "two").write_text(text)


def texts(path: Path) -> set[str]:
    folder = atomic_folder.current(path)
    assert sorted(file.name for file in folder.iterdir()) == ["one", "two"]
    return {file.read_text() for file in folder.iterdir()}


@pytest.fixture(params=["exchange", "no exchange", "no such call"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Systems and disks differ in whether two folders can change names."""
    if request.param == "no exchange":
        monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: _Refusing(errno.EINVAL))
        monkeypatch.setattr(ctypes, "get_errno", lambda: errno.EINVAL)
    if request.param == "no such call":
        monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: object())
    return str(request.param)


class _Refusing:
    def __init__(self, code: int) -> None:
        self._code = code

    def renameat2(self, *_: object) -> int:
        return -1


@pytest.mark.usefixtures("way")
def test_a_new_folder_and_then_another_in_its_place(tmp_path: Path) -> None:
    for text in ("a", "b", "c"):
        put(tmp_path / "f", text)
        assert texts(tmp_path / "f") == {text}
        assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_this_system_exchanges_in_one_step(tmp_path: Path) -> None:
    """Else the tests above tried one way thrice."""
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    assert atomic_folder._exchanged(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "a" / "b").exists() and (tmp_path / "b" / "a").exists()


def test_another_fault_of_the_disk_is_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "f", "a")
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: _Refusing(errno.EIO))
    monkeypatch.setattr(ctypes, "get_errno", lambda: errno.EIO)
    with pytest.raises(OSError, match="Input/output error"):
        put(tmp_path / "f", "b")
    assert texts(tmp_path / "f") == {"a"} and [path.name for path in tmp_path.iterdir()] == ["f"]


@pytest.mark.usefixtures("way")
def test_an_error_while_it_is_written_changes_nothing(tmp_path: Path) -> None:
    put(tmp_path / "f", "a")
    with contextlib.suppress(ZeroDivisionError), atomic_folder.replacing(tmp_path / "f") as draft:
        (draft / "one").write_text("b")
        raise ZeroDivisionError
    assert texts(tmp_path / "f") == {"a"} and [path.name for path in tmp_path.iterdir()] == ["f"]


class _PowerLost(BaseException):
    """Nothing of ours runs after it: see where it is caught."""


@pytest.mark.parametrize("first", [True, False], ids=["new", "in place of another"])
def test_a_crash_at_any_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, first: bool
) -> None:
    for at in itertools.count(1):
        path = tmp_path / str(at) / "f"
        path.parent.mkdir()
        if not first:
            put(path, "old")
        crashed = _put_until(monkeypatch, path, at)
        if not first or atomic_folder.current(path).exists():
            assert texts(path) in ({"old"}, {"new"})
        put(path, "next")
        assert texts(path) == {"next"} and [one.name for one in path.parent.iterdir()] == ["f"]
        if not crashed:
            break
    steps = 4 + (
        1 if first else 0 if way == "exchange" else 2
    )  # three fsync before the name, one after, and the renames
    assert at == steps + 1


def _put_until(patches: pytest.MonkeyPatch, path: Path, at: int) -> bool:
    """Write, and lose power at a step, so that nothing is tidied either.

    Whether there was such a step.
    """
    count = itertools.count(1)
    with patches.context() as patch:
        for name in STEPS:

            def call(
                *arguments: object, _honest: object = getattr(os, name), **more: object
            ) -> object:
                if next(count) == at:
                    patch.setattr(shutil, "rmtree", lambda *_, **__: None)
                    raise _PowerLost
                return _honest(*arguments, **more)  # type: ignore[operator]

            patch.setattr(os, name, call)
        try:
            put(path, "new")
        except _PowerLost:
            return True
    return False


def test_a_sealed_folder_tells_every_change(tmp_path: Path) -> None:
    put(tmp_path / "f", "text")
    atomic_folder.seal(tmp_path / "f", {"one": atomic_folder.digest(tmp_path / "f" / "one")})
    assert atomic_folder.damage(tmp_path / "f") == ""
    changes = {
        "one is not the file that was written": lambda folder: (folder / "one").write_text("Text"),
        "two is missing or does not belong there": lambda folder: (folder / "two").unlink(),
        "three is missing or does not belong there": lambda folder: (folder / "three").touch(),
        "manifest.json or a file that it names cannot be read": lambda folder: (
            folder / "manifest.json"
        ).write_text("{"),
    }
    for sentence, change in changes.items():
        shutil.copytree(tmp_path / "f", tmp_path / "g")
        change(tmp_path / "g")
        assert sentence in atomic_folder.damage(tmp_path / "g")
        atomic_folder.remove(tmp_path / "g")
    assert "cannot be read" in atomic_folder.damage(tmp_path / "nowhere")
