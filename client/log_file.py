"""A log that only its process's user can have put there.

A hospital's two processes may be two users, of which one may be in wrong hands: a link in the place
of a log would have its lines written into another file. Sources: open(2), symlink(7), link(2).
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from common.errors import InputError
from common.storage import files

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK a pipe in the log's place would stop the process until somebody reads it.
_LOG = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def make_folder(path: Path) -> None:
    """Make the folder of a log for its owner only, unless something is there.

    Raises:
        InputError: this user may not make it.
    """
    if os.path.lexists(path.parent):
        return
    try:
        files.folder(path.parent)
    except OSError as error:
        raise InputError(
            f"{path.parent} cannot be made ({error.strerror}); "
            f"as root: install -d -m 700 -o USER {path.parent}, with the user that logs there."
        ) from None


def open_own(path: Path) -> int:
    """Open a log to append to it; one that is not there is made, for its owner only.

    Returns:
        the open file's number.

    Raises:
        InputError: it is a link, no plain file, somebody else's or has a second name; or that is
            so of its folder, or others may write there.
    """
    folder = _opened(path.parent, _FOLDER, None)
    try:
        status = os.fstat(folder)
        if status.st_uid != os.geteuid() or status.st_mode & 0o022:
            raise _foreign(path.parent, f"owner {status.st_uid}, mode {status.st_mode & 0o7777:o}")
        handle = _opened(path, _LOG, folder)
    finally:
        os.close(folder)
    own = False
    try:
        _check(path, os.fstat(handle))
        own = True
    finally:
        if not own:
            os.close(handle)
    return handle


def append(path: Path, text: str) -> None:
    """Write to the end of a log.

    Raises:
        InputError: as by :func:`open_own`.
    """
    with os.fdopen(open_own(path), "a", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)


def _opened(path: Path, flags: int, folder: int | None) -> int:
    try:
        name = path if folder is None else path.name
        return os.open(name, flags, files.FILE, dir_fd=folder)
    except OSError as error:
        raise _foreign(path, os.strerror(error.errno or 0)) from None


def _check(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise _foreign(path, "no plain file")
    if status.st_uid != os.geteuid():
        raise _foreign(path, f"owner {status.st_uid}")
    if status.st_nlink != 1:
        raise _foreign(path, f"{status.st_nlink} names")


def _foreign(path: Path, reason: str) -> InputError:
    return InputError(
        f"{path} is not this user's own place for a log ({reason}); "
        "find out who put it there, and remove it."
    )
