"""Files that hold secrets or must never be seen half-written.

They are private from the first byte, and on disk before they have their name.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FILE = 0o600
"""Mode of a file that is made here: for its owner only."""
FOLDER = 0o700
"""Mode of a folder that is made here: for its owner only."""
SHARED = 0o666
"""Mode of what people are to read: less what the user's umask takes away."""


def folder(path: Path) -> Path:
    """Make a folder for its owner only; one that exists stays as it is."""
    path.mkdir(FOLDER, exist_ok=True)
    return path


def private(path: Path) -> Path:
    """A folder that only this user may enter; made with those above it, or closed."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(FOLDER)
    return path


def create(path: Path, content: bytes, mode: int = FILE) -> None:
    """Write a new file; it has its mode before its first byte and is on disk when this returns.

    Raises:
        OSError: the file exists or cannot be written; what had been written of it is gone.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    done = False
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        done = True
    finally:
        if not done:
            path.unlink(missing_ok=True)


def new(path: Path, content: bytes) -> bool:
    """Write a file unless there is one; whether this call wrote it.

    Of two processes that write one name, the first one's content stands.

    Raises:
        OSError: it cannot be written; nothing is left of it.
    """
    draft = _beside(path)
    try:
        create(draft, content)
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink(missing_ok=True)
    return True


def replace(path: Path, content: bytes, mode: int = FILE) -> None:
    """Write a file whole or not at all: whoever reads it sees the old content or the new one.

    Raises:
        OSError: it cannot be written; the old content stands.
    """
    draft = _beside(path)
    try:
        create(draft, content, mode)
        move(draft, path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def replacing(path: Path, mode: int = FILE) -> Iterator[Path]:
    """The same for a library that writes files: its draft gets the name at the block's end.

    Yields:
        the draft's path, an empty file beside ``path``.

    Raises:
        OSError: it cannot be written; the old content stands.
    """
    draft = _beside(path)
    try:
        create(draft, b"", mode)
        granted = stat.S_IMODE(draft.stat().st_mode)
        yield draft
        draft.chmod(granted)  # the library may have put a file of its own there
        sync(draft)
        move(draft, path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def alone(path: Path, flags: int = os.O_RDWR | os.O_CREAT, mode: int = FILE) -> Iterator[int]:
    """A file that one at a time has open, of those who open it in this way; the others wait.

    Args:
        path: a file, made if it is not there; with other ``flags`` a folder.
        flags: of os.open.
        mode: of a file that is made.

    Yields:
        the open file's number.
    """
    handle = os.open(path, flags | os.O_CLOEXEC, mode)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
    finally:
        os.close(handle)


def only_one(path: Path) -> int:
    """Take a lock for as long as this process lives; however it ends, the kernel gives it back.

    Returns:
        the open file's number; closing it gives the lock back.

    Raises:
        BlockingIOError: somebody holds it.
        OSError: the file cannot be made.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, FILE)
    locked = False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        locked = True
    finally:
        if not locked:
            os.close(handle)
    return handle


def move(source: Path, target: Path) -> None:
    """Give a file or folder another name on the same disk, and make that lasting.

    A file or an empty folder of that name is replaced.
    """
    source.replace(target)
    sync(target.parent)


def sync(path: Path) -> None:
    """Have the disk keep what a file holds, or which names a folder has."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def hand_over(state: Path, *names: str) -> None:
    """Give files that an administrator made in the worker's folder to the worker's user.

    So the worker can go on with them. Only plain files that have no other name are given away.

    Args:
        state: the worker's folder.
        names: of the files; those that are not there are passed over.
    """
    if os.geteuid() != 0:
        return
    owner = state.stat()
    for path in (state / name for name in names):
        if not os.path.lexists(path):
            continue
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(handle)
            # The worker's user could have put a link to somebody else's file there.
            if stat.S_ISREG(status.st_mode) and status.st_nlink == 1:
                os.fchown(handle, owner.st_uid, owner.st_gid)
        finally:
            os.close(handle)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}")
