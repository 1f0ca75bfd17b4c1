"""Private and whole, or not there."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

from common.storage import files


def test_modes_whatever_the_umask(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        files.create(files.folder(tmp_path / "f") / "a", b"x")
        files.replace(tmp_path / "f" / "b", b"y")
    finally:
        os.umask(old)
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o700
    assert [p.stat().st_mode & 0o777 for p in sorted((tmp_path / "f").iterdir())] == [0o600, 0o600]


def test_a_file_that_exists_is_not_created_again(tmp_path: Path) -> None:
    files.create(tmp_path / "a", b"old")
    with pytest.raises(FileExistsError):
        files.create(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"old"


def test_a_full_disk_leaves_the_old_content_and_no_draft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.create(tmp_path / "a", b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        files.replace(tmp_path / "a", b"new")
    with pytest.raises(OSError, match="No space"):
        files.create(tmp_path / "b", b"new")
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"a": b"old"}


def test_a_library_s_file_gets_its_mode_and_its_name_when_it_is_whole(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        for name, mode in (("secret", files.FILE), ("shown", files.SHARED)):
            with files.replacing(tmp_path / name, mode) as draft:
                draft.unlink()
                draft.write_text("x")
                draft.chmod(0o604)
                assert not (tmp_path / name).exists()
    finally:
        os.umask(before)
    assert {p.name: p.stat().st_mode & 0o777 for p in tmp_path.iterdir()} == {
        "secret": 0o600,
        "shown": 0o644,
    }


def test_a_library_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    files.create(tmp_path / "a", b"old")
    with contextlib.suppress(ZeroDivisionError), files.replacing(tmp_path / "a") as draft:
        draft.write_bytes(b"new")
        raise ZeroDivisionError
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"a": b"old"}


def test_of_two_new_files_of_one_name_the_first_stands(tmp_path: Path) -> None:
    assert files.new(tmp_path / "a", b"first") is True
    assert files.new(tmp_path / "a", b"second") is False
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"a": b"first"}


def test_only_one_holds_a_lock_until_it_lets_go(tmp_path: Path) -> None:
    handle = files.only_one(tmp_path / "lock")
    with pytest.raises(BlockingIOError):
        files.only_one(tmp_path / "lock")
    os.close(handle)
    os.close(files.only_one(tmp_path / "lock"))
    (tmp_path / "link").symlink_to(tmp_path / "lock")
    with pytest.raises(OSError, match="symbolic links"):
        files.only_one(tmp_path / "link")


def test_a_private_folder_is_closed_if_it_was_open(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o755)
    for path in (tmp_path / "open", tmp_path / "new" / "deep"):
        assert files.private(path).stat().st_mode & 0o777 == 0o700
