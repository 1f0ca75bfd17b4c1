"""A log is opened only where nobody else can have put another file into its place."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from client import log_file
from common.errors import InputError

FOREIGN = "not this user's own place for a log"
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "logs" / "x.log"
    path.parent.mkdir(mode=0o700)
    return path


def refused(log: Path, words: str = FOREIGN) -> None:
    with pytest.raises(InputError, match=words):
        log_file.append(log, "line\n")


def test_lines_are_added_and_the_file_is_for_its_owner_only(log: Path) -> None:
    log_file.append(log, "a\n")
    log_file.append(log, "b\ud800\n")
    assert log.read_text() == "a\nb\\ud800\n"
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_a_rotated_log_is_begun_anew(log: Path) -> None:
    log_file.append(log, "a\n")
    log.rename(log.with_suffix(".1"))
    log_file.append(log, "b\n")
    assert log.read_text() == "b\n"


def test_a_link_is_refused_and_what_it_points_to_stays(log: Path) -> None:
    record = log.with_name("record")
    log.symlink_to(record)
    refused(log, "Too many levels of symbolic links")
    assert not record.exists()
    record.write_text("whole")
    refused(log)
    assert record.read_text() == "whole"


def test_a_second_name_is_refused(log: Path) -> None:
    record = log.with_name("record")
    record.write_text("whole")
    log.hardlink_to(record)
    refused(log, "2 names")
    assert record.read_text() == "whole"


def test_what_is_no_plain_file_is_refused_at_once(log: Path) -> None:
    os.mkfifo(log)
    refused(log)
    reader = os.open(log, os.O_RDONLY | os.O_NONBLOCK)  # now somebody reads the pipe
    refused(log, "no plain file")
    os.close(reader)
    log.unlink()
    log.mkdir()
    refused(log)


@ROOT
def test_somebody_else_s_file_or_folder_is_refused(log: Path) -> None:
    log.touch()
    os.chown(log, 65534, -1)
    refused(log, "owner 65534")
    os.chown(log, 0, -1)
    os.chown(log.parent, 65534, -1)
    refused(log, "owner 65534, mode 700")


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o1777])
def test_a_folder_that_others_may_change_is_refused(log: Path, mode: int) -> None:
    log.parent.chmod(mode)
    refused(log, f"mode {mode:o}")
    assert not log.exists()


def test_a_link_at_the_folder_is_refused(log: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(log.parent)
    refused(tmp_path / "link" / "x.log")
    assert not log.exists()


def test_a_folder_is_made_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "x.log"
    log_file.make_folder(path)
    log_file.make_folder(path)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    with pytest.raises(InputError, match="as root: install -d -m 700 -o USER"):
        log_file.make_folder(tmp_path / "none" / "new" / "x.log")


def test_no_open_file_is_left(log: Path) -> None:
    log.symlink_to(log.parent / "other")
    before = os.listdir("/proc/self/fd")
    for _ in range(3):
        refused(log)
    assert os.listdir("/proc/self/fd") == before
