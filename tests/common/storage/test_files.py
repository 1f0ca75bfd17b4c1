"""Private and whole, or not there."""

from __future__ import annotations

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
